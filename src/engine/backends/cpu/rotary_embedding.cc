// RotaryEmbedding of f32; each result is two products and a sum, rounded three times.
#include <algorithm>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  for (size_t i = 0; i < 3; ++i) {
    if (query.dtype(i) != DType::kF32) return "x or a cache is not f32";
  }
  return query.node.inputs.size() > 3 && query.node.inputs[3] != kNoValue ? "position_ids are given"
                                                                          : Refusal{};
}

[[noreturn]] void refuse(const KernelContext& context) {
  fail(ErrorCode::kInvalidArgument, "node " + context.node().name,
       "x {} and caches {} and {} do not belong together", to_string(context.input(0).dims()),
       to_string(context.input(1).dims()), to_string(context.input(2).dims()));
}

// Where the heads of x lie: [batch, heads, tokens, d], or [batch, tokens, heads · d].
struct Heads {
  explicit Heads(const KernelContext& context) {
    const Tensor& x = context.input(0);
    const int64_t given = context.node().int_attribute("num_heads", 0);
    if (x.rank() == 4) {
      batch = x.dim(0), heads = x.dim(1), tokens = x.dim(2), width = x.dim(3);
      head_step = tokens * width, token_step = width;
    } else if (x.rank() == 3 && given > 0 && x.dim(2) % given == 0) {
      batch = x.dim(0), heads = given, tokens = x.dim(1), width = x.dim(2) / given;
      head_step = width, token_step = x.dim(2);
    } else {
      refuse(context);
    }
    const int64_t partial = context.node().int_attribute("rotary_embedding_dim", 0);
    turned = partial == 0 ? width : partial;
    const Dims cache = {batch, tokens, turned / 2};
    if (turned < 0 || turned > width || turned % 2 != 0 || context.input(1).dims() != cache ||
        context.input(2).dims() != cache) {
      refuse(context);
    }
  }
  int64_t batch = 0, heads = 0, tokens = 0, width = 0, head_step = 0, token_step = 0;
  int64_t turned = 0;  // leading values of a head that turn
};

void run(const KernelContext& context, const MicroKernels& micro) {
  const Heads shape(context);
  const auto rotate =
      context.node().int_attribute("interleaved", 0) != 0 ? micro.rotate_pairs : micro.rotate_halves;
  const float* x = context.input(0).values<float>().data();
  const float* cos = context.input(1).values<float>().data();
  const float* sin = context.input(2).values<float>().data();
  float* y = context.allocate_output(0, DType::kF32, context.input(0).dims()).values<float>().data();
  const int64_t half = shape.turned / 2;
  context.env().parallel_for(shape.batch * shape.tokens, shape.heads * shape.width, [&](int64_t tile, int) {
    const int64_t base = tile / shape.tokens * shape.heads * shape.tokens * shape.width +
                         tile % shape.tokens * shape.token_step;
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t at = base + head * shape.head_step;
      rotate(x + at, cos + tile * half, sin + tile * half, half, y + at);
      std::copy(x + at + shape.turned, x + at + shape.width, y + at + shape.turned);
    }
  });
}

}  // namespace

extern constinit const KernelImpl kRotaryEmbedding = {"", "RotaryEmbedding", "rotary_embedding", accept,
                                                      make_kernel<run>};

}  // namespace oag::cpu
