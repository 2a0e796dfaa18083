// oag.CachedAttention, which models build, and oag.PagedAttention, which it is lowered to.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/paged_cache.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

constexpr DTypeSet kCacheTypes = {DType::kF32, DType::kF16, DType::kQ8_0};

void check_heads(InferenceContext& context) {
  const Shape& q = context.shape(0);
  const Shape& k = context.shape(1);
  if (q.size() != 3 || k.size() != 3 || !(k == context.shape(2))) {
    context.refuse("q {}, k {} and v {} must be [T, heads, d], k and v alike", to_string(q), to_string(k),
                   to_string(context.shape(2)));
  }
  if (!(q[2] == k[2])) context.refuse("q {} and k {} differ in head size", to_string(q), to_string(k));
  const bool grouped = q[1].is_constant() && k[1].is_constant() && k[1].constant() > 0 &&
                       q[1].constant() % k[1].constant() == 0;
  if (!grouped)
    context.refuse("{} query heads are no multiple of {} key heads", q[1].to_string(), k[1].to_string());
}

bool may_equal(const Dim& a, const Dim& b) {
  return !a.is_constant() || !b.is_constant() || a == b;
}

// A state that has a shape is a paged cache of the same heads; symbols are compared when the kernel runs.
void check_state(InferenceContext& context) {
  if (!context.has_shape(3)) return;
  const Shape& k = context.shape(1);
  const Shape& state = context.shape(3);
  if (state.size() == 5 && may_equal(state[1], 2) && may_equal(state[2], k[1]) && may_equal(state[4], k[2]) &&
      !(state[3].is_constant() && state[3].constant() <= 0)) {
    return;
  }
  context.refuse("state {} does not belong to k {}; it must be [pages, 2, {}, page tokens, {}]",
                 to_string(state), to_string(k), k[1].to_string(), k[2].to_string());
}

void infer_attention(InferenceContext& context) {
  check_heads(context);
  check_state(context);
  context.set_output(0, DType::kF32, context.shape(0));
  context.set_output_type(1, context.type(3));
}

void store_new_tokens(const KernelContext& context, const PagedBatch& batch, const PagedCache& cache) {
  const auto k = context.input(1).values<float>();
  const auto v = context.input(2).values<float>();
  const auto width = static_cast<size_t>(cache.heads * cache.head_size);
  for (const PagedBatch::Sequence& sequence : batch.sequences) {
    for (int64_t i = 0; i < sequence.new_tokens; ++i) {
      const size_t at = static_cast<size_t>(sequence.first_token + i) * width;
      cache.store(sequence, sequence.first_position + i, k.subspan(at, width), v.subspan(at, width));
    }
  }
}

// One query head of one token: softmax(scale · q Kᵀ) V over the positions it may see, in double.
void attend(const PagedCache& cache, const PagedBatch::Sequence& sequence, int64_t head, int64_t begin,
            int64_t end, double scale, std::span<const float> q, std::span<float> out) {
  const auto d = static_cast<size_t>(cache.head_size);
  std::vector<float> row(d);
  std::vector<double> scores;
  for (int64_t p = begin; p < end; ++p) {
    cache.load_key(sequence, p, head, row);
    double dot = 0;
    for (size_t i = 0; i < d; ++i) dot += static_cast<double>(q[i]) * row[i];
    scores.push_back(dot * scale);
  }
  const double top = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - top);
  std::vector<double> sum(d, 0.0);
  for (int64_t p = begin; p < end; ++p) {
    cache.load_value(sequence, p, head, row);
    for (size_t i = 0; i < d; ++i) sum[i] += scores[static_cast<size_t>(p - begin)] * row[i];
  }
  for (size_t i = 0; i < d; ++i) out[i] = static_cast<float>(sum[i] / total);
}

void paged_attention_reference(KernelContext& context) {
  check_paged_attention(context);
  const PagedCache cache(context.input(3));
  const PagedBatch batch = PagedBatch::read(context);
  store_new_tokens(context, batch, cache);
  const Tensor& q = context.input(0);
  const int64_t heads = q.dim(1), d = q.dim(2), group = heads / cache.heads;
  const double scale = context.node().float_attribute("scale", 1.0f / std::sqrt(static_cast<float>(d)));
  const bool causal = context.node().int_attribute("causal", 1) != 0;
  const int64_t window = context.node().int_attribute("window", 0);
  for (const PagedBatch::Sequence& sequence : batch.sequences) {
    context.env().parallel_for(sequence.new_tokens * heads, sequence.context * d, [&](int64_t tile, int) {
      const int64_t i = tile / heads, head = tile % heads, position = sequence.first_position + i;
      const int64_t end = causal ? position + 1 : sequence.context;
      const int64_t begin = window > 0 ? std::max<int64_t>(0, position + 1 - window) : 0;
      const auto at = static_cast<size_t>(((sequence.first_token + i) * heads + head) * d);
      attend(cache, sequence, head / group, begin, end, scale,
             q.values<float>().subspan(at, static_cast<size_t>(d)),
             context.output(0).values<float>().subspan(at, static_cast<size_t>(d)));
    });
  }
}

}  // namespace

// Attention of T ragged tokens over their own sequences' past, which `state` holds. q [T, Hq, d], k and v [T,
// Hkv, d] f32 -> out [T, Hq, d] f32 and the updated state. Query head h uses key head h / (Hq / Hkv).
// Attributes: scale (default 1/sqrt(d)), causal (1), window (0: unlimited; else how many positions back a
// token sees, itself included).
extern constinit const OpSchema kCachedAttention = {
    .domain = "oag",
    .op = "CachedAttention",
    .since_version = 1,
    .inputs = {{"q", "T", {DType::kF32}},
               {"k", "T", {DType::kF32}},
               {"v", "T", {DType::kF32}},
               {"state", "S", kCacheTypes}},
    .outputs = {{"out", "T", {DType::kF32}}, {"state_out", "S", kCacheTypes}},
    .attributes = {{"scale", AttributeKind::kFloat},
                   {"causal", AttributeKind::kInt},
                   {"window", AttributeKind::kInt}},
    .infer = infer_attention,
    .aliases = {{1, 3, Alias::kUpdate}},
};

// The same over a paged cache: state [pages, 2, Hkv, page_tokens, d] f32, f16 or q8_0 (2: keys, values;
// paged_cache.h has the order inside a page),
// sequence_starts [S+1] i32 (token ranges), context_lengths [S] i32 (tokens in the cache once these are
// stored), page_table [S, P] i32.
extern constinit const OpSchema kPagedAttention = {
    .domain = "oag",
    .op = "PagedAttention",
    .since_version = 1,
    .inputs = {{"q", "T", {DType::kF32}},
               {"k", "T", {DType::kF32}},
               {"v", "T", {DType::kF32}},
               {"state", "S", kCacheTypes},
               {"sequence_starts", "I", {DType::kI32}},
               {"context_lengths", "I", {DType::kI32}},
               {"page_table", "I", {DType::kI32}}},
    .outputs = {{"out", "T", {DType::kF32}}, {"state_out", "S", kCacheTypes}},
    .attributes = {{"scale", AttributeKind::kFloat},
                   {"causal", AttributeKind::kInt},
                   {"window", AttributeKind::kInt}},
    .infer = infer_attention,
    .reference = paged_attention_reference,
    .aliases = {{1, 3, Alias::kUpdate}},
};

}  // namespace oag
