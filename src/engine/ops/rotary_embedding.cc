// RotaryEmbedding: positions as rotations of pairs of a head's values.
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

constexpr DTypeSet kRotaryTypes = {DType::kF32, DType::kF16, DType::kBF16};

void infer_rotary(InferenceContext& context) {
  context.set_output(0, context.dtype(0), context.type(0).shape);
  if (!context.has_shape(0)) return;
  const Shape& x = context.shape(0);
  const int64_t heads = context.node().int_attribute("num_heads", 0);
  if (x.size() != 3 && x.size() != 4) {
    context.refuse("x {} must be [batch, heads, tokens, d] or [batch, tokens, heads * d]", to_string(x));
  }
  if (x.size() == 3 && heads <= 0)
    context.refuse("x {} has rank 3, which needs num_heads above 0", to_string(x));
  const bool positions = context.has_input(3);
  for (size_t i = 1; i < 3; ++i) {
    if (context.has_shape(i) && context.shape(i).size() != (positions ? 2u : 3u)) {
      context.refuse("cache {} must have rank {} {} position_ids", to_string(context.shape(i)),
                     positions ? 2 : 3, positions ? "with" : "without");
    }
  }
}

// Where the heads of x lie, whichever of its two layouts it has.
struct Heads {
  explicit Heads(const KernelContext& context) {
    const Tensor& x = context.input(0);
    if (x.rank() == 4) {
      batch = x.dim(0), heads = x.dim(1), tokens = x.dim(2), width = x.dim(3);
      head_step = tokens * width, token_step = width;
    } else if (x.rank() == 3) {
      heads = context.node().int_attribute("num_heads", 0);
      if (heads <= 0 || x.dim(2) % heads != 0)
        context.refuse("x {} does not divide into {} heads", to_string(x.dims()), heads);
      batch = x.dim(0), tokens = x.dim(1), width = x.dim(2) / heads;
      head_step = width, token_step = x.dim(2);
    } else {
      context.refuse("x {} must have rank 3 or 4", to_string(x.dims()));
    }
    rotated = context.node().int_attribute("rotary_embedding_dim", 0);
    if (rotated == 0) rotated = width;
    if (rotated < 0 || rotated > width || rotated % 2 != 0) {
      context.refuse("{} rotated values of heads of {} must be even and no more", rotated, width);
    }
  }
  int64_t at(int64_t b, int64_t token, int64_t head) const {
    return b * heads * tokens * width + token * token_step + head * head_step;
  }

  int64_t batch = 0, heads = 0, tokens = 0, width = 0;
  int64_t token_step = 0, head_step = 0;
  int64_t rotated = 0;  // leading values of a head that turn
};

// Row of the caches for each token. Errors: a cache of other dims, a position outside it.
std::vector<int64_t> cache_rows(const KernelContext& context, const Heads& shape) {
  const Tensor& cos = context.input(1);
  const bool positions = context.has_input(3);
  const Dims wanted = positions ? Dims{cos.rank() > 0 ? cos.dim(0) : 0, shape.rotated / 2}
                                : Dims{shape.batch, shape.tokens, shape.rotated / 2};
  for (size_t i = 1; i < 3; ++i) {
    if (context.input(i).dims() != wanted) {
      context.refuse("cache {} must be {}", to_string(context.input(i).dims()), to_string(wanted));
    }
  }
  std::vector<int64_t> rows(static_cast<size_t>(shape.batch * shape.tokens));
  if (!positions) {
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i);
    return rows;
  }
  if (context.input(3).dims() != Dims{shape.batch, shape.tokens}) {
    context.refuse("position_ids {} must be [{}, {}]", to_string(context.input(3).dims()), shape.batch,
                   shape.tokens);
  }
  load_elements<int64_t>(context.input(3), 0, 1, rows);
  for (int64_t& row : rows) {
    const int64_t limit = wanted[0];
    if (row < -limit || row >= limit)
      context.refuse("position {} is outside the caches of {} rows", row, limit);
    if (row < 0) row += limit;
  }
  return rows;
}

void rotary_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Heads shape(context);
  const auto rows = cache_rows(context, shape);
  const bool interleaved = context.node().int_attribute("interleaved", 0) != 0;
  const int64_t half = shape.rotated / 2;
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  context.env().parallel_for(
      shape.batch * shape.tokens, 4 * shape.heads * shape.width, [&](int64_t tile, int) {
        std::vector<double> cos(static_cast<size_t>(half)), sin(cos.size()),
            head(static_cast<size_t>(shape.width));
        load_elements<double>(context.input(1), rows[static_cast<size_t>(tile)] * half, 1, cos);
        load_elements<double>(context.input(2), rows[static_cast<size_t>(tile)] * half, 1, sin);
        for (int64_t h = 0; h < shape.heads; ++h) {
          const int64_t at = shape.at(tile / shape.tokens, tile % shape.tokens, h);
          load_elements<double>(x, at, 1, head);
          for (size_t i = 0; i < cos.size(); ++i) {
            double& real = head[interleaved ? 2 * i : i];
            double& imaginary = head[interleaved ? 2 * i + 1 : i + cos.size()];
            const double a = real, b = imaginary;
            real = cos[i] * a - sin[i] * b;
            imaginary = sin[i] * a + cos[i] * b;
          }
          store_elements<double>(y, at, 1, head);
        }
      });
}

}  // namespace

// X [batch, heads, tokens, d] or [batch, tokens, num_heads * d]; caches [positions, r/2] with position_ids
// [batch, tokens] i64, or [batch, tokens, r/2] without. The first r = rotary_embedding_dim values of a head
// (0: all) turn in pairs: value i with i + r/2, or 2i with 2i + 1 when interleaved.
extern constinit const OpSchema kRotaryEmbedding = {
    .domain = "",
    .op = "RotaryEmbedding",
    .since_version = 23,
    .inputs = {{"X", "T", kRotaryTypes},
               {"cos_cache", "T", kRotaryTypes},
               {"sin_cache", "T", kRotaryTypes},
               {"position_ids", "M", {DType::kI64}, true}},
    .outputs = {{"Y", "T", kRotaryTypes}},
    .attributes = {{"num_heads", AttributeKind::kInt},
                   {"rotary_embedding_dim", AttributeKind::kInt},
                   {"interleaved", AttributeKind::kInt}},
    .infer = infer_rotary,
    .reference = rotary_reference,
};

}  // namespace oag
