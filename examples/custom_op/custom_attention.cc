// CustomAttention: attention that looks at few keys. For each query it keeps the keys whose score is within
// `threshold` of its best one, and leaves the values of all others unread: how much work a row is depends on
// data, and so does the size of the second output, which lists the pairs that were kept.
#include <openautoglm/plugin.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace {

using openautoglm::plugin::Dims;
using openautoglm::plugin::DType;
using openautoglm::plugin::KernelContext;
using openautoglm::plugin::Shape;
using openautoglm::plugin::ShapeContext;

struct Key {
  int64_t index;
  float weight;  // the score first
};

// The three matrices: queries [T, d], keys [S, d], values [S, e].
struct Matrices {
  openautoglm::plugin::Tensor q, k, v;
  int64_t queries, keys, width, value_width;

  explicit Matrices(const KernelContext& context)
      : q(context.input(0)), k(context.input(1)), v(context.input(2)) {
    queries = q.dim(0), keys = k.dim(0), width = q.dim(1), value_width = v.dim(1);
    if (k.dim(1) != width || v.dim(0) != keys)
      throw std::invalid_argument("Q, K and V do not fit: expected [T, d], [S, d] and [S, e]");
    if (keys == 0) throw std::invalid_argument("there are no keys");
  }
};

void check_matrix(const ShapeContext& context, size_t input) {
  if (!context.has_rank(input)) return;  // the model does not tell it; the kernel sees
  const size_t rank = context.shape(input).size();
  if (rank != 2)
    throw std::invalid_argument("input " + std::to_string(input) + " has " + std::to_string(rank) +
                                " dims, expected 2");
}

void infer(ShapeContext& context) {
  for (size_t input = 0; input < 3; ++input) check_matrix(context, input);
  if (context.has_rank(0) && context.has_rank(2)) {
    context.set_output(0, DType::kFloat, Shape{context.shape(0)[0], context.shape(2)[1]});
  } else {
    context.set_output(0, DType::kFloat);
  }
  context.set_output(1, DType::kInt64, Shape{context.new_dim("pairs"), 2});
}

class CustomAttentionKernel : public openautoglm::plugin::Kernel {
 public:
  void prepare(const openautoglm::plugin::Node& node) override {
    threshold_ = node.float_attribute("threshold");
    if (!(threshold_ >= 0)) throw std::invalid_argument("threshold is negative or no number");
  }

  void compute(KernelContext& context) const override {
    const Matrices matrices(context);
    const auto rows = static_cast<size_t>(matrices.queries), row_keys = static_cast<size_t>(matrices.keys);
    const auto kept = context.workspace<Key>(rows * row_keys);
    const auto counts = context.workspace<int64_t>(rows);
    const auto out =
        context.allocate_output(0, DType::kFloat, {matrices.queries, matrices.value_width}).values<float>();
    const bool done =
        context.parallel_for(matrices.queries, matrices.keys * matrices.width, [&](int64_t row, int) {
          Key* keys = &kept[static_cast<size_t>(row) * row_keys];
          counts[static_cast<size_t>(row)] = choose_keys(matrices, row, keys);
          mix_values(matrices, keys, counts[static_cast<size_t>(row)],
                     out.data() + row * matrices.value_width);
        });
    if (!done || context.should_stop() || !context.has_output(1)) return;
    list_pairs(context, kept, counts, matrices.keys);
  }

 private:
  // Writes the keys that are near the best one, in order, with their softmax weights; returns how many.
  int64_t choose_keys(const Matrices& matrices, int64_t row, Key* keys) const {
    const float* q = matrices.q.values<float>().data() + row * matrices.width;
    const float* k = matrices.k.values<float>().data();
    const float scale = 1 / std::sqrt(static_cast<float>(matrices.width));
    float best = -std::numeric_limits<float>::infinity();
    for (int64_t s = 0; s < matrices.keys; ++s) {
      float sum = 0;
      for (int64_t d = 0; d < matrices.width; ++d) sum += q[d] * k[s * matrices.width + d];
      keys[s] = {s, sum * scale};
      best = std::max(best, keys[s].weight);
    }
    const Key* end = std::remove_if(keys, keys + matrices.keys,
                                    [&](const Key& key) { return key.weight < best - threshold_; });
    float total = 0;
    for (Key* key = keys; key != end; ++key) total += key->weight = std::exp(key->weight - best);
    for (Key* key = keys; key != end; ++key) key->weight /= total;
    return end - keys;
  }

  static void mix_values(const Matrices& matrices, const Key* keys, int64_t count, float* out) {
    const float* v = matrices.v.values<float>().data();
    std::fill(out, out + matrices.value_width, 0.0F);
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t e = 0; e < matrices.value_width; ++e)
        out[e] += keys[i].weight * v[keys[i].index * matrices.value_width + e];
    }
  }

  static void list_pairs(const KernelContext& context, std::span<const Key> kept,
                         std::span<const int64_t> counts, int64_t row_keys) {
    int64_t total = 0;
    for (const int64_t count : counts) total += count;
    int64_t* pair = context.allocate_output(1, DType::kInt64, {total, 2}).values<int64_t>().data();
    for (size_t row = 0; row < counts.size(); ++row) {
      for (int64_t i = 0; i < counts[row]; ++i) {
        *pair++ = static_cast<int64_t>(row);
        *pair++ = kept[row * static_cast<size_t>(row_keys) + static_cast<size_t>(i)].index;
      }
    }
  }

  float threshold_ = 0;
};

}  // namespace

REGISTER_OPERATOR(CustomAttention)
    .Domain("com.example")
    .Input("Q", "Queries [T, d]")
    .Input("K", "Keys [S, d]")
    .Input("V", "Values [S, e]")
    .Output("out", "Mixed values [T, e]")
    .OptionalOutput("pairs", "The pairs of query and key that were kept, [P, 2]", "I")
    .Attr("threshold", "How far below its best score a query still keeps a key", 4.0F)
    .TypeConstraint("T", {DType::kFloat})
    .TypeConstraint("I", {DType::kInt64})
    .ShapeFn(infer)
    .SetKernelFn([] { return new CustomAttentionKernel(); });
