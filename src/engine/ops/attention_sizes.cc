#include "engine/ops/attention_sizes.h"

#include <cmath>

namespace oag {
namespace {

const Tensor& input(const KernelContext& context, AttentionInput which) {
  return context.input(static_cast<size_t>(which));
}
bool has(const KernelContext& context, AttentionInput which) {
  return context.has_input(static_cast<size_t>(which));
}

int64_t window(const KernelContext& context, std::string_view name) {
  const int64_t value = context.node().int_attribute(name, -1);
  if (value < -1) context.refuse("{} is {}; it must be -1 or more", name, value);
  return value;
}

}  // namespace

AttentionSizes::AttentionSizes(const KernelContext& context) {
  const Dims& q = input(context, AttentionInput::kQ).dims();
  const Dims& k = input(context, AttentionInput::kK).dims();
  const Dims& v = input(context, AttentionInput::kV).dims();
  const auto refuse = [&] {
    context.refuse("q {}, k {} and v {} do not belong together", to_string(q), to_string(k), to_string(v));
  };
  if ((q.size() != 3 && q.size() != 4) || k.size() != q.size() || v.size() != q.size()) refuse();
  heads_inside = q.size() == 3;
  heads = heads_inside ? context.node().int_attribute("q_num_heads", 0) : q[1];
  key_heads = heads_inside ? context.node().int_attribute("kv_num_heads", 0) : k[1];
  if (heads <= 0 || key_heads <= 0 || heads % key_heads != 0)
    context.refuse("{} query heads must be a multiple of {} key heads, both above 0", heads, key_heads);
  const size_t tokens = heads_inside ? 1 : 2;
  batch = q[0], queries = q[tokens], new_keys = k[tokens];
  if (heads_inside && (q[2] % heads != 0 || k[2] % key_heads != 0 || v[2] % key_heads != 0)) refuse();
  size = heads_inside ? q[2] / heads : q[3];
  value_size = heads_inside ? v[2] / key_heads : v[3];
  const int64_t key_size = heads_inside ? k[2] / key_heads : k[3];
  const bool fits = k[0] == batch && v[0] == batch && v[tokens] == new_keys && key_size == size &&
                    (heads_inside || v[1] == key_heads);
  if (!fits) refuse();
  keys = new_keys;
  if (has(context, AttentionInput::kPastKey) != has(context, AttentionInput::kPastValue))
    context.refuse("one of past_key and past_value is given without the other");
  if (has(context, AttentionInput::kPastKey)) {
    const Dims& past_k = input(context, AttentionInput::kPastKey).dims();
    const Dims& past_v = input(context, AttentionInput::kPastValue).dims();
    past = past_k.size() == 4 ? past_k[2] : 0;
    if (past_k != Dims{batch, key_heads, past, size} || past_v != Dims{batch, key_heads, past, value_size})
      context.refuse("past {} and {} do not belong to k {} and v {}", to_string(past_k), to_string(past_v),
                     to_string(k), to_string(v));
    keys += past;
  }
  if (has(context, AttentionInput::kValidKeys)) {
    if (has(context, AttentionInput::kPastKey)) context.refuse("nonpad_kv_seqlen and a past are both given");
    const Dims& valid = input(context, AttentionInput::kValidKeys).dims();
    if (valid != Dims{batch}) context.refuse("nonpad_kv_seqlen {} must be [{}]", to_string(valid), batch);
  }
  causal = context.node().int_attribute("is_causal", 0) != 0;
  left_window = window(context, "left_window_size");
  right_window = window(context, "right_window_size");
  scale = context.node().float_attribute("scale", 0.0f);
  if (context.node().attributes.find("scale") == context.node().attributes.end())
    scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(size)));
}

Dims AttentionSizes::y_dims() const {
  if (heads_inside) return {batch, queries, heads * value_size};
  return {batch, heads, queries, value_size};
}

AttentionMask::AttentionMask(const KernelContext& context, const AttentionSizes& sizes) {
  if (!has(context, AttentionInput::kMask)) return;
  const Dims& dims = input(context, AttentionInput::kMask).dims();
  const auto refuse = [&] {
    context.refuse("mask {} does not broadcast to [{}, {}, {}, {}]", to_string(dims), sizes.batch,
                   sizes.heads, sizes.queries, sizes.keys);
  };
  if (dims.empty() || dims.size() > 4 || dims.back() > sizes.keys) refuse();
  width_ = dims.back();
  int64_t step = width_;
  const auto step_of = [&](size_t from_end, int64_t wanted) -> int64_t {
    if (dims.size() < from_end) return 0;
    const int64_t dim = dims[dims.size() - from_end];
    if (dim != 1 && dim != wanted) refuse();
    const int64_t result = dim == 1 ? 0 : step;
    step *= dim;
    return result;
  };
  query_step_ = step_of(2, sizes.queries);
  head_step_ = step_of(3, sizes.heads);
  batch_step_ = step_of(4, sizes.batch);
}

}  // namespace oag
