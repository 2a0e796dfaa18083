#include "engine/ops/elementwise.h"

namespace oag {

std::optional<Shape> broadcast_inputs(InferenceContext& context) {
  std::optional<Shape> shape = Shape{};
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i)) continue;
    if (!context.has_shape(i)) return std::nullopt;
    shape = broadcast_shapes(context, *shape, context.shape(i));
  }
  return shape;
}

void infer_same_type(InferenceContext& context) { context.set_output(0, context.dtype(0), context.type(0).shape); }

void infer_broadcast(InferenceContext& context) {
  context.set_output(0, context.dtype(0), broadcast_inputs(context));
}

void infer_broadcast_condition(InferenceContext& context) {
  context.set_output(0, DType::kBool, broadcast_inputs(context));
}

}  // namespace oag
