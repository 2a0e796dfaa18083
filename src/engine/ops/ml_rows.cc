#include "engine/ops/ml_rows.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace oag {
namespace {

double logistic(double value) {
  return 1 / (1 + std::exp(-value));
}

// The inverse of the normal distribution, in the approximation of erf's inverse by Winitzki that all engines
// use here: results differ from the exact ones in the third digit.
double probit(double value) {
  constexpr double kA = 0.147;
  const double x = 2 * value - 1;
  const double log = std::log((1 - x) * (1 + x));
  const double half = 2 / (std::numbers::pi * kA) + 0.5 * log;
  const double root = std::sqrt(std::sqrt(half * half - log / kA) - half);
  return std::numbers::sqrt2 * (x < 0 ? -root : root);
}

void softmax(std::vector<double>& scores, bool skip_zeros) {
  constexpr double kZero = 1e-7;
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) {
    if (skip_zeros && std::abs(score) <= kZero) {
      score *= std::exp(-largest);
    } else {
      score = std::exp(score - largest);
      sum += score;
    }
  }
  for (double& score : scores) score /= sum;
}

}  // namespace

FeatureRows::FeatureRows(const KernelContext& context) : tensor(context.input(0)) {
  if (tensor.rank() != 1 && tensor.rank() != 2)
    context.refuse("X {} must be [N, F] or [F]", to_string(tensor.dims()));
  if (tensor.rank() == 2) count = tensor.dim(0);
  width = tensor.dims().back();
}

std::vector<double> FeatureRows::read(int64_t row) const {
  std::vector<double> values(static_cast<size_t>(width));
  load_elements<double>(tensor, row * width, 1, values);
  return values;
}

Dim row_count(const InferenceContext& context) {
  if (!context.has_shape(0)) return context.fresh_dim("rows");
  const Shape& shape = context.shape(0);
  if (shape.size() != 1 && shape.size() != 2) context.refuse("X {} must be [N, F] or [F]", to_string(shape));
  return shape.size() == 2 ? shape[0] : Dim(1);
}

void ClassLabels::write(const Tensor& out, int64_t i, size_t index) const {
  const auto at = static_cast<size_t>(i);
  if (integers.empty()) {
    out.values<std::string>()[at] = strings[index];
  } else {
    out.values<int64_t>()[at] = integers[index];
  }
}

void ClassLabels::write_bare(const Tensor& out, int64_t i, int64_t integer) const {
  const auto at = static_cast<size_t>(i);
  if (integers.empty()) {
    out.values<std::string>()[at] = std::to_string(integer);
  } else {
    out.values<int64_t>()[at] = integer;
  }
}

std::optional<PostTransform> post_transform_from_name(std::string_view name) {
  if (name == "NONE") return PostTransform::kNone;
  if (name == "SOFTMAX") return PostTransform::kSoftmax;
  if (name == "LOGISTIC") return PostTransform::kLogistic;
  if (name == "SOFTMAX_ZERO") return PostTransform::kSoftmaxZero;
  if (name == "PROBIT") return PostTransform::kProbit;
  return std::nullopt;
}

void transform_scores(std::vector<double>& scores, PostTransform transform, SecondClass second) {
  if (scores.empty()) return;
  const bool single = scores.size() == 1;
  if (transform == PostTransform::kProbit) {
    std::transform(scores.begin(), scores.end(), scores.begin(), probit);
  } else if (single) {
    const double score = scores[0];
    if (second == SecondClass::kComplement) scores = {1 - score, score};
    if (second == SecondClass::kOpposite) scores = {-score, score};
    if (second != SecondClass::kNone && transform == PostTransform::kLogistic)
      scores = {logistic(-score), logistic(score)};
  } else if (transform == PostTransform::kLogistic) {
    std::transform(scores.begin(), scores.end(), scores.begin(), logistic);
  } else if (transform != PostTransform::kNone) {
    softmax(scores, transform == PostTransform::kSoftmaxZero);
  }
}

}  // namespace oag
