// Cast and CastLike: change of element type.
#include "engine/ops/elementwise.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

DType cast_target(const InferenceContext& context) {
  const int64_t code = context.node().int_attribute("to");
  const auto dtype = dtype_from_onnx(code);
  if (!dtype) context.refuse("to is {}, which is no element type of ONNX", code);
  if (!kPlainTypes.contains(*dtype)) context.refuse("to is {}, which Cast does not make", dtype_name(*dtype));
  return *dtype;
}

void infer_cast(InferenceContext& context) { context.set_output(0, cast_target(context), context.type(0).shape); }

void infer_cast_like(InferenceContext& context) {
  context.set_output(0, context.dtype(1), context.type(0).shape);
}

void convert(KernelContext& context, DType dtype) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, dtype, in.dims());
  visit_wide(in.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    map_elements<Wide>(context.env(), in, out, [](Wide value) { return value; });
  });
}

void cast_reference(KernelContext& context) {
  convert(context, dtype_from_onnx(context.node().int_attribute("to")).value_or(DType::kUndefined));
}

void cast_like_reference(KernelContext& context) { convert(context, context.input(1).dtype()); }

}  // namespace

// Floats round to nearest even; floats to integers truncate (what ONNX leaves undefined saturates, NaN is 0); integers
// keep their low bits; bool is "not 0". saturate and round_mode concern narrower floats only.
extern constinit const OpSchema kCast = {
    .domain = "", .op = "Cast", .since_version = 28,
    .inputs = {{"input", "T1", kPlainTypes}},
    .outputs = {{"output", "T2", kPlainTypes}},
    .attributes = {{"to", AttributeKind::kInt, true}, {"saturate", AttributeKind::kInt},
                   {"round_mode", AttributeKind::kString}},
    .infer = infer_cast,
    .reference = cast_reference,
};

// The same, to the element type of the second input.
extern constinit const OpSchema kCastLike = {
    .domain = "", .op = "CastLike", .since_version = 28,
    .inputs = {{"input", "T1", kPlainTypes}, {"target_type", "T2", kPlainTypes}},
    .outputs = {{"output", "T2", kPlainTypes}},
    .attributes = {{"saturate", AttributeKind::kInt}, {"round_mode", AttributeKind::kString}},
    .infer = infer_cast_like,
    .reference = cast_like_reference,
};

}  // namespace oag
