// MultiHeadAttention and Attention of com.microsoft.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/ops/contrib_attention.h"

namespace oag {
namespace {

constexpr DTypeSet kHeadTypes = {DType::kF32, DType::kF16, DType::kBF16};
constexpr DTypeSet kMaskType = {DType::kI32};

// What a padding mask adds to scores: 0 or mask_filter_value. Its dims say what it holds: [batch] the length
// of each entry, [2 * batch] the ends and then the starts, [batch, keys] or [batch, queries, keys] 0 for what
// is hidden.
std::function<double(int64_t, int64_t, int64_t)> read_mask(const KernelContext& context, size_t input,
                                                           int64_t batch, int64_t queries, int64_t keys) {
  if (!context.has_input(input)) return nullptr;
  const double hidden = context.node().float_attribute("mask_filter_value", -10000.0f);
  const Dims& dims = context.input(input).dims();
  const std::vector<int64_t> mask = read_integers(context.input(input));
  const auto at = [mask](int64_t i) { return mask[static_cast<size_t>(i)]; };
  if (dims == Dims{batch} || dims == Dims{2 * batch}) {
    const bool starts = dims[0] != batch;
    return [=](int64_t b, int64_t, int64_t t) {
      return t < at(b) && (!starts || t >= at(batch + b)) ? 0.0 : hidden;
    };
  }
  if (dims == Dims{batch, keys})
    return [=](int64_t b, int64_t, int64_t t) { return at(b * keys + t) > 0 ? 0.0 : hidden; };
  if (dims == Dims{batch, queries, keys}) {
    return
        [=](int64_t b, int64_t s, int64_t t) { return at((b * queries + s) * keys + t) > 0 ? 0.0 : hidden; };
  }
  context.refuse("a mask {} for {} entries of {} queries and {} keys is not supported", to_string(dims),
                 batch, queries, keys);
}

// The heads of an earlier call, with new ones behind them.
HeadArray behind(const HeadArray& past, const HeadArray& fresh) {
  HeadArray all(fresh.batch, fresh.heads, past.tokens + fresh.tokens, fresh.width);
  for (int64_t b = 0; b < fresh.batch; ++b) {
    for (int64_t h = 0; h < fresh.heads; ++h) {
      std::copy_n(past.values.data() + (b * fresh.heads + h) * past.tokens * fresh.width,
                  past.tokens * fresh.width, all.at(b, h, 0));
      std::copy_n(fresh.at(b, h, 0), fresh.tokens * fresh.width, all.at(b, h, past.tokens));
    }
  }
  return all;
}

struct Projected {
  HeadArray q, k, v;
};

// Attention over what was projected, with a mask and a bias that inputs hold. `past` keys count as seen.
void run_attention(const KernelContext& context, const Projected& heads, size_t mask_input,
                   size_t bias_input) {
  const Node& node = context.node();
  const int64_t batch = heads.q.batch, queries = heads.q.tokens, keys = heads.k.tokens;
  AttentionRule rule;
  const float scale = node.float_attribute("scale", 0);
  rule.scale = scale == 0 ? 1 / std::sqrt(static_cast<double>(heads.q.width)) : scale;
  const auto mask = read_mask(context, mask_input, batch, queries, keys);
  const auto bias = read_attention_bias(context, bias_input, {batch, heads.q.heads, queries, keys});
  if (mask || bias) {
    rule.bias = [=](int64_t b, int64_t h, int64_t s, int64_t t) {
      return (mask ? mask(b, s, t) : 0) + (bias ? bias(b, h, s, t) : 0);
    };
  }
  if (node.int_attribute("unidirectional", 0) != 0)
    rule.sees = [=](int64_t, int64_t s, int64_t t) { return t <= keys - queries + s; };
  attend(
      context.env(), heads.q, heads.k, heads.v, rule,
      context.allocate_output(0, context.input(0).dtype(), {batch, queries, heads.q.heads * heads.v.width}));
}

int64_t head_count(const auto& context) {
  const int64_t heads = context.node().int_attribute("num_heads");
  if (heads <= 0) context.refuse("num_heads is {}; it must be above 0", heads);
  return heads;
}

void infer_multi_head(InferenceContext& context) {
  const int64_t heads = head_count(context);
  const DType dtype = context.dtype(0);
  context.set_output(1, dtype, context.fresh_shape(4));
  context.set_output(2, dtype, context.fresh_shape(4));
  if (!context.has_shape(0)) return context.set_output(0, dtype, std::nullopt);
  const Shape& query = context.shape(0);
  Shape out(query.begin(),
            query.begin() + std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(query.size())));
  if (query.size() == 5) {
    out.push_back(query[2] * query[4]);
  } else if (query.size() != 3) {
    context.refuse("query {} must have rank 3 or 5", to_string(query));
  } else if (context.has_shape(2) && context.shape(2).size() == 3) {
    out.push_back(context.shape(2)[2]);
  } else if (context.has_shape(2) && context.shape(2).size() == 4) {
    out.push_back(Dim(heads) * context.shape(2)[3]);
  } else {
    out.push_back(context.has_input(2) ? context.fresh_dim("width") : query[2]);
  }
  context.set_output(0, dtype, std::move(out));
}

// The heads in an input: rows [batch, tokens, heads * width], an array [batch, heads, tokens, width], or part
// `part` of [batch, tokens, heads, parts, width].
HeadArray read_heads(const KernelContext& context, size_t input, int64_t heads, int64_t part) {
  const Tensor& tensor = context.input(input);
  const Dims& dims = tensor.dims();
  if (dims.size() == 4 && dims[1] == heads) return heads_of_array(tensor);
  if (dims.size() == 3 && dims[2] % heads == 0)
    return heads_of_rows(tensor, dims[0], dims[1], dims[2], 0, heads, dims[2] / heads);
  if (dims.size() != 5 || dims[2] != heads || part >= dims[3])
    context.refuse("input {} {} does not divide into {} heads", input, to_string(dims), heads);
  HeadArray array(dims[0], heads, dims[1], dims[4]);
  for (int64_t b = 0; b < dims[0]; ++b) {
    for (int64_t t = 0; t < dims[1]; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        load_elements<double>(tensor, (((b * dims[1] + t) * heads + h) * dims[3] + part) * dims[4], 1,
                              std::span(array.at(b, h, t), static_cast<size_t>(dims[4])));
      }
    }
  }
  return array;
}

// Adds what stands in an input from place `column`: a value for each place of a head.
void add_bias(const KernelContext& context, size_t input, int64_t column, HeadArray& heads) {
  std::vector<double> bias(static_cast<size_t>(heads.heads * heads.width));
  if (context.input(input).count() < column + static_cast<int64_t>(bias.size()))
    context.refuse("bias {} is too short", to_string(context.input(input).dims()));
  load_elements<double>(context.input(input), column, 1, bias);
  for (int64_t b = 0; b < heads.batch; ++b) {
    for (int64_t h = 0; h < heads.heads; ++h) {
      for (int64_t t = 0; t < heads.tokens; ++t) {
        for (int64_t i = 0; i < heads.width; ++i)
          heads.at(b, h, t)[i] += bias[static_cast<size_t>(h * heads.width + i)];
      }
    }
  }
}

void check_together(const KernelContext& context, const HeadArray& a, const HeadArray& b,
                    std::string_view what) {
  if (a.batch != b.batch || a.heads != b.heads || a.width != b.width)
    context.refuse("{} do not belong together", what);
}

void multi_head_reference(KernelContext& context) {
  constexpr size_t kBias = 3, kMask = 4, kScoreBias = 5, kPastKey = 6, kPastValue = 7;
  for (const size_t i : {size_t{8}, size_t{9}}) {
    if (context.has_input(i)) context.refuse("shared and beam-searched caches are not supported");
  }
  const int64_t heads = head_count(context);
  const size_t key = context.has_input(1) ? 1 : 0, value = context.has_input(2) ? 2 : key;
  Projected projected{read_heads(context, 0, heads, 0), read_heads(context, key, heads, key == 0 ? 1 : 0),
                      read_heads(context, value, heads,
                                 value == 0   ? 2
                                 : value == 1 ? 1
                                              : 0)};
  if (context.has_input(kBias)) {
    const int64_t width = heads * projected.q.width;
    add_bias(context, kBias, 0, projected.q);
    const bool projects =
        key == 0 || context.input(key).rank() != 4;  // else they come from an earlier node, done
    if (projects) add_bias(context, kBias, width, projected.k);
    if (projects) add_bias(context, kBias, 2 * width, projected.v);
  }
  for (const size_t i : {kPastKey, kPastValue}) {
    if (!context.has_input(i)) continue;
    HeadArray& fresh = i == kPastKey ? projected.k : projected.v;
    if (context.input(i).rank() != 4) context.refuse("a past must be [batch, heads, tokens, width]");
    const HeadArray past = heads_of_array(context.input(i));
    check_together(context, past, fresh, "a past and what follows it");
    fresh = behind(past, fresh);
  }
  check_together(context, projected.q, projected.k, "queries and keys");
  if (projected.v.batch != projected.k.batch || projected.v.tokens != projected.k.tokens)
    context.refuse("keys and values do not belong together");
  for (const size_t i : {size_t{1}, size_t{2}}) {
    const HeadArray& all = i == 1 ? projected.k : projected.v;
    if (context.wants_output(i))
      store_heads(all, context.allocate_output(i, context.input(0).dtype(),
                                               {all.batch, heads, all.tokens, all.width}));
  }
  run_attention(context, projected, kMask, kScoreBias);
}

// The widths of q, k and v in the columns of the weights.
template <typename Context>
std::vector<int64_t> projected_widths(const Context& context, int64_t columns) {
  std::vector<int64_t> widths = context.node().ints_attribute("qkv_hidden_sizes");
  if (widths.empty()) widths.assign(3, columns / 3);
  const int64_t heads = head_count(context);
  if (widths.size() != 3 || widths[0] != widths[1] || widths[0] + widths[1] + widths[2] != columns)
    context.refuse("weights of {} columns do not make q, k and v of {}", columns, to_string(widths));
  for (const int64_t width : widths) {
    if (width <= 0 || width % heads != 0) context.refuse("{} columns do not make {} heads", width, heads);
  }
  return widths;
}

void infer_attention(InferenceContext& context) {
  const DType dtype = context.dtype(0);
  context.set_output(1, dtype, context.fresh_shape(5));
  Dim width = context.fresh_dim("width");
  if (context.has_shape(1) && context.shape(1).size() == 2 && context.shape(1)[1].is_constant())
    width = projected_widths(context, context.shape(1)[1].constant())[2];
  if (!context.has_shape(0))
    return context.set_output(0, dtype,
                              Shape{context.fresh_dim("batch"), context.fresh_dim("tokens"), width});
  const Shape& in = context.shape(0);
  if (in.size() != 3) context.refuse("input {} must be [batch, tokens, width]", to_string(in));
  context.set_output(0, dtype, Shape{in[0], in[1], width});
}

// Columns [column, column + heads * width) of input · weights + bias, as heads.
HeadArray project(const KernelContext& context, int64_t column, int64_t heads, int64_t width) {
  const Tensor& in = context.input(0);
  const Tensor& weights = context.input(1);
  const int64_t k = in.dim(2), columns = weights.dim(1);
  HeadArray made(in.dim(0), heads, in.dim(1), width);
  context.env().parallel_for(heads * width, k * made.batch * made.tokens, [&](int64_t i, int) {
    std::vector<double> weight(static_cast<size_t>(k)), row(weight.size());
    load_elements<double>(weights, column + i, columns, weight);
    double bias = 0;
    if (context.has_input(2)) load_elements<double>(context.input(2), column + i, 1, std::span(&bias, 1));
    for (int64_t r = 0; r < made.batch * made.tokens; ++r) {
      load_elements<double>(in, r * k, 1, row);
      double sum = bias;
      for (size_t j = 0; j < row.size(); ++j) sum += row[j] * weight[j];
      made.at(r / made.tokens, i / width, r % made.tokens)[i % width] = sum;
    }
  });
  return made;
}

void attention_reference(KernelContext& context) {
  constexpr size_t kMask = 3, kPast = 4, kScoreBias = 5;
  const Node& node = context.node();
  if (context.has_input(6) || node.int_attribute("past_present_share_buffer", 0) != 0)
    context.refuse("a shared cache is not supported");
  if (node.int_attribute("do_rotary", 0) != 0) context.refuse("do_rotary is not supported");
  const Tensor& in = context.input(0);
  const Tensor& weights = context.input(1);
  if (in.rank() != 3 || weights.rank() != 2 || weights.dim(0) != in.dim(2))
    context.refuse("input {} and weights {} do not belong together", to_string(in.dims()),
                   to_string(weights.dims()));
  if (context.has_input(2) && context.input(2).count() != weights.dim(1))
    context.refuse("bias {} must have {} values", to_string(context.input(2).dims()), weights.dim(1));
  const int64_t heads = head_count(context);
  const std::vector<int64_t> widths = projected_widths(context, weights.dim(1));
  Projected projected{project(context, 0, heads, widths[0] / heads),
                      project(context, widths[0], heads, widths[1] / heads),
                      project(context, widths[0] + widths[1], heads, widths[2] / heads)};
  if (context.has_input(kPast)) {
    const Tensor& past = context.input(kPast);
    if (past.rank() != 5 || past.dim(0) != 2)
      context.refuse("past {} must be [2, batch, heads, tokens, width]", to_string(past.dims()));
    HeadArray old(past.dim(1), past.dim(2), past.dim(3), past.dim(4));
    check_together(context, old, projected.k, "the past and the keys");
    check_together(context, old, projected.v, "the past and the values");
    load_elements<double>(past, 0, 1, old.values);
    projected.k = behind(old, projected.k);
    load_elements<double>(past, past.count() / 2, 1, old.values);
    projected.v = behind(old, projected.v);
  }
  if (context.wants_output(1)) {
    check_together(context, projected.k, projected.v, "the keys and values of a cache");
    const Tensor& present =
        context.allocate_output(1, in.dtype(), {2, in.dim(0), heads, projected.k.tokens, projected.k.width});
    store_elements<double>(present, 0, 1, projected.k.values);
    store_elements<double>(present, present.count() / 2, 1, projected.v.values);
  }
  run_attention(context, projected, kMask, kScoreBias);
}

}  // namespace

// Attention of num_heads heads: query [batch, tokens, width] or with key and value inside of it, each plus
// its part of bias; a past is put before keys and values.
extern constinit const OpSchema kMicrosoftMultiHeadAttention = {
    .domain = "com.microsoft",
    .op = "MultiHeadAttention",
    .since_version = 1,
    .inputs = {{"query", "T", kHeadTypes},
               {"key", "T", kHeadTypes, true},
               {"value", "T", kHeadTypes, true},
               {"bias", "T", kHeadTypes, true},
               {"key_padding_mask", "", kMaskType, true},
               {"attention_bias", "T", kHeadTypes, true},
               {"past_key", "T", kHeadTypes, true},
               {"past_value", "T", kHeadTypes, true},
               {"past_sequence_length", "", kMaskType, true},
               {"cache_indirection", "", kMaskType, true}},
    .outputs = {{"output", "T", kHeadTypes},
                {"present_key", "T", kHeadTypes, true},
                {"present_value", "T", kHeadTypes, true}},
    .attributes = {{"mask_filter_value", AttributeKind::kFloat},
                   {"num_heads", AttributeKind::kInt, true},
                   {"scale", AttributeKind::kFloat},
                   {"unidirectional", AttributeKind::kInt}},
    .infer = infer_multi_head,
    .reference = multi_head_reference,
};

// Attention over input · weights + bias, whose columns are queries, keys and values.
extern constinit const OpSchema kMicrosoftAttention = {
    .domain = "com.microsoft",
    .op = "Attention",
    .since_version = 1,
    .inputs = {{"input", "T", kHeadTypes},
               {"weights", "T", kHeadTypes},
               {"bias", "T", kHeadTypes, true},
               {"mask_index", "", kMaskType, true},
               {"past", "T", kHeadTypes, true},
               {"attention_bias", "T", kHeadTypes, true},
               {"past_sequence_length", "", kMaskType, true}},
    .outputs = {{"output", "T", kHeadTypes}, {"present", "T", kHeadTypes, true}},
    .attributes = {{"do_rotary", AttributeKind::kInt},
                   {"mask_filter_value", AttributeKind::kFloat},
                   {"num_heads", AttributeKind::kInt, true},
                   {"past_present_share_buffer", AttributeKind::kInt},
                   {"qkv_hidden_sizes", AttributeKind::kInts},
                   {"rotary_embedding_dim", AttributeKind::kInt},
                   {"scale", AttributeKind::kFloat},
                   {"unidirectional", AttributeKind::kInt}},
    .infer = infer_attention,
    .reference = attention_reference,
};

}  // namespace oag
