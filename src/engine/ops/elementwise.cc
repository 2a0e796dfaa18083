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

void infer_same_type(InferenceContext& context) {
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

void infer_broadcast(InferenceContext& context) {
  context.set_output(0, context.dtype(0), broadcast_inputs(context));
}

void infer_broadcast_condition(InferenceContext& context) {
  context.set_output(0, DType::kBool, broadcast_inputs(context));
}

void refuse_integer_zeros(const KernelContext& context, size_t i) {
  const Tensor& divisor = context.input(i);
  if (is_float(divisor.dtype())) return;
  StridedWalk({divisor.count()}, std::vector<Strides>{{1}})
      .run_serial([&](std::span<const int64_t> at, int64_t count) {
        std::array<uint64_t, StridedWalk::kPiece> values;
        const auto piece = std::span(values).first(static_cast<size_t>(count));
        load_elements<uint64_t>(divisor, at[0], 1, piece);
        if (std::find(piece.begin(), piece.end(), 0) != piece.end())
          context.refuse("integer division by zero");
      });
}

}  // namespace oag
