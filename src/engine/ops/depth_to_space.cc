// DepthToSpace and SpaceToDepth: channels laid out as blocks of pixels, and back.
#include <string>

#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

template <typename Context>
int64_t block_size(const Context& context) {
  constexpr int64_t kMost = 1 << 20;  // its square stays far from overflow
  const int64_t size = context.node().int_attribute("blocksize");
  if (size < 1 || size > kMost) context.refuse("blocksize is {}; it must be 1 … {}", size, kMost);
  return size;
}

// Whether the place within a block counts more than the channel among the channels (DCR), or less (CRD).
template <typename Context>
bool is_depth_first(const Context& context) {
  const std::string mode = context.node().string_attribute("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") context.refuse("mode is \"{}\"; it must be DCR or CRD", mode);
  return mode == "DCR";
}

// Refuses lengths that the block does not divide.
void check_divides(const InferenceContext& context, const Dim& length, int64_t by) {
  if (length.is_constant() && length.constant() % by != 0)
    context.refuse("input {} has a dim of {}, which {} does not divide", to_string(context.shape(0)),
                   length.to_string(), by);
}

void infer_depth_to_space(InferenceContext& context) {
  const int64_t size = block_size(context);
  is_depth_first(context);
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  const Shape& x = context.shape(0);
  if (x.size() != 4) context.refuse("input {} must be [N, C, H, W]", to_string(x));
  check_divides(context, x[1], size * size);
  context.set_output(0, context.dtype(0),
                     Shape{x[0], floor_div(x[1], Dim(size * size)), x[2] * Dim(size), x[3] * Dim(size)});
}

void infer_space_to_depth(InferenceContext& context) {
  const int64_t size = block_size(context);
  is_depth_first(context);
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  const Shape& x = context.shape(0);
  if (x.size() != 4) context.refuse("input {} must be [N, C, H, W]", to_string(x));
  check_divides(context, x[2], size);
  check_divides(context, x[3], size);
  context.set_output(
      0, context.dtype(0),
      Shape{x[0], x[1] * Dim(size * size), floor_div(x[2], Dim(size)), floor_div(x[3], Dim(size))});
}

void depth_to_space_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const int64_t size = block_size(context);
  if (x.rank() != 4 || x.dim(1) % (size * size) != 0)
    context.refuse("input {} must be [N, a multiple of {}, H, W]", to_string(x.dims()), size * size);
  const int64_t channels = x.dim(1) / (size * size), height = x.dim(2), width = x.dim(3),
                plane = height * width;
  const Tensor& y = context.allocate_output(0, x.dtype(), {x.dim(0), channels, height * size, width * size});
  if (y.count() == 0) return;
  const bool depth_first = is_depth_first(context);
  const int64_t channel_step = depth_first ? plane : size * size * plane;
  const int64_t block_step = depth_first ? channels * plane : plane;
  copy_strided(context.env(), y.reshaped({x.dim(0), channels, height, size, width, size}), x, 0,
               {x.dim(1) * plane, channel_step, width, size * block_step, 1, block_step});
}

void space_to_depth_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const int64_t size = block_size(context);
  if (x.rank() != 4 || x.dim(2) % size != 0 || x.dim(3) % size != 0)
    context.refuse("input {} must be [N, C, multiples of {}]", to_string(x.dims()), size);
  const int64_t channels = x.dim(1), height = x.dim(2) / size, width = x.dim(3) / size,
                plane = x.dim(2) * x.dim(3);
  const Tensor& y = context.allocate_output(0, x.dtype(), {x.dim(0), channels * size * size, height, width});
  if (y.count() == 0) return;
  const int64_t row = x.dim(3);
  if (is_depth_first(context)) {
    copy_strided(context.env(), y.reshaped({x.dim(0), size, size, channels, height, width}), x, 0,
                 {channels * plane, row, 1, plane, size * row, size});
  } else {
    copy_strided(context.env(), y.reshaped({x.dim(0), channels, size, size, height, width}), x, 0,
                 {channels * plane, plane, row, 1, size * row, size});
  }
}

constexpr OpSchema block_move(std::string_view op, void (*infer)(InferenceContext&),
                              KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 28,
          .inputs = {{"input", "T", kMovableTypes}},
          .outputs = {{"output", "T", kMovableTypes}},
          .attributes = {{"blocksize", AttributeKind::kInt, true}, {"mode", AttributeKind::kString}},
          .infer = infer,
          .reference = reference};
}

}  // namespace

// [N, C · b², H, W] to [N, C, H · b, W · b] and back, b = blocksize. Channels of the deep side count the
// place within a block before the channel of the flat side (mode DCR) or behind it (CRD).
extern constinit const OpSchema kDepthToSpace =
    block_move("DepthToSpace", infer_depth_to_space, depth_to_space_reference);
extern constinit const OpSchema kSpaceToDepth =
    block_move("SpaceToDepth", infer_space_to_depth, space_to_depth_reference);

}  // namespace oag
