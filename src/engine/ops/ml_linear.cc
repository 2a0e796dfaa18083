// LinearClassifier and LinearRegressor.
#include <algorithm>
#include <vector>

#include "engine/ops/ml_rows.h"

namespace oag {
namespace {

// One score a target: row · coefficients + intercept.
class LinearModel {
 public:
  LinearModel(const KernelContext& context, size_t targets, int64_t width)
      : coefficients_(context.node().floats_attribute("coefficients")),
        intercepts_(context.node().floats_attribute("intercepts")),
        targets_(targets) {
    if (targets == 0 || coefficients_.size() / targets != static_cast<size_t>(width) ||
        coefficients_.size() % targets != 0) {
      context.refuse("{} coefficients do not make {} targets of the {} features of X", coefficients_.size(),
                     targets, width);
    }
    if (!intercepts_.empty() && intercepts_.size() != targets)
      context.refuse("{} intercepts for {} targets", intercepts_.size(), targets);
  }

  std::vector<double> scores(const std::vector<double>& row) const {
    std::vector<double> scores(targets_);
    for (size_t target = 0; target < targets_; ++target) {
      double sum = intercepts_.empty() ? 0 : intercepts_[target];
      for (size_t i = 0; i < row.size(); ++i) sum += row[i] * coefficients_[target * row.size() + i];
      scores[target] = sum;
    }
    return scores;
  }

 private:
  std::vector<float> coefficients_, intercepts_;
  size_t targets_;
};

int64_t target_count(const Node& node) {
  return node.int_attribute("targets", 1);
}

void infer_regressor(InferenceContext& context) {
  read_post_transform(context);
  const int64_t targets = target_count(context.node());
  if (targets < 1) context.refuse("targets is {}; it must be at least 1", targets);
  context.set_output(0, DType::kF32, Shape{row_count(context), targets});
}

void regressor_reference(KernelContext& context) {
  const FeatureRows rows(context);
  const int64_t targets = target_count(context.node());
  const LinearModel model(context, static_cast<size_t>(targets), rows.width);
  const PostTransform transform = read_post_transform(context);
  const Tensor& out = context.allocate_output(0, DType::kF32, {rows.count, targets});
  context.env().parallel_for(rows.count, rows.width * targets, [&](int64_t row, int) {
    std::vector<double> scores = model.scores(rows.read(row));
    transform_scores(scores, transform, SecondClass::kNone);
    store_elements<double>(out, row * targets, 1, scores);
  });
}

ClassLabels labels_of(const auto& context) {
  return ClassLabels(context, "classlabels_ints", "classlabels_strings");
}

// As many targets as intercepts; as labels where there are none.
size_t class_targets(const Node& node, const ClassLabels& labels) {
  const size_t intercepts = node.floats_attribute("intercepts").size();
  return intercepts == 0 ? labels.size() : intercepts;
}

// One target may score two classes.
bool adds_class(size_t targets, const ClassLabels& labels) {
  return targets == 1 && labels.size() == 2;
}

void infer_classifier(InferenceContext& context) {
  read_post_transform(context);
  const ClassLabels labels = labels_of(context);
  const size_t targets = class_targets(context.node(), labels);
  if (targets > 1 && targets != labels.size())
    context.refuse("{} targets for {} labels", targets, labels.size());
  const Dim rows = row_count(context);
  context.set_output(0, labels.dtype(), Shape{rows});
  context.set_output(1, DType::kF32,
                     Shape{rows, adds_class(targets, labels) ? 2 : static_cast<int64_t>(targets)});
}

void classifier_reference(KernelContext& context) {
  const FeatureRows rows(context);
  const ClassLabels labels = labels_of(context);
  const size_t targets = class_targets(context.node(), labels);
  const LinearModel model(context, targets, rows.width);
  const PostTransform transform = read_post_transform(context);
  const bool adds = adds_class(targets, labels);
  const int64_t columns = adds ? 2 : static_cast<int64_t>(targets);
  const Tensor& chosen = context.allocate_output(0, labels.dtype(), {rows.count});
  const Tensor& out = context.allocate_output(1, DType::kF32, {rows.count, columns});
  context.env().parallel_for(rows.count, rows.width * columns, [&](int64_t row, int) {
    std::vector<double> scores = model.scores(rows.read(row));
    if (targets > 1) {
      labels.write(chosen, row,
                   static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin()));
    } else if (adds) {
      labels.write(chosen, row, scores[0] > 0 ? 1 : 0);
    } else {
      labels.write_bare(chosen, row, scores[0] > 0 ? 1 : 0);
    }
    transform_scores(scores, transform, adds ? SecondClass::kComplement : SecondClass::kNone);
    scores.resize(static_cast<size_t>(columns), scores.back());
    store_elements<double>(out, row * columns, 1, scores);
  });
}

}  // namespace

// Y [N, targets] = X · coefficients [targets, F]ᵀ + intercepts [targets], transformed.
extern constinit const OpSchema kLinearRegressor = {
    .domain = "ai.onnx.ml",
    .op = "LinearRegressor",
    .since_version = 1,
    .inputs = {{"X", "", kFeatureTypes}},
    .outputs = {{"Y", "", {DType::kF32}}},
    .attributes = {{"coefficients", AttributeKind::kFloats},
                   {"intercepts", AttributeKind::kFloats},
                   {"post_transform", AttributeKind::kString},
                   {"targets", AttributeKind::kInt}},
    .infer = infer_regressor,
    .reference = regressor_reference,
};

// Y [N] the label of the class whose score is largest, Z [N, classes] the scores, transformed. One target
// decides between two classes: the second where it is above 0.
extern constinit const OpSchema kLinearClassifier = {
    .domain = "ai.onnx.ml",
    .op = "LinearClassifier",
    .since_version = 1,
    .inputs = {{"X", "", kFeatureTypes}},
    .outputs = {{"Y", "", {DType::kI64, DType::kString}}, {"Z", "", {DType::kF32}}},
    .attributes = {{"classlabels_ints", AttributeKind::kInts},
                   {"classlabels_strings", AttributeKind::kStrings},
                   {"coefficients", AttributeKind::kFloats, true},
                   {"intercepts", AttributeKind::kFloats},
                   {"multi_class", AttributeKind::kInt},
                   {"post_transform", AttributeKind::kString}},
    .infer = infer_classifier,
    .reference = classifier_reference,
};

}  // namespace oag
