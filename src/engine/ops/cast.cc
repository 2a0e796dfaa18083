// Cast and CastLike: change of element type.
#include "engine/ops/elementwise.h"
#include "engine/ops/float8.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

constexpr DTypeSet kArithmeticFloat8 = {DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2,
                                        DType::kF8E5M2FNUZ};
constexpr DTypeSet kCastTypes = kPlainTypes | kArithmeticFloat8;

DType cast_target(const InferenceContext& context) {
  const int64_t code = context.node().int_attribute("to");
  const auto dtype = dtype_from_onnx(code);
  if (!dtype) context.refuse("to is {}, which is no element type of ONNX", code);
  if (!kCastTypes.contains(*dtype)) context.refuse("to is {}, which Cast does not make", dtype_name(*dtype));
  return *dtype;
}

void infer_cast(InferenceContext& context) {
  context.set_output(0, cast_target(context), context.type(0).shape);
}

void infer_cast_like(InferenceContext& context) {
  context.set_output(0, context.dtype(1), context.type(0).shape);
}

void convert(KernelContext& context, DType dtype) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, dtype, in.dims());
  if (kArithmeticFloat8.contains(dtype) && context.node().int_attribute("saturate", 1) == 0) {
    const StridedWalk walk({in.count()}, std::vector<Strides>{{1}});
    walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
      std::array<double, StridedWalk::kPiece> values;
      load_elements<double>(in, at[0], 1, std::span(values).first(static_cast<size_t>(count)));
      std::transform(values.begin(), values.begin() + count, out.values<uint8_t>().begin() + at[0],
                     [&](double value) { return float8_from_double(dtype, value, false); });
    });
    return;
  }
  visit_wide(in.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    map_elements<Wide>(context.env(), in, out, [](Wide value) { return value; });
  });
}

void cast_reference(KernelContext& context) {
  convert(context, dtype_from_onnx(context.node().int_attribute("to")).value_or(DType::kUndefined));
}

void cast_like_reference(KernelContext& context) {
  convert(context, context.input(1).dtype());
}

}  // namespace

// Floats round to nearest even; floats to integers truncate (what ONNX leaves undefined saturates, NaN is 0);
// integers keep their low bits; bool is "not 0". saturate (1) concerns floats of 8 bits, round_mode none of
// the types here.
extern constinit const OpSchema kCast = {
    .domain = "",
    .op = "Cast",
    .since_version = 28,
    .inputs = {{"input", "T1", kCastTypes}},
    .outputs = {{"output", "T2", kCastTypes}},
    .attributes = {{"to", AttributeKind::kInt, true},
                   {"saturate", AttributeKind::kInt},
                   {"round_mode", AttributeKind::kString}},
    .infer = infer_cast,
    .reference = cast_reference,
};

// The same, to the element type of the second input.
extern constinit const OpSchema kCastLike = {
    .domain = "",
    .op = "CastLike",
    .since_version = 28,
    .inputs = {{"input", "T1", kCastTypes}, {"target_type", "T2", kCastTypes}},
    .outputs = {{"output", "T2", kCastTypes}},
    .attributes = {{"saturate", AttributeKind::kInt}, {"round_mode", AttributeKind::kString}},
    .infer = infer_cast_like,
    .reference = cast_like_reference,
};

}  // namespace oag
