// QuantizeLinear DequantizeLinear DynamicQuantizeLinear.
#include "engine/ops/quantization.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "engine/ops/element.h"
#include "engine/ops/float8.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"
#include "engine/tensor/float16.h"

namespace oag {
namespace {

constexpr DTypeSet kSmallIntegers = {DType::kI8, DType::kU8, DType::kI16, DType::kU16,
                                     DType::kI4, DType::kU4, DType::kI2,  DType::kU2};
constexpr DTypeSet kSmallFloats = {DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ,
                                   DType::kF4E2M1};
constexpr DTypeSet kQuantizedTypes = kSmallIntegers | kSmallFloats;
constexpr DTypeSet kRealTypes = {DType::kF32, DType::kF16, DType::kBF16};

// Which scale each element has: one for all, one for each place of an axis, or one for each block along it.
class ScalePlaces {
 public:
  ScalePlaces(const KernelContext& context, const Dims& dims, const Tensor& scale, bool has_zero_point) {
    const Node& node = context.node();
    // A scalar and a vector of one value are the same here.
    const bool both_single = scale.count() == 1 && has_zero_point && context.input(2).count() == 1;
    if (has_zero_point && !both_single && context.input(2).dims() != scale.dims()) {
      context.refuse("scale {} and zero point {} differ", to_string(scale.dims()),
                     to_string(context.input(2).dims()));
    }
    const int64_t block = node.int_attribute("block_size", 0);
    if (block < 0) context.refuse("block_size is {}", block);
    if (scale.count() == 1 && scale.rank() <= 1 && block == 0) return;
    // Vectors have one axis, whatever the attribute's default says.
    const bool vector = dims.size() == 1 && !node.has_attribute("axis");
    const size_t axis = vector ? 0 : normalize_axis(context, node.int_attribute("axis", 1), dims.size());
    length_ = dims[axis];
    step_ = dense_strides(dims)[axis];
    if (scale.rank() == 1 && block == 0) {
      if (scale.count() != length_) refuse(context, dims, scale);
      along_ = 1;
      return;
    }
    if (scale.rank() != dims.size()) refuse(context, dims, scale);
    const int64_t blocks = scale.dim(axis);
    for (size_t d = 0; d < dims.size(); ++d) {
      if (d != axis && scale.dim(d) != dims[d]) refuse(context, dims, scale);
    }
    if (length_ > 0 && blocks == 0) refuse(context, dims, scale);
    block_ = block > 0 ? block : std::max<int64_t>(1, length_ == 0 ? 1 : (length_ - 1) / blocks + 1);
    if (length_ > 0 && (length_ - 1) / block_ + 1 != blocks) refuse(context, dims, scale);
    before_ = blocks * step_;
    along_ = step_;
    after_ = 1;
  }

  size_t operator()(int64_t element) const {
    const int64_t before = element / (length_ * step_), place = element / step_ % length_;
    return static_cast<size_t>(before * before_ + place / block_ * along_ + element % step_ * after_);
  }

 private:
  [[noreturn]] static void refuse(const KernelContext& context, const Dims& dims, const Tensor& scale) {
    context.refuse(
        "scale {} does not fit {}: it must be a scalar, one value for each place of the axis, or one for "
        "each block along it",
        to_string(scale.dims()), to_string(dims));
  }

  int64_t length_ = 1, step_ = 1, block_ = 1;   // of the array
  int64_t before_ = 0, along_ = 0, after_ = 0;  // what the scale's index grows by
};

std::vector<double> read_numbers(const Tensor& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.count()));
  load_elements<double>(tensor, 0, 1, values);
  return values;
}

// A type that an attribute names, 0 or absent being none. Errors through `context` when it is not in
// `allowed`.
std::optional<DType> named_type(const InferenceContext& context, std::string_view attribute,
                                DTypeSet allowed) {
  const int64_t code = context.node().int_attribute(attribute, 0);
  if (code == 0) return std::nullopt;
  const auto dtype = dtype_from_onnx(code);
  if (!dtype || !allowed.contains(*dtype))
    context.refuse("{} is {}, which the operator does not take", attribute, code);
  return dtype;
}

std::optional<DType> named_type(const KernelContext& context, std::string_view attribute) {
  return dtype_from_onnx(context.node().int_attribute(attribute, 0));
}

void infer_quantize(InferenceContext& context) {
  const auto named = named_type(context, "output_dtype", kQuantizedTypes);
  named_type(context, "precision", kFloatTypes);
  if (context.has_input(2) && named && *named != context.dtype(2)) {
    context.refuse("output_dtype is {}, but the zero point is {}", dtype_name(*named),
                   dtype_name(context.dtype(2)));
  }
  const DType dtype = context.has_input(2) ? context.dtype(2) : named.value_or(DType::kU8);
  context.set_output(0, dtype, context.type(0).shape);
}

// The type that x / scale is rounded to.
DType division_type(const KernelContext& context) {
  if (const auto named = named_type(context, "precision")) return *named;
  const DType scale = context.input(1).dtype();
  if (scale == DType::kF8E8M0) return DType::kF32;  // it has no fractions
  return is_float(scale) ? scale : DType::kF64;
}

// Calls piece(first element, values) for pieces of the array, the values being those of x.
template <typename Piece>
void walk_values(KernelContext& context, const Tensor& in, const Piece& piece) {
  const StridedWalk walk({in.count()}, std::vector<Strides>{{1}});
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    std::array<double, StridedWalk::kPiece> buffer;
    const auto values = std::span(buffer).first(static_cast<size_t>(count));
    load_elements<double>(in, at[0], 1, values);
    piece(at[0], values);
  });
}

void quantize_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const bool has_zero_point = context.has_input(2);
  const ScalePlaces places(context, in.dims(), context.input(1), has_zero_point);
  const auto scales = read_numbers(context.input(1));
  const auto zero_points =
      has_zero_point ? read_numbers(context.input(2)) : std::vector<double>(scales.size(), 0.0);
  const DType dtype =
      has_zero_point ? context.input(2).dtype() : named_type(context, "output_dtype").value_or(DType::kU8);
  const Tensor& out = context.allocate_output(0, dtype, in.dims());
  const DType division = division_type(context);
  const bool saturate = context.node().int_attribute("saturate", 1) != 0;
  const bool to_integer = kSmallIntegers.contains(dtype);
  const IntegerRange range = to_integer ? integer_range(dtype) : IntegerRange{0, 0};
  walk_values(context, in, [&](int64_t first, std::span<double> values) {
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t place = places(first + static_cast<int64_t>(i));
      const double quotient = rounded_to(division, rounded_to(division, values[i]) / scales[place]);
      values[i] = to_integer ? quantized(quotient, zero_points[place], range) : quotient + zero_points[place];
    }
    if (!kFloat8Types.contains(dtype)) return store_elements<double>(out, first, 1, values);
    std::transform(values.begin(), values.end(), out.values<uint8_t>().begin() + first,
                   [&](double value) { return float8_from_double(dtype, value, saturate); });
  });
}

void infer_dequantize(InferenceContext& context) {
  const auto named = named_type(context, "output_dtype", kRealTypes);
  if (!named && !kRealTypes.contains(context.dtype(1)))
    context.refuse("scale is {}; output_dtype must name the output's type", dtype_name(context.dtype(1)));
  context.set_output(0, named.value_or(context.dtype(1)), context.type(0).shape);
}

void dequantize_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const bool has_zero_point = context.has_input(2);
  const ScalePlaces places(context, in.dims(), context.input(1), has_zero_point);
  const auto scales = read_numbers(context.input(1));
  const auto zero_points =
      has_zero_point ? read_numbers(context.input(2)) : std::vector<double>(scales.size(), 0.0);
  const DType dtype = named_type(context, "output_dtype").value_or(context.input(1).dtype());
  const Tensor& out = context.allocate_output(0, dtype, in.dims());
  walk_values(context, in, [&](int64_t first, std::span<double> values) {
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t place = places(first + static_cast<int64_t>(i));
      values[i] = (values[i] - zero_points[place]) * scales[place];
    }
    store_elements<double>(out, first, 1, values);
  });
}

void infer_dynamic_quantize(InferenceContext& context) {
  context.set_output(0, DType::kU8, context.type(0).shape);
  context.set_output(1, DType::kF32, Shape{});
  context.set_output(2, DType::kU8, Shape{});
}

// The range of the values and 0 becomes that of u8; all in f32, as the definition has it.
void dynamic_quantize_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const auto values = in.values<float>();
  float low = 0, high = 0;
  for (const float value : values) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  constexpr float kLevels = 255;
  const float scale = (high == low ? 1.0f : high - low) / kLevels;
  const float zero_point = std::nearbyint(std::clamp(-low / scale, 0.0f, kLevels));
  if (context.wants_output(0)) {
    const Tensor& out = context.allocate_output(0, DType::kU8, in.dims());
    std::transform(values.begin(), values.end(), out.values<uint8_t>().begin(), [&](float value) {
      return static_cast<uint8_t>(quantized(static_cast<double>(value / scale),
                                            static_cast<double>(zero_point), integer_range(DType::kU8)));
    });
  }
  if (context.wants_output(1)) context.allocate_output(1, DType::kF32, {}).values<float>()[0] = scale;
  if (context.wants_output(2))
    context.allocate_output(2, DType::kU8, {}).values<uint8_t>()[0] = static_cast<uint8_t>(zero_point);
}

}  // namespace

IntegerRange integer_range(DType dtype) {
  const DTypeInfo& info = dtype_info(dtype);
  const double levels = std::ldexp(1.0, static_cast<int>(8 * info.block_bytes / info.block_values));
  if (wide_kind(dtype) == WideKind::kSigned) return {-levels / 2, levels / 2 - 1};
  return {0, levels - 1};
}

double rounded_to(DType dtype, double value) {
  switch (dtype) {
    case DType::kF32: return static_cast<float>(value);
    case DType::kF16: return f32_from_f16(f16_from_f32(narrow_to_odd(value)));
    case DType::kBF16: return f32_from_bf16(bf16_from_f32(narrow_to_odd(value)));
    default: return value;
  }
}

double quantized(double quotient, double zero_point, IntegerRange range) {
  if (std::isnan(quotient)) quotient = 0;
  return std::clamp(std::nearbyint(quotient) + zero_point, range.low, range.high);
}

// y = saturate(round(x / y_scale) + y_zero_point), floats of 8 and 4 bits being rounded to their own steps.
// One scale for all, one for each place of `axis` (1), or one for each block_size places along it. The
// division is rounded to `precision`, by default the type of the scale.
extern constinit const OpSchema kQuantizeLinear = {
    .domain = "",
    .op = "QuantizeLinear",
    .since_version = 28,
    .inputs = {{"x", "T1", kRealTypes | DTypeSet{DType::kI32}},
               {"y_scale", "T2", kRealTypes | DTypeSet{DType::kI32, DType::kF8E8M0}},
               {"y_zero_point", "T3", kQuantizedTypes, true}},
    .outputs = {{"y", "T3", kQuantizedTypes}},
    .attributes = {{"axis", AttributeKind::kInt},
                   {"block_size", AttributeKind::kInt},
                   {"output_dtype", AttributeKind::kInt},
                   {"precision", AttributeKind::kInt},
                   {"saturate", AttributeKind::kInt}},
    .infer = infer_quantize,
    .reference = quantize_reference,
};

// y = (x - x_zero_point) · x_scale, scales as QuantizeLinear has them.
extern constinit const OpSchema kDequantizeLinear = {
    .domain = "",
    .op = "DequantizeLinear",
    .since_version = 28,
    .inputs = {{"x", "T1", kQuantizedTypes | DTypeSet{DType::kI32}},
               {"x_scale", "T2", kRealTypes | DTypeSet{DType::kF8E8M0}},
               {"x_zero_point", "T1", kQuantizedTypes | DTypeSet{DType::kI32}, true}},
    .outputs = {{"y", "T3", kRealTypes}},
    .attributes = {{"axis", AttributeKind::kInt},
                   {"block_size", AttributeKind::kInt},
                   {"output_dtype", AttributeKind::kInt}},
    .infer = infer_dequantize,
    .reference = dequantize_reference,
};

// x as u8 with the scale and zero point that its least and largest values ask for.
extern constinit const OpSchema kDynamicQuantizeLinear = {
    .domain = "",
    .op = "DynamicQuantizeLinear",
    .since_version = 11,
    .inputs = {{"x", "T1", {DType::kF32}}},
    .outputs = {{"y", "T2", {DType::kU8}},
                {"y_scale", "", {DType::kF32}},
                {"y_zero_point", "T2", {DType::kU8}}},
    .attributes = {},
    .infer = infer_dynamic_quantize,
    .reference = dynamic_quantize_reference,
};

}  // namespace oag
