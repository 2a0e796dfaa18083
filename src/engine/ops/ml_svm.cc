// SVMClassifier and SVMRegressor, as libsvm and liblinear train them.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/ops/ml_rows.h"

namespace oag {
namespace {

enum class KernelKind { kLinear, kPoly, kRbf, kSigmoid };

// The product of two vectors in a space of features.
class SvmKernel {
 public:
  template <typename Context>
  explicit SvmKernel(const Context& context) {
    const std::string name = context.node().string_attribute("kernel_type", "LINEAR");
    const std::array<std::string_view, 4> names = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) context.refuse("kernel_type \"{}\" is not known", name);
    kind_ = static_cast<KernelKind>(found - names.begin());
    const auto parameters = context.node().floats_attribute("kernel_params");
    if (!parameters.empty() && parameters.size() != 3)
      context.refuse("has {} kernel_params; gamma, coef0 and degree are expected", parameters.size());
    if (!parameters.empty()) {
      gamma_ = parameters[0];
      offset_ = parameters[1];
      degree_ = parameters[2];
    }
  }

  void set_linear() { kind_ = KernelKind::kLinear; }

  double operator()(const std::vector<double>& row, const float* other) const {
    double sum = 0;
    for (size_t i = 0; i < row.size(); ++i) {
      const double difference = row[i] - other[i];
      sum += kind_ == KernelKind::kRbf ? difference * difference : row[i] * other[i];
    }
    switch (kind_) {
      case KernelKind::kLinear: return sum;
      case KernelKind::kPoly: return std::pow(gamma_ * sum + offset_, degree_);
      case KernelKind::kRbf: return std::exp(-gamma_ * sum);
      case KernelKind::kSigmoid: return std::tanh(gamma_ * sum + offset_);
    }
    return sum;
  }

 private:
  KernelKind kind_ = KernelKind::kLinear;
  double gamma_ = 0, offset_ = 0, degree_ = 0;
};

void refuse_unless(const KernelContext& context, bool fits, std::string_view what) {
  if (!fits) context.refuse("{} do not have the length that the other attributes and X need", what);
}

// The probability of each class from those of each pair, pairs[i * classes + j] that of i against j: the
// second method of Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise
// coupling" (2004), with the limits of libsvm.
std::vector<double> couple_pairs(const std::vector<double>& pairs, size_t classes) {
  std::vector<double> q(classes * classes, 0.0), p(classes, 1.0 / static_cast<double>(classes)), qp(classes);
  for (size_t i = 0; i < classes; ++i) {
    for (size_t j = 0; j < classes; ++j) {
      if (j == i) continue;
      q[i * classes + i] += pairs[j * classes + i] * pairs[j * classes + i];
      q[i * classes + j] = -pairs[j * classes + i] * pairs[i * classes + j];
    }
  }
  const double enough = 0.005 / static_cast<double>(classes);
  for (int round = 0; round < 100; ++round) {
    double total = 0, worst = 0;
    for (size_t i = 0; i < classes; ++i) {
      qp[i] =
          std::inner_product(p.begin(), p.end(), q.begin() + static_cast<std::ptrdiff_t>(i * classes), 0.0);
      total += p[i] * qp[i];
    }
    for (const double value : qp) worst = std::max(worst, std::abs(value - total));
    if (worst < enough) break;
    for (size_t i = 0; i < classes; ++i) {
      const double diagonal = q[i * classes + i], step = (total - qp[i]) / diagonal, scale = 1 + step;
      p[i] += step;
      total = (total + step * (step * diagonal + 2 * qp[i])) / (scale * scale);
      for (size_t j = 0; j < classes; ++j) {
        qp[j] = (qp[j] + step * q[i * classes + j]) / scale;
        p[j] /= scale;
      }
    }
  }
  return p;
}

class SvmClassifierModel {
 public:
  SvmClassifierModel(const KernelContext& context, size_t classes, int64_t width)
      : classes_(classes),
        kernel_(context),
        coefficients_(context.node().floats_attribute("coefficients")),
        rho_(context.node().floats_attribute("rho")),
        slopes_(context.node().floats_attribute("prob_a")),
        offsets_(context.node().floats_attribute("prob_b")),
        vectors_(context.node().floats_attribute("support_vectors")),
        width_(static_cast<size_t>(width)) {
    size_t count = 0;
    for (const int64_t of_class : context.node().ints_attribute("vectors_per_class")) {
      starts_.push_back(count);
      refuse_unless(context, of_class >= 0 && static_cast<size_t>(of_class) <= coefficients_.size(),
                    "vectors_per_class");
      count += static_cast<size_t>(of_class);
    }
    starts_.push_back(count);
    count_ = count;
    all_positive_ = std::all_of(coefficients_.begin(), coefficients_.end(), [](float c) { return c >= 0; });
    const size_t pairs = pair_count();
    if (linear()) {
      kernel_.set_linear();
      refuse_unless(context, coefficients_.size() == classes * width_ && !rho_.empty(), "coefficients");
      return;
    }
    refuse_unless(context, starts_.size() == classes + 1, "vectors_per_class");
    refuse_unless(context, vectors_.size() == count * width_, "support_vectors");
    refuse_unless(context, coefficients_.size() == (classes - 1) * count, "coefficients");
    refuse_unless(context, rho_.size() >= pairs, "rho");
    refuse_unless(context, slopes_.size() == offsets_.size() && (slopes_.empty() || slopes_.size() >= pairs),
                  "prob_a and prob_b");
  }

  // Without support vectors: one linear score a class.
  bool linear() const { return count_ == 0; }
  bool has_probabilities() const { return !linear() && !slopes_.empty(); }
  bool all_positive() const { return all_positive_; }
  size_t pair_count() const { return classes_ * (classes_ - 1) / 2; }

  struct Result {
    std::vector<double> scores;  // one a class or one a pair of classes
    size_t winner = 0;
  };

  Result run(const std::vector<double>& row) const {
    if (linear()) {
      Result result;
      for (size_t i = 0; i < classes_; ++i)
        result.scores.push_back(kernel_(row, coefficients_.data() + i * width_) + rho_[0]);
      result.winner = index_of_largest(result.scores);
      return result;
    }
    Result result = run_pairs(row);
    if (has_probabilities()) result.scores = probabilities(result.scores);
    return result;
  }

 private:
  static size_t index_of_largest(const auto& values) {
    return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
  }

  double weigh(const std::vector<double>& products, size_t coefficient_row, size_t of_class) const {
    double sum = 0;
    for (size_t i = starts_[of_class]; i < starts_[of_class + 1]; ++i)
      sum += coefficients_[coefficient_row * count_ + i] * products[i];
    return sum;
  }

  Result run_pairs(const std::vector<double>& row) const {
    std::vector<double> products(count_);
    for (size_t i = 0; i < count_; ++i) products[i] = kernel_(row, vectors_.data() + i * width_);
    Result result;
    std::vector<int> votes(classes_, 0);
    for (size_t i = 0; i < classes_; ++i) {
      for (size_t j = i + 1; j < classes_; ++j) {
        const double score = weigh(products, j - 1, i) + weigh(products, i, j) + rho_[result.scores.size()];
        result.scores.push_back(score);
        ++votes[score > 0 ? i : j];
      }
    }
    result.winner = index_of_largest(votes);
    return result;
  }

  std::vector<double> probabilities(const std::vector<double>& scores) const {
    constexpr double kLeast = 1e-7;
    std::vector<double> pairs(classes_ * classes_, 0.0);
    size_t pair = 0;
    for (size_t i = 0; i < classes_; ++i) {
      for (size_t j = i + 1; j < classes_; ++j, ++pair) {
        const double probability = 1 / (1 + std::exp(scores[pair] * slopes_[pair] + offsets_[pair]));
        pairs[i * classes_ + j] = std::clamp(probability, kLeast, 1 - kLeast);
        pairs[j * classes_ + i] = 1 - pairs[i * classes_ + j];
      }
    }
    return couple_pairs(pairs, classes_);
  }

  size_t classes_;
  SvmKernel kernel_;
  std::vector<float> coefficients_, rho_, slopes_, offsets_, vectors_;
  std::vector<size_t> starts_;  // of each class among the support vectors, and their number
  size_t width_, count_ = 0;
  bool all_positive_ = false;
};

ClassLabels labels_of(const auto& context) {
  return ClassLabels(context, "classlabels_ints", "classlabels_strings");
}

// Scores a row: one a class, or one a pair of classes, of which one pair makes two.
int64_t score_count(const Node& node, size_t classes) {
  const auto per_class = node.ints_attribute("vectors_per_class");
  const bool linear = std::all_of(per_class.begin(), per_class.end(), [](int64_t n) { return n == 0; });
  if (linear || classes <= 2 || !node.floats_attribute("prob_a").empty())
    return std::max<int64_t>(static_cast<int64_t>(classes), linear ? 1 : 2);
  return static_cast<int64_t>(classes * (classes - 1) / 2);
}

void infer_svm_classifier(InferenceContext& context) {
  read_post_transform(context);
  SvmKernel{context};
  const ClassLabels labels = labels_of(context);
  const Dim rows = row_count(context);
  context.set_output(0, labels.dtype(), Shape{rows});
  context.set_output(1, DType::kF32, Shape{rows, score_count(context.node(), labels.size())});
}

// The index of the label. Of two classes, votes decide; scores that are linear, by their sign or size.
size_t choose_class(const SvmClassifierModel& model, const SvmClassifierModel::Result& result) {
  if (result.scores.size() == 2 && model.linear()) {
    const double largest = result.scores[result.winner];
    if (model.all_positive() ? largest >= 0.5 : largest > 0) return 1;
  }
  return result.winner;
}

void svm_classifier_reference(KernelContext& context) {
  const FeatureRows rows(context);
  const ClassLabels labels = labels_of(context);
  const SvmClassifierModel model(context, labels.size(), rows.width);
  const PostTransform transform = read_post_transform(context);
  const bool one_pair = !model.linear() && !model.has_probabilities() && labels.size() <= 2;
  const auto second = !one_pair                           ? SecondClass::kNone
                      : transform == PostTransform::kNone ? SecondClass::kOpposite
                                                          : SecondClass::kComplement;
  const int64_t columns = score_count(context.node(), labels.size());
  const Tensor& chosen = context.allocate_output(0, labels.dtype(), {rows.count});
  const Tensor& out = context.allocate_output(1, DType::kF32, {rows.count, columns});
  context.env().parallel_for(rows.count, rows.width * 64, [&](int64_t row, int) {
    SvmClassifierModel::Result result = model.run(rows.read(row));
    labels.write(chosen, row, choose_class(model, result));
    transform_scores(result.scores, transform, second);
    result.scores.resize(static_cast<size_t>(columns), 0);
    store_elements<double>(out, row * columns, 1, result.scores);
  });
}

void infer_svm_regressor(InferenceContext& context) {
  read_post_transform(context);
  SvmKernel{context};
  context.set_output(0, DType::kF32, Shape{row_count(context), 1});
}

void svm_regressor_reference(KernelContext& context) {
  const Node& node = context.node();
  const FeatureRows rows(context);
  SvmKernel kernel(context);
  const auto coefficients = node.floats_attribute("coefficients"), rho = node.floats_attribute("rho");
  auto vectors = node.floats_attribute("support_vectors");
  const auto width = static_cast<size_t>(rows.width);
  const int64_t given = node.int_attribute("n_supports", 0);
  refuse_unless(context, given >= 0 && static_cast<size_t>(given) <= coefficients.size(), "n_supports");
  const auto supports = static_cast<size_t>(given);
  if (supports == 0) kernel.set_linear();
  refuse_unless(context, vectors.size() == supports * width, "support_vectors");
  refuse_unless(context, coefficients.size() == (supports == 0 ? width : supports), "coefficients");
  refuse_unless(context, !rho.empty(), "rho");
  const bool one_class = node.int_attribute("one_class", 0) != 0;
  const PostTransform transform = read_post_transform(context);
  const Tensor& out = context.allocate_output(0, DType::kF32, {rows.count, 1});
  context.env().parallel_for(rows.count, rows.width * 16, [&](int64_t row, int) {
    const std::vector<double> values = rows.read(row);
    double sum = rho[0];
    for (size_t i = 0; i < supports; ++i) sum += coefficients[i] * kernel(values, vectors.data() + i * width);
    if (supports == 0) sum += kernel(values, coefficients.data());
    std::vector<double> scores = {one_class ? (sum > 0 ? 1.0 : -1.0) : sum};
    transform_scores(scores, transform, SecondClass::kNone);
    store_elements<double>(out, row, 1, scores);
  });
}

}  // namespace

// Y [N] the label that most pairs of classes vote for, Z [N, *] the score of each pair, or of each class
// where prob_a and prob_b make probabilities of them, or there are no support vectors.
extern constinit const OpSchema kSVMClassifier = {
    .domain = "ai.onnx.ml",
    .op = "SVMClassifier",
    .since_version = 1,
    .inputs = {{"X", "", kFeatureTypes}},
    .outputs = {{"Y", "", {DType::kI64, DType::kString}}, {"Z", "", {DType::kF32}}},
    .attributes = {{"classlabels_ints", AttributeKind::kInts},
                   {"classlabels_strings", AttributeKind::kStrings},
                   {"coefficients", AttributeKind::kFloats, true},
                   {"kernel_params", AttributeKind::kFloats},
                   {"kernel_type", AttributeKind::kString},
                   {"post_transform", AttributeKind::kString},
                   {"prob_a", AttributeKind::kFloats},
                   {"prob_b", AttributeKind::kFloats},
                   {"rho", AttributeKind::kFloats, true},
                   {"support_vectors", AttributeKind::kFloats},
                   {"vectors_per_class", AttributeKind::kInts}},
    .infer = infer_svm_classifier,
    .reference = svm_classifier_reference,
};

// Y [N, 1]: the weighted sum of the kernel of a row with each support vector, and rho; with one_class its
// sign.
extern constinit const OpSchema kSVMRegressor = {
    .domain = "ai.onnx.ml",
    .op = "SVMRegressor",
    .since_version = 1,
    .inputs = {{"X", "", kFeatureTypes}},
    .outputs = {{"Y", "", {DType::kF32}}},
    .attributes = {{"coefficients", AttributeKind::kFloats, true},
                   {"kernel_params", AttributeKind::kFloats},
                   {"kernel_type", AttributeKind::kString},
                   {"n_supports", AttributeKind::kInt},
                   {"one_class", AttributeKind::kInt},
                   {"post_transform", AttributeKind::kString},
                   {"rho", AttributeKind::kFloats, true},
                   {"support_vectors", AttributeKind::kFloats}},
    .infer = infer_svm_regressor,
    .reference = svm_regressor_reference,
};

}  // namespace oag
