// LinearAttention: attention as a recurrence on a matrix for each head.
#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

enum LinearInput : size_t { kQuery, kKey, kValue, kPast, kDecay, kBeta };

struct UpdateRule {
  bool decays, corrects;
};

template <typename Context>
UpdateRule update_rule(const Context& context) {
  const std::string rule = context.node().string_attribute("update_rule", "gated_delta");
  UpdateRule result{};
  if (rule == "gated" || rule == "gated_delta") {
    result.decays = true;
  } else if (rule != "linear" && rule != "delta") {
    context.refuse("update_rule is \"{}\"; it must be linear, gated, delta or gated_delta", rule);
  }
  result.corrects = rule == "delta" || rule == "gated_delta";
  if (result.decays && !context.has_input(kDecay)) context.refuse("update_rule {} needs decay", rule);
  if (result.corrects && !context.has_input(kBeta)) context.refuse("update_rule {} needs beta", rule);
  return result;
}

template <typename Context>
std::pair<int64_t, int64_t> head_counts(const Context& context) {
  const int64_t queries = context.node().int_attribute("q_num_heads"),
                keys = context.node().int_attribute("kv_num_heads");
  if (keys < 1 || queries < 1 || queries % keys != 0)
    context.refuse("q_num_heads {} must be a multiple of kv_num_heads {}, both above 0", queries, keys);
  return {queries, keys};
}

void infer_linear_attention(InferenceContext& context) {
  const auto [heads, key_heads] = head_counts(context);
  update_rule(context);
  const DType state_dtype = context.has_input(kPast) ? context.dtype(kPast) : context.dtype(kQuery);
  context.set_output(0, context.dtype(kQuery), std::nullopt);
  context.set_output(1, state_dtype, std::nullopt);
  if (!context.has_shape(kQuery) || !context.has_shape(kKey) || !context.has_shape(kValue)) return;
  const Shape& q = context.shape(kQuery);
  const Shape& v = context.shape(kValue);
  if (q.size() != 3 || v.size() != 3 || context.shape(kKey).size() != 3)
    context.refuse("query {} and value {} must be [batch, tokens, heads * size]", to_string(q), to_string(v));
  const Dim size = floor_div(q[2], Dim(heads)), value_size = floor_div(v[2], Dim(key_heads));
  context.set_output(0, context.dtype(kQuery), Shape{q[0], q[1], Dim(heads) * value_size});
  context.set_output(1, state_dtype, Shape{q[0], key_heads, size, value_size});
}

struct LinearSizes {
  explicit LinearSizes(const KernelContext& context) : rule(update_rule(context)) {
    std::tie(heads, key_heads) = head_counts(context);
    const Dims& q = context.input(kQuery).dims();
    const Dims& k = context.input(kKey).dims();
    const Dims& v = context.input(kValue).dims();
    const bool ranks = q.size() == 3 && k.size() == 3 && v.size() == 3;
    if (!ranks || q[2] % heads != 0 || k[2] != q[2] / heads * key_heads || v[2] % key_heads != 0 ||
        k[0] != q[0] || v[0] != q[0] || k[1] != q[1] || v[1] != q[1])
      context.refuse("query {}, key {} and value {} do not belong together with {} and {} heads",
                     to_string(q), to_string(k), to_string(v), heads, key_heads);
    batch = q[0], tokens = q[1], size = q[2] / heads, value_size = v[2] / key_heads;
    if (context.has_input(kPast) && context.input(kPast).dims() != state_dims())
      context.refuse("past_state {} must be {}", to_string(context.input(kPast).dims()),
                     to_string(state_dims()));
    if (rule.decays) decay_width = width_of(context, kDecay, size);
    if (rule.corrects) {
      const Dims& beta = context.input(kBeta).dims();
      shared_beta = beta == Dims{batch, tokens, 1};
      if (!shared_beta) width_of(context, kBeta, 1);
    }
    scale = context.node().float_attribute("scale", 0.0f);
    if (scale == 0) scale = 1.0 / std::sqrt(static_cast<double>(size));
  }

  Dims state_dims() const { return {batch, key_heads, size, value_size}; }

  UpdateRule rule;
  int64_t heads = 0, key_heads = 0, batch = 0, tokens = 0, size = 0, value_size = 0;
  int64_t decay_width = 1;  // values for each head: one, or one for each row of its matrix
  bool shared_beta = false;
  double scale = 0;

 private:
  // [batch, tokens, key_heads * width], width 1 or `most`.
  int64_t width_of(const KernelContext& context, size_t input, int64_t most) const {
    const Dims& dims = context.input(input).dims();
    for (const int64_t width : {int64_t{1}, most}) {
      if (dims == Dims{batch, tokens, key_heads * width}) return width;
    }
    context.refuse("input {} is {}; it must be [{}, {}, {}]", input, to_string(dims), batch, tokens,
                   key_heads * most);
  }
};

// One key head of one sequence: its matrix S [size, value_size], token after token.
class LinearHead {
 public:
  LinearHead(const KernelContext& context, const LinearSizes& sizes, int64_t b, int64_t head)
      : context_(context),
        sizes_(sizes),
        b_(b),
        head_(head),
        state_(count(sizes.size * sizes.value_size), 0.0) {
    if (context.has_input(kPast)) load_elements<double>(context.input(kPast), state_at(), 1, state_);
  }

  void run() {
    const int64_t group = sizes_.heads / sizes_.key_heads;
    std::vector<double> q(count(sizes_.size)), y(count(sizes_.value_size));
    for (int64_t token = 0; token < sizes_.tokens && !context_.env().should_stop(); ++token) {
      update(token);
      for (int64_t g = 0; g < group; ++g) {
        const int64_t place = (b_ * sizes_.tokens + token) * sizes_.heads + head_ * group + g;
        load_elements<double>(context_.input(kQuery), place * sizes_.size, 1, q);
        read(q, y);
        for (double& value : y) value *= sizes_.scale;
        store_elements<double>(context_.output(0), place * sizes_.value_size, 1, y);
      }
    }
    if (context_.wants_output(1)) store_elements<double>(context_.output(1), state_at(), 1, state_);
  }

 private:
  static size_t count(int64_t n) { return static_cast<size_t>(n); }
  int64_t state_at() const { return (b_ * sizes_.key_heads + head_) * sizes_.size * sizes_.value_size; }

  std::vector<double> row(size_t input, int64_t token, int64_t width) const {
    std::vector<double> values(count(width));
    const int64_t place = (b_ * sizes_.tokens + token) * sizes_.key_heads + head_;
    load_elements<double>(context_.input(input), place * width, 1, values);
    return values;
  }

  // y = Sᵀ x
  void read(std::span<const double> x, std::span<double> y) const {
    std::fill(y.begin(), y.end(), 0.0);
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t c = 0; c < y.size(); ++c) y[c] += x[i] * state_[i * y.size() + c];
    }
  }

  void update(int64_t token) {
    const std::vector<double> k = row(kKey, token, sizes_.size);
    std::vector<double> added = row(kValue, token, sizes_.value_size);
    const size_t width = added.size();
    if (sizes_.rule.decays) {
      const std::vector<double> decay = row(kDecay, token, sizes_.decay_width);
      for (size_t i = 0; i < state_.size(); ++i)
        state_[i] *= std::exp(decay[decay.size() == 1 ? 0 : i / width]);
    }
    if (sizes_.rule.corrects) {
      std::vector<double> known(width);
      read(k, known);
      double beta = 0;
      const int64_t place = b_ * sizes_.tokens + token;
      load_elements<double>(context_.input(kBeta),
                            sizes_.shared_beta ? place : place * sizes_.key_heads + head_, 1, {&beta, 1});
      for (size_t c = 0; c < width; ++c) added[c] = beta * (added[c] - known[c]);
    }
    for (size_t i = 0; i < k.size(); ++i) {
      for (size_t c = 0; c < width; ++c) state_[i * width + c] += k[i] * added[c];
    }
  }

  const KernelContext& context_;
  const LinearSizes& sizes_;
  int64_t b_, head_;
  std::vector<double> state_;
};

void linear_attention_reference(KernelContext& context) {
  const LinearSizes sizes(context);
  const DType dtype = context.input(kQuery).dtype();
  context.allocate_output(0, dtype, {sizes.batch, sizes.tokens, sizes.heads * sizes.value_size});
  if (context.wants_output(1))
    context.allocate_output(1, context.has_input(kPast) ? context.input(kPast).dtype() : dtype,
                            sizes.state_dims());
  context.env().parallel_for(
      sizes.batch * sizes.key_heads, sizes.tokens * sizes.size * sizes.value_size * 4,
      [&](int64_t i, int) { LinearHead(context, sizes, i / sizes.key_heads, i % sizes.key_heads).run(); });
}

}  // namespace

// For each head and token: S = exp(decay) S (rules gated, gated_delta), then S += k ⊗ v, or β k ⊗ (v - Sᵀ k)
// (delta, gated_delta); output = scale · Sᵀ q. query, key and value [batch, tokens, heads · size], states
// [batch, kv heads, key size, value size], decay one value for each kv head or each of its rows, beta one for
// each kv head or token.
extern constinit const OpSchema kLinearAttention = {
    .domain = "",
    .op = "LinearAttention",
    .since_version = 27,
    .inputs = {{"query", "T", kFloatTypes},
               {"key", "T", kFloatTypes},
               {"value", "T", kFloatTypes},
               {"past_state", "S", kFloatTypes, true},
               {"decay", "T", kFloatTypes, true},
               {"beta", "T", kFloatTypes, true}},
    .outputs = {{"output", "T", kFloatTypes}, {"present_state", "S", kFloatTypes, true}},
    .attributes = {{"chunk_size", AttributeKind::kInt},
                   {"kv_num_heads", AttributeKind::kInt, true},
                   {"q_num_heads", AttributeKind::kInt, true},
                   {"scale", AttributeKind::kFloat},
                   {"update_rule", AttributeKind::kString}},
    .infer = infer_linear_attention,
    .reference = linear_attention_reference,
};

}  // namespace oag
