// Conv, ConvInteger and QLinearConv: windows of the input times weights.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/ops/column_product.h"
#include "engine/ops/conv_columns.h"
#include "engine/ops/conv_sizes.h"
#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

// Where the operators have their weights.
constexpr size_t kConvWeights = 1, kQLinearWeights = 3;

// Nothing where neither kernel_shape nor the weights' dims tell.
std::optional<std::vector<int64_t>> kernel_lengths(const Node& node, const Shape& weights) {
  if (node.has_attribute("kernel_shape")) return node.ints_attribute("kernel_shape");
  std::vector<int64_t> kernel;
  for (size_t d = 2; d < weights.size(); ++d) {
    if (!weights[d].is_constant()) return std::nullopt;
    kernel.push_back(weights[d].constant());
  }
  return kernel;
}

void infer_output(InferenceContext& context, size_t weights, DType dtype) {
  context.set_output(0, dtype, std::nullopt);
  if (!context.has_shape(0) || !context.has_shape(weights)) return;
  const Shape& x = context.shape(0);
  const Shape& w = context.shape(weights);
  if (x.size() < 2 || w.size() != x.size())
    context.refuse("x {} and weights {} must be [N, C, spatial …] and [M, C / group, kernel …]", to_string(x),
                   to_string(w));
  Shape out = {x[0], w[0]};
  const auto kernel = kernel_lengths(context.node(), w);
  const Shape counts = kernel ? Windows(context.node(), *kernel).spatial_counts(x)
                              : context.fresh_shape(static_cast<int64_t>(x.size()) - 2);
  out.insert(out.end(), counts.begin(), counts.end());
  context.set_output(0, dtype, std::move(out));
}

void infer_conv_integer(InferenceContext& context) {
  infer_output(context, kConvWeights, DType::kI32);
}
void infer_qlinear_conv(InferenceContext& context) {
  infer_output(context, kQLinearWeights, context.dtype(7));
}

// One convolution of input 0.
struct Convolution : ConvSizes {
  Convolution(const KernelContext& context, size_t weights)
      : ConvSizes(context, weights), x(context.input(0)), w(context.input(weights)) {
    product = {x.dim(0), groups, w.dim(0) / groups, element_count(Dims(w.dims().begin() + 1, w.dims().end())),
               element_count(Dims(out_dims.begin() + 2, out_dims.end()))};
  }

  void run(KernelEnv& env, std::span<const double> values, std::span<const double> weights,
           ColumnProduct::Store store) const {
    const WindowColumns columns(x.dims(), Dims(out_dims.begin() + 2, out_dims.end()), axes, product.groups);
    product.run(
        env, weights,
        [&](const ColumnProduct::Piece& piece, std::span<double> out) { columns.fill(values, piece, out); },
        store);
  }

  const Tensor& x;
  const Tensor& w;
  ColumnProduct product;
};

void conv_reference(KernelContext& context) {
  const Convolution conv(context, kConvWeights);
  conv.check_channels(context, 2);
  const Tensor& y = context.allocate_output(0, conv.x.dtype(), conv.out_dims);
  if (y.count() == 0) return;
  std::vector<double> bias(static_cast<size_t>(conv.w.dim(0)), 0.0);
  if (context.has_input(2)) load_elements<double>(context.input(2), 0, 1, bias);
  const auto values = widened(context.env(), conv.x), weights = widened(context.env(), conv.w);
  if (context.env().should_stop()) return;
  conv.run(context.env(), values, weights, [&](int64_t n, int64_t m, int64_t first, std::span<double> sums) {
    for (double& sum : sums) sum += bias[static_cast<size_t>(m)];
    store_elements<double>(y, (n * conv.w.dim(0) + m) * conv.product.positions + first, 1, sums);
  });
}

// Values less their zero point, of which input `zero` has one, or one for each dim 0 of `values`.
void subtract_zero_point(const KernelContext& context, size_t zero, std::span<double> values, int64_t dim0) {
  if (!context.has_input(zero)) return;
  const auto points = read_integers(context.input(zero));
  const auto count = static_cast<int64_t>(points.size());
  if (count != 1 && (count != dim0 || context.input(zero).rank() != 1))
    context.refuse("zero point {} must be one value or [{}]", to_string(context.input(zero).dims()), dim0);
  const auto row = static_cast<int64_t>(values.size()) / std::max<int64_t>(dim0, 1);
  for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i)
    values[static_cast<size_t>(i)] -=
        static_cast<double>(points[static_cast<size_t>(count == 1 ? 0 : i / row)]);
}

struct QuantizedOperands {
  std::span<double> values, weights;
};

// Products of 8-bit values add up without error in double: 2^53 of them would be needed to lose a bit.
QuantizedOperands quantized_operands(const KernelContext& context, const Convolution& conv, size_t x_zero,
                                     size_t w_zero) {
  const QuantizedOperands operands = {widened(context.env(), conv.x), widened(context.env(), conv.w)};
  if (context.has_input(x_zero) && context.input(x_zero).count() != 1)
    context.refuse("x's zero point {} must be one value", to_string(context.input(x_zero).dims()));
  subtract_zero_point(context, x_zero, operands.values, conv.x.dim(0));
  subtract_zero_point(context, w_zero, operands.weights, conv.w.dim(0));
  return operands;
}

void conv_integer_reference(KernelContext& context) {
  const Convolution conv(context, kConvWeights);
  const Tensor& y = context.allocate_output(0, DType::kI32, conv.out_dims);
  if (y.count() == 0) return;
  const QuantizedOperands operands = quantized_operands(context, conv, 2, 3);
  if (context.env().should_stop()) return;
  conv.run(context.env(), operands.values, operands.weights,
           [&](int64_t n, int64_t m, int64_t first, std::span<double> sums) {
             std::vector<int64_t> whole(sums.begin(), sums.end());
             store_elements<int64_t>(y, (n * conv.w.dim(0) + m) * conv.product.positions + first, 1, whole);
           });
}

double scalar(const KernelContext& context, size_t i) {
  if (context.input(i).count() != 1)
    context.refuse("input {} is {}; it must be one value", i, to_string(context.input(i).dims()));
  double value = 0;
  load_elements<double>(context.input(i), 0, 1, {&value, 1});
  return value;
}

void qlinear_conv_reference(KernelContext& context) {
  const Convolution conv(context, kQLinearWeights);
  conv.check_channels(context, 8);
  const auto channels = static_cast<size_t>(conv.w.dim(0));
  const double x_scale = scalar(context, 1), y_scale = scalar(context, 6), y_zero = scalar(context, 7);
  std::vector<double> scales(static_cast<size_t>(context.input(4).count()));
  load_elements<double>(context.input(4), 0, 1, scales);
  if (scales.size() == 1) scales.resize(channels, scales[0]);
  if (scales.size() != channels)
    context.refuse("w_scale {} must be one value or [{}]", to_string(context.input(4).dims()), channels);
  std::vector<double> bias(channels, 0.0);
  if (context.has_input(8)) load_elements<double>(context.input(8), 0, 1, bias);
  const DType dtype = context.input(7).dtype();
  const double least = dtype == DType::kI8 ? -128 : 0, most = dtype == DType::kI8 ? 127 : 255;
  const Tensor& y = context.allocate_output(0, dtype, conv.out_dims);
  if (y.count() == 0) return;
  const QuantizedOperands operands = quantized_operands(context, conv, 2, 5);
  if (context.env().should_stop()) return;
  conv.run(context.env(), operands.values, operands.weights,
           [&](int64_t n, int64_t m, int64_t first, std::span<double> sums) {
             const double scale = x_scale * scales[static_cast<size_t>(m)] / y_scale;
             for (double& sum : sums) {
               const double value = std::nearbyint((sum + bias[static_cast<size_t>(m)]) * scale) + y_zero;
               sum = std::clamp(value, least, most);
             }
             store_elements<double>(y, (n * conv.w.dim(0) + m) * conv.product.positions + first, 1, sums);
           });
}

constexpr FixedList<AttributeSpec, 24> kConvAttributes = {
    {"auto_pad", AttributeKind::kString}, {"dilations", AttributeKind::kInts},
    {"group", AttributeKind::kInt},       {"kernel_shape", AttributeKind::kInts},
    {"pads", AttributeKind::kInts},       {"strides", AttributeKind::kInts}};
constexpr DTypeSet kByteTypes = {DType::kI8, DType::kU8};

}  // namespace

void infer_conv(InferenceContext& context) {
  infer_output(context, kConvWeights, context.dtype(0));
}

// Y [N, M, spatial…] = B + windows of X [N, C, spatial…] · W [M, C / group, kernel…], each group of output
// channels over its group of input channels.
extern constinit const OpSchema kConv = {
    .domain = "",
    .op = "Conv",
    .since_version = 22,
    .inputs = {{"X", "T", kFloatTypes}, {"W", "T", kFloatTypes}, {"B", "T", kFloatTypes, true}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = kConvAttributes,
    .infer = infer_conv,
    .reference = conv_reference,
};

// The same on 8-bit integers less their zero points (w's: one, or one for each output channel), summed in
// i32, which wraps around.
extern constinit const OpSchema kConvInteger = {
    .domain = "",
    .op = "ConvInteger",
    .since_version = 10,
    .inputs = {{"x", "T1", kByteTypes},
               {"w", "T2", kByteTypes},
               {"x_zero_point", "T1", kByteTypes, true},
               {"w_zero_point", "T2", kByteTypes, true}},
    .outputs = {{"y", "T3", {DType::kI32}}},
    .attributes = kConvAttributes,
    .infer = infer_conv_integer,
    .reference = conv_integer_reference,
};

// The same, with B in steps of x_scale · w_scale, rounded to nearest even steps of y_scale and saturated.
extern constinit const OpSchema kQLinearConv = {
    .domain = "",
    .op = "QLinearConv",
    .since_version = 10,
    .inputs = {{"x", "T1", kByteTypes},
               {"x_scale", "", {DType::kF32}},
               {"x_zero_point", "T1", kByteTypes},
               {"w", "T2", kByteTypes},
               {"w_scale", "", {DType::kF32}},
               {"w_zero_point", "T2", kByteTypes},
               {"y_scale", "", {DType::kF32}},
               {"y_zero_point", "T3", kByteTypes},
               {"B", "T4", {DType::kI32}, true}},
    .outputs = {{"y", "T3", kByteTypes}},
    .attributes = kConvAttributes,
    .infer = infer_qlinear_conv,
    .reference = qlinear_conv_reference,
};

}  // namespace oag
