// GroupQueryAttention and RotaryEmbedding of com.microsoft.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/contrib_attention.h"
#include "engine/ops/contrib_cache.h"

namespace oag {
namespace {

constexpr DTypeSet kHeadTypes = {DType::kF32, DType::kF16, DType::kBF16};
constexpr DTypeSet kCacheTypes = kHeadTypes | DTypeSet{DType::kI8, DType::kU8};
constexpr DTypeSet kCountType = {DType::kI32};

// Inputs by place.
enum Input : size_t {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kSeqlens,
  kTotal,
  kCos,
  kSin,
  kPositions,
  kBias,
  kSink,
  kKeyScale,
  kValueScale,
  kQueryNorm,
  kKeyNorm
};

template <typename Context>
void check_supported(const Context& context) {
  const Node& node = context.node();
  if (node.int_attribute("sliding_window_cache", 0) != 0 &&
      (!context.has_input(kPastKey) || !context.has_input(kPastValue) ||
       node.int_attribute("local_window_size", -1) < 1))
    context.refuse("sliding_window_cache needs a past and a local_window_size");
  if (node.int_attribute("qk_output", 0) != 0) context.refuse("qk_output is not supported");
  if (node.int_attribute("num_heads") <= 0 || node.int_attribute("kv_num_heads") <= 0 ||
      node.int_attribute("num_heads") % node.int_attribute("kv_num_heads") != 0)
    context.refuse("{} heads do not share {} of keys", node.int_attribute("num_heads"),
                   node.int_attribute("kv_num_heads"));
}

void infer_group(InferenceContext& context) {
  check_supported(context);
  const Node& node = context.node();
  const int64_t heads = node.int_attribute("num_heads"), shared = node.int_attribute("kv_num_heads");
  const DType dtype = context.dtype(kQuery);
  const DType stored = context.has_input(kPastKey) ? context.dtype(kPastKey) : dtype;
  for (size_t i = 0; i < 3; ++i) context.set_output(i, i == 0 ? dtype : stored, std::nullopt);
  if (!context.has_shape(kQuery)) return;
  Shape out = context.shape(kQuery);
  if (out.size() != 3) context.refuse("query {} must be [batch, tokens, width]", to_string(out));
  const Dim width =
      context.has_input(kKey) ? floor_div(out[2], heads) : floor_div(out[2], heads + 2 * shared);
  const bool windowed = node.int_attribute("sliding_window_cache", 0) != 0;
  const bool kept = windowed && context.has_shape(kPastKey) && context.shape(kPastKey).size() == 4;
  const Shape cache = {out[0], shared, kept ? context.shape(kPastKey)[2] : context.fresh_dim("total"),
                       stored == DType::kU8 ? floor_div(width, 2) : width};
  out[2] = width * Dim(heads);
  context.set_output(0, dtype, std::move(out));
  context.set_output(1, stored, cache);
  context.set_output(2, stored, cache);
}

// RMS normalization of each head, by an input's weights.
void normalize_heads(const KernelContext& context, size_t input, std::string_view epsilon_key,
                     HeadArray& heads) {
  if (!context.has_input(input)) return;
  const Node& node = context.node();
  const double epsilon = node.float_attribute(epsilon_key, node.float_attribute("qk_norm_epsilon", 1e-6f));
  if (context.input(input).count() != heads.width)
    context.refuse("input {} must have {} values", input, heads.width);
  std::vector<double> weights(static_cast<size_t>(heads.width));
  load_elements<double>(context.input(input), 0, 1, weights);
  for (size_t at = 0; at < heads.values.size(); at += weights.size()) {
    double squares = 0;
    for (size_t i = 0; i < weights.size(); ++i) squares += heads.values[at + i] * heads.values[at + i];
    const double inverse = 1 / std::sqrt(squares / static_cast<double>(heads.width) + epsilon);
    for (size_t i = 0; i < weights.size(); ++i) heads.values[at + i] *= inverse * weights[i];
  }
}

class GroupAttention {
 public:
  explicit GroupAttention(const KernelContext& context) : context_(context) {
    check_supported(context);
    const Tensor& query = context.input(kQuery);
    heads_ = context.node().int_attribute("num_heads");
    shared_ = context.node().int_attribute("kv_num_heads");
    const bool packed = !context.has_input(kKey);
    if (query.rank() != 3) context.refuse("query {} must be [batch, tokens, width]", to_string(query.dims()));
    batch_ = query.dim(0);
    tokens_ = query.dim(1);
    const int64_t row = query.dim(2), parts = packed ? heads_ + 2 * shared_ : heads_;
    if (row == 0 || row % parts != 0)
      context.refuse("query {} does not divide into {} heads", to_string(query.dims()), parts);
    width_ = row / parts;
    q_ = heads_of_rows(query, batch_, tokens_, row, 0, heads_, width_);
    if (packed) {
      k_ = heads_of_rows(query, batch_, tokens_, row, heads_ * width_, shared_, width_);
      v_ = heads_of_rows(query, batch_, tokens_, row, (heads_ + shared_) * width_, shared_, width_);
    } else {
      const Dims wanted = {batch_, tokens_, shared_ * width_};
      for (const size_t i : {kKey, kValue}) {
        if (!context.has_input(i) || context.input(i).dims() != wanted)
          context.refuse("key and value must be {}", to_string(wanted));
      }
      k_ = heads_of_rows(context.input(kKey), batch_, tokens_, wanted[2], 0, shared_, width_);
      v_ = heads_of_rows(context.input(kValue), batch_, tokens_, wanted[2], 0, shared_, width_);
    }
    read_lengths();
    normalize_heads(context, kQueryNorm, "q_norm_epsilon", q_);
    normalize_heads(context, kKeyNorm, "k_norm_epsilon", k_);
    if (context.node().int_attribute("do_rotary", 0) != 0) rotate();
  }

  void run() {
    const DType stored =
        context_.has_input(kPastKey) ? context_.input(kPastKey).dtype() : context_.input(kQuery).dtype();
    const HeadArray keys =
        add_to_cache(1, kPastKey, {context_, stored, kKeyScale, "k_quant_type", shared_, width_}, k_);
    const HeadArray values =
        add_to_cache(2, kPastValue, {context_, stored, kValueScale, "v_quant_type", shared_, width_}, v_);
    const Tensor& query = context_.input(kQuery);
    const Node& node = context_.node();
    AttentionRule rule;
    const float scale = node.float_attribute("scale", 0);
    rule.scale = scale == 0 ? 1 / std::sqrt(static_cast<double>(width_)) : scale;
    rule.softcap = node.float_attribute("softcap", 0);
    rule.bias = bias(keys.tokens);
    const int64_t window = node.int_attribute("local_window_size", -1);
    const bool causal = node.int_attribute("causal", 1) != 0;
    rule.sees = [=, this](int64_t b, int64_t s, int64_t t) {
      const int64_t at = resident_[static_cast<size_t>(b)] + s;
      const int64_t end = resident_[static_cast<size_t>(b)] + tokens_;
      return t < end && (!causal || t <= at) && (window < 0 || t > at - window);
    };
    std::vector<double> sinks(static_cast<size_t>(heads_), 0.0);
    if (context_.has_input(kSink)) {
      if (context_.input(kSink).count() != heads_) context_.refuse("head_sink must have {} values", heads_);
      load_elements<double>(context_.input(kSink), 0, 1, sinks);
    }
    if (context_.has_input(kSink) || node.int_attribute("smooth_softmax", 0) == 1)
      rule.sink = [&](int64_t h) { return sinks[static_cast<size_t>(h)]; };
    attend(context_.env(), q_, keys, values, rule,
           context_.allocate_output(0, query.dtype(), {batch_, tokens_, heads_ * width_}));
  }

 private:
  // How many tokens each entry has had, and how many the longest will have.
  void read_lengths() {
    const std::vector<int64_t> last = read_integers(context_.input(kSeqlens));
    const std::vector<int64_t> total = read_integers(context_.input(kTotal));
    if (static_cast<int64_t>(last.size()) != batch_ || total.size() != 1)
      context_.refuse("seqlens_k must have {} lengths, total_sequence_length one", batch_);
    total_ = total[0];
    if (context_.node().int_attribute("sliding_window_cache", 0) != 0) {
      window_ = context_.node().int_attribute("local_window_size", -1);
      capacity_ = context_.input(kPastKey).rank() == 4 ? context_.input(kPastKey).dim(2) : 0;
      if (capacity_ < window_)
        context_.refuse("a cache of {} tokens is less than the window of {}", capacity_, window_);
    }
    for (const int64_t length : last) {
      if (length < 0 || length >= total_) context_.refuse("seqlens_k {} is outside [0, {})", length, total_);
      const int64_t past = total_ == tokens_ ? 0 : length + 1 - tokens_;
      if (past < 0) context_.refuse("seqlens_k {} is less than the {} new tokens", length, tokens_);
      past_.push_back(past);
      resident_.push_back(window_ > 0 ? resident_tokens(past, capacity_, window_) : past);
    }
    if (total_ < tokens_)
      context_.refuse("total_sequence_length {} is less than the {} new tokens", total_, tokens_);
  }

  void rotate() {
    if (!context_.has_input(kCos) || !context_.has_input(kSin))
      context_.refuse("do_rotary needs cos_cache and sin_cache");
    const Tensor& cos = context_.input(kCos);
    const Tensor& sin = context_.input(kSin);
    if (cos.rank() != 2 || sin.dims() != cos.dims() || 2 * cos.dim(1) > width_)
      context_.refuse("caches {} and {} do not fit heads of {}", to_string(cos.dims()), to_string(sin.dims()),
                      width_);
    std::vector<int64_t> positions;
    if (context_.has_input(kPositions)) positions = read_integers(context_.input(kPositions));
    if (!positions.empty() && static_cast<int64_t>(positions.size()) != batch_ * tokens_)
      context_.refuse("position_ids must be [{}, {}]", batch_, tokens_);
    const bool interleaved = context_.node().int_attribute("rotary_interleaved", 0) != 0;
    for (int64_t b = 0; b < batch_; ++b) {
      for (int64_t t = 0; t < tokens_; ++t) {
        const int64_t position = positions.empty() ? past_[static_cast<size_t>(b)] + t
                                                   : positions[static_cast<size_t>(b * tokens_ + t)];
        if (position < 0 || position >= cos.dim(0))
          context_.refuse("position {} is outside the caches of {} rows", position, cos.dim(0));
        for (int64_t h = 0; h < heads_; ++h) rotate_head(cos, sin, position, interleaved, q_.at(b, h, t));
        for (int64_t h = 0; h < shared_; ++h) rotate_head(cos, sin, position, interleaved, k_.at(b, h, t));
      }
    }
  }

  // The cache in an input with the new tokens behind those that each entry has had, as numbers; what remains
  // of it becomes an output.
  HeadArray add_to_cache(size_t output, size_t input, const CacheFormat& format, HeadArray& fresh) const {
    HeadArray past;
    if (context_.has_input(input)) {
      const Tensor& tensor = context_.input(input);
      if (tensor.rank() != 4 || tensor.dim(0) != batch_ || tensor.dim(1) != shared_ ||
          tensor.dim(3) != format.stored_width())
        context_.refuse("the cache {} must be [{}, {}, *, {}]", to_string(tensor.dims()), batch_, shared_,
                        format.stored_width());
      past = format.read(tensor);
    }
    format.to_codes(fresh);
    HeadArray all = append(past, fresh);
    if (context_.wants_output(output)) {
      const HeadArray kept = window_ > 0 ? evicted(all) : HeadArray();
      const int64_t tokens = window_ > 0 ? capacity_ : all.tokens;
      const Tensor& cache = context_.allocate_output(
          output, context_.has_input(input) ? context_.input(input).dtype() : context_.input(kQuery).dtype(),
          {batch_, shared_, tokens, format.stored_width()});
      format.store(window_ > 0 ? kept : all, cache);
    }
    format.to_numbers(all);
    return all;
  }

  HeadArray append(const HeadArray& past, const HeadArray& fresh) const {
    int64_t most = tokens_;
    for (const int64_t had : resident_) most = std::max(most, had + tokens_);
    HeadArray all(batch_, shared_, window_ > 0 ? most : std::max(past.tokens, total_), width_);
    for (int64_t b = 0; b < batch_; ++b) {
      const int64_t had = resident_[static_cast<size_t>(b)];
      if (had > past.tokens)
        context_.refuse("the cache has {} tokens where {} are expected", past.tokens, had);
      const int64_t copied = window_ > 0 ? had : past.tokens;
      for (int64_t h = 0; h < shared_; ++h) {
        std::copy_n(past.values.data() + (b * shared_ + h) * past.tokens * width_, copied * width_,
                    all.at(b, h, 0));
        std::copy_n(fresh.at(b, h, 0), tokens_ * width_, all.at(b, h, had));
      }
    }
    return all;
  }

  // The latest tokens, as many as the cache keeps.
  HeadArray evicted(const HeadArray& all) const {
    HeadArray kept(batch_, shared_, capacity_, width_);
    for (int64_t b = 0; b < batch_; ++b) {
      const auto entry = static_cast<size_t>(b);
      const int64_t count = resident_tokens(past_[entry] + tokens_, capacity_, window_);
      for (int64_t h = 0; h < shared_; ++h)
        std::copy_n(all.at(b, h, resident_[entry] + tokens_ - count), count * width_, kept.at(b, h, 0));
    }
    return kept;
  }

  // Keys beyond those that the bias knows are never seen.
  std::function<double(int64_t, int64_t, int64_t, int64_t)> bias(int64_t keys) const {
    auto inside = read_attention_bias(context_, kBias, {batch_, heads_, tokens_, total_});
    if (!inside || (keys == total_ && window_ == 0)) return inside;
    std::vector<int64_t> dropped(past_.size());
    std::ranges::transform(past_, resident_, dropped.begin(), std::minus<>());
    return [inside, total = total_, dropped](int64_t b, int64_t h, int64_t s, int64_t t) {
      const int64_t position = t + dropped[static_cast<size_t>(b)];
      return position < total ? inside(b, h, s, position) : 0.0;
    };
  }

  const KernelContext& context_;
  int64_t batch_ = 0, tokens_ = 0, heads_ = 0, shared_ = 0, width_ = 0, total_ = 0;
  HeadArray q_, k_, v_;
  int64_t window_ = 0, capacity_ = 0;  // of a cache that drops what lies before a window; else 0
  std::vector<int64_t> past_;          // the tokens that each entry has had
  std::vector<int64_t> resident_;      // how many of them the cache holds
};

void group_reference(KernelContext& context) {
  GroupAttention(context).run();
}

void infer_rotary(InferenceContext& context) {
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

void rotary_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Tensor& cos = context.input(2);
  const Tensor& sin = context.input(3);
  const Node& node = context.node();
  if (node.int_attribute("is_packed_batching", 0) != 0) context.refuse("is_packed_batching is not supported");
  if ((in.rank() != 3 && in.rank() != 4) || cos.rank() != 2 || sin.dims() != cos.dims())
    context.refuse("input {} and caches {}, {} do not belong together", to_string(in.dims()),
                   to_string(cos.dims()), to_string(sin.dims()));
  const bool split = in.rank() == 4;
  const int64_t given = node.int_attribute("num_heads", 0);
  const int64_t batch = in.dim(0), tokens = in.dim(split ? 2 : 1);
  const int64_t width = split ? in.dim(3) : given > 0 ? in.dim(2) / given : 2 * cos.dim(1);
  const int64_t heads = split ? in.dim(1) : width == 0 ? 0 : in.dim(2) / width;
  if (width < 2 * cos.dim(1) || (!split && heads * width != in.dim(2)))
    context.refuse("input {} does not divide into heads that caches {} turn", to_string(in.dims()),
                   to_string(cos.dims()));
  const std::vector<int64_t> positions = read_integers(context.input(1));
  const bool one = positions.size() == 1;
  if (!one && static_cast<int64_t>(positions.size()) != batch * tokens)
    context.refuse("position_ids must be one number or [{}, {}]", batch, tokens);
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < 0 || positions[i] + (one ? tokens - 1 : 0) >= cos.dim(0))
      context.refuse("position {} is outside the caches of {} rows", positions[i], cos.dim(0));
  }
  const bool interleaved = node.int_attribute("interleaved", 0) != 0;
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  context.env().parallel_for(batch * tokens, 10 * heads * width, [&](int64_t row, int) {
    const int64_t position = one ? positions[0] + row % tokens : positions[static_cast<size_t>(row)];
    std::vector<double> head(static_cast<size_t>(width));
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t at =
          split ? ((row / tokens * heads + h) * tokens + row % tokens) * width : (row * heads + h) * width;
      load_elements<double>(in, at, 1, head);
      rotate_head(cos, sin, position, interleaved, head.data());
      store_elements<double>(out, at, 1, head);
    }
  });
}

}  // namespace

// Attention in which num_heads / kv_num_heads heads share keys and values, over a cache [batch, kv_num_heads,
// *, d] to which the new tokens are added, maybe as integers of 8 or 4 bits; causal. Entry b has seqlens_k[b]
// + 1 tokens in the end. Without key and value, query holds all three side by side.
extern constinit const OpSchema kMicrosoftGroupQueryAttention = {
    .domain = "com.microsoft",
    .op = "GroupQueryAttention",
    .since_version = 1,
    .inputs = {{"query", "T", kHeadTypes},
               {"key", "T", kHeadTypes, true},
               {"value", "T", kHeadTypes, true},
               {"past_key", "C", kCacheTypes, true},
               {"past_value", "C", kCacheTypes, true},
               {"seqlens_k", "", kCountType},
               {"total_sequence_length", "", kCountType},
               {"cos_cache", "T", kHeadTypes, true},
               {"sin_cache", "T", kHeadTypes, true},
               {"position_ids", "", {DType::kI64}, true},
               {"attention_bias", "T", kHeadTypes, true},
               {"head_sink", "T", kHeadTypes, true},
               {"k_scale", "", {DType::kF32}, true},
               {"v_scale", "", {DType::kF32}, true},
               {"q_norm_weight", "T", kHeadTypes, true},
               {"k_norm_weight", "T", kHeadTypes, true}},
    .outputs = {{"output", "T", kHeadTypes},
                {"present_key", "C", kCacheTypes, true},
                {"present_value", "C", kCacheTypes, true},
                {"output_qk", "T", kHeadTypes, true}},
    .attributes = {{"causal", AttributeKind::kInt},
                   {"do_rotary", AttributeKind::kInt},
                   {"k_norm_epsilon", AttributeKind::kFloat},
                   {"k_quant_type", AttributeKind::kString},
                   {"kv_cache_bit_width", AttributeKind::kInt},
                   {"kv_num_heads", AttributeKind::kInt, true},
                   {"local_window_size", AttributeKind::kInt},
                   {"num_heads", AttributeKind::kInt, true},
                   {"q_norm_epsilon", AttributeKind::kFloat},
                   {"qk_norm_epsilon", AttributeKind::kFloat},
                   {"qk_output", AttributeKind::kInt},
                   {"rotary_interleaved", AttributeKind::kInt},
                   {"scale", AttributeKind::kFloat},
                   {"sliding_window_cache", AttributeKind::kInt},
                   {"smooth_softmax", AttributeKind::kInt},
                   {"softcap", AttributeKind::kFloat},
                   {"v_quant_type", AttributeKind::kString}},
    .infer = infer_group,
    .reference = group_reference,
};

// As RotaryEmbedding of ai.onnx; one position is that of the first token.
extern constinit const OpSchema kMicrosoftRotaryEmbedding = {
    .domain = "com.microsoft",
    .op = "RotaryEmbedding",
    .since_version = 1,
    .inputs = {{"input", "T", kHeadTypes},
               {"position_ids", "", {DType::kI64}},
               {"cos_cache", "T", kHeadTypes},
               {"sin_cache", "T", kHeadTypes}},
    .outputs = {{"output", "T", kHeadTypes}},
    .attributes = {{"interleaved", AttributeKind::kInt},
                   {"is_packed_batching", AttributeKind::kInt},
                   {"num_heads", AttributeKind::kInt},
                   {"rotary_embedding_dim", AttributeKind::kInt},
                   {"scale", AttributeKind::kFloat}},
    .infer = infer_rotary,
    .reference = rotary_reference,
};

}  // namespace oag
