// RMSNormalization and LayerNormalization over the trailing dims.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr DTypeSet kStatisticsTypes = {DType::kF32, DType::kBF16};
constexpr int64_t kStashF32 = 1, kStashBF16 = 16;  // TensorProto.DataType

// Statistics are computed in double here, whatever precision stash_type asks for at least.
void check_stash_type(const InferenceContext& context) {
  const int64_t stash = context.node().int_attribute("stash_type", kStashF32);
  if (stash != kStashF32 && stash != kStashBF16) {
    context.refuse("stash_type is {}; it must be {} (f32) or {} (bf16)", stash, kStashF32, kStashBF16);
  }
}

DType statistics_type(const Node& node) {
  return node.int_attribute("stash_type", kStashF32) == kStashBF16 ? DType::kBF16 : DType::kF32;
}

// Scale and bias must broadcast to x without widening it.
void check_broadcasts_to(const InferenceContext& context, size_t input, const Shape& x) {
  if (!context.has_shape(input)) return;
  const Shape& shape = context.shape(input);
  bool fits = shape.size() <= x.size();
  for (size_t i = 1; fits && i <= shape.size(); ++i) {
    const Dim& dim = shape[shape.size() - i];
    const Dim& whole = x[x.size() - i];
    fits = dim == whole || !dim.is_constant() || dim == Dim(1) || !whole.is_constant();
  }
  if (!fits)
    context.refuse("input {} of shape {} does not broadcast to x {}", input, to_string(shape), to_string(x));
}

void infer_rms(InferenceContext& context) {
  check_stash_type(context);
  if (context.has_shape(0)) {
    const Shape& x = context.shape(0);
    normalize_axis(context, context.node().int_attribute("axis", -1), x.size());
    check_broadcasts_to(context, 1, x);
  }
  context.set_output(0, context.dtype(1), context.type(0).shape);
}

void infer_layer(InferenceContext& context) {
  check_stash_type(context);
  context.set_output(0, context.dtype(0), context.type(0).shape);
  std::optional<Shape> statistics;
  if (context.has_shape(0)) {
    const Shape& x = context.shape(0);
    const auto axis = normalize_axis(context, context.node().int_attribute("axis", -1), x.size());
    check_broadcasts_to(context, 1, x);
    if (context.has_input(2)) check_broadcasts_to(context, 2, x);
    statistics = x;
    std::fill(statistics->begin() + axis, statistics->end(), Dim(1));
  }
  context.set_output(1, statistics_type(context.node()), statistics);
  context.set_output(2, statistics_type(context.node()), std::move(statistics));
}

// One operand, such as a scale, in double as it broadcasts to all of x: value(i) for element i of x.
class BroadcastOperand {
 public:
  BroadcastOperand(const KernelContext& context, size_t input, const Dims& to) {
    const Tensor& tensor = context.input(input);
    if (tensor.rank() > to.size() || broadcast_dims(context, tensor.dims(), to) != to) {
      context.refuse("input {} of shape {} does not broadcast to x {}", input, to_string(tensor.dims()),
                     to_string(to));
    }
    values_.resize(static_cast<size_t>(tensor.count()));
    load_elements<double>(tensor, 0, 1, values_);
    dims_ = to;
    strides_ = broadcast_strides(tensor.dims(), to);
    for (size_t d = to.size(); d-- > 0 && tensor.count() > 1;) {
      if (strides_[d] == 0) break;
      ++dense_dims_;
    }
    dense_ = element_count(Dims(to.end() - static_cast<std::ptrdiff_t>(dense_dims_), to.end()));
  }

  double value(int64_t i) const {
    if (dense_ == static_cast<int64_t>(values_.size())) return values_[static_cast<size_t>(i % dense_)];
    int64_t at = 0;
    for (size_t d = dims_.size(); d-- > 0; i /= dims_[d]) at += i % dims_[d] * strides_[d];
    return values_[static_cast<size_t>(at)];
  }

 private:
  std::vector<double> values_;
  Dims dims_;
  Strides strides_;
  size_t dense_dims_ = 0;  // trailing dims along which the operand is dense
  int64_t dense_ = 1;
};

// Rows of the normalised dims: [rows, length].
struct Rows {
  Rows(const KernelContext& context, const Tensor& x)
      : axis(normalize_axis(context, context.node().int_attribute("axis", -1), x.rank())) {
    for (size_t d = axis; d < x.rank(); ++d) length *= x.dim(d);
    for (size_t d = 0; d < axis; ++d) count *= x.dim(d);
  }
  size_t axis;
  int64_t length = 1;
  int64_t count = 1;
};

void rms_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Rows rows(context, x);
  const BroadcastOperand scale(context, 1, x.dims());
  const double epsilon = context.node().float_attribute("epsilon", 1e-5f);
  const Tensor& y = context.allocate_output(0, context.input(1).dtype(), x.dims());
  if (y.count() == 0) return;
  context.env().parallel_for(rows.count, 4 * rows.length, [&](int64_t r, int) {
    std::vector<double> row(static_cast<size_t>(rows.length));
    load_elements<double>(x, r * rows.length, 1, row);
    double squares = 0;
    for (const double value : row) squares += value * value;
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(rows.length) + epsilon);
    for (int64_t i = 0; i < rows.length; ++i)
      row[static_cast<size_t>(i)] *= inverse * scale.value(r * rows.length + i);
    store_elements<double>(y, r * rows.length, 1, row);
  });
}

void layer_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Rows rows(context, x);
  const BroadcastOperand scale(context, 1, x.dims());
  std::optional<BroadcastOperand> bias;
  if (context.has_input(2)) bias.emplace(context, 2, x.dims());
  const double epsilon = context.node().float_attribute("epsilon", 1e-5f);
  Dims statistics = x.dims();
  std::fill(statistics.begin() + static_cast<std::ptrdiff_t>(rows.axis), statistics.end(), 1);
  for (size_t i = 1; i < 3; ++i) {
    if (context.wants_output(i)) context.allocate_output(i, statistics_type(context.node()), statistics);
  }
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  if (y.count() == 0) return;
  context.env().parallel_for(rows.count, 6 * rows.length, [&](int64_t r, int) {
    std::vector<double> row(static_cast<size_t>(rows.length));
    load_elements<double>(x, r * rows.length, 1, row);
    double sum = 0, squares = 0;
    for (const double value : row) sum += value;
    const double mean = sum / static_cast<double>(rows.length);
    for (const double value : row) squares += (value - mean) * (value - mean);
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(rows.length) + epsilon);
    for (int64_t i = 0; i < rows.length; ++i) {
      double& value = row[static_cast<size_t>(i)];
      value = (value - mean) * inverse * scale.value(r * rows.length + i);
      if (bias) value += bias->value(r * rows.length + i);
    }
    store_elements<double>(y, r * rows.length, 1, row);
    if (context.wants_output(1)) store_elements<double>(context.output(1), r, 1, std::array{mean});
    if (context.wants_output(2)) store_elements<double>(context.output(2), r, 1, std::array{inverse});
  });
}

}  // namespace

// y = x / sqrt(mean(x²) + epsilon) · scale, the mean over the dims from `axis` on. scale broadcasts to x.
extern constinit const OpSchema kRMSNormalization = {
    .domain = "",
    .op = "RMSNormalization",
    .since_version = 23,
    .inputs = {{"X", "T", kFloatTypes}, {"scale", "V", kFloatTypes}},
    .outputs = {{"Y", "V", kFloatTypes}},
    .attributes = {{"axis", AttributeKind::kInt},
                   {"epsilon", AttributeKind::kFloat},
                   {"stash_type", AttributeKind::kInt}},
    .infer = infer_rms,
    .reference = rms_reference,
};

// y = (x - mean) / sqrt(variance + epsilon) · scale + bias, both over the dims from `axis` on; then the mean
// and the reciprocal of the root, in the type that stash_type names, dims of 1 from `axis` on.
extern constinit const OpSchema kLayerNormalization = {
    .domain = "",
    .op = "LayerNormalization",
    .since_version = 17,
    .inputs = {{"X", "T", kFloatTypes}, {"Scale", "T", kFloatTypes}, {"B", "T", kFloatTypes, true}},
    .outputs = {{"Y", "T", kFloatTypes},
                {"Mean", "U", kStatisticsTypes, true},
                {"InvStdDev", "U", kStatisticsTypes, true}},
    .attributes = {{"axis", AttributeKind::kInt},
                   {"epsilon", AttributeKind::kFloat},
                   {"stash_type", AttributeKind::kInt}},
    .infer = infer_layer,
    .reference = layer_reference,
};

}  // namespace oag
