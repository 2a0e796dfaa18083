// Attention: softmax(scale · Q Kᵀ + mask) V by heads, with an optional past that the new keys and values are
// appended to.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/ops/attention_sizes.h"
#include "engine/ops/element.h"
#include "engine/ops/half_steps.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

constexpr double kMasked = -std::numeric_limits<double>::infinity();

constexpr size_t at(AttentionInput input) {
  return static_cast<size_t>(input);
}
constexpr size_t at(AttentionOutput output) {
  return static_cast<size_t>(output);
}

// --- shape rule

// A dim of `input`, or of a value that is left out: nothing.
struct KnownShapes {
  explicit KnownShapes(const InferenceContext& context) {
    all = context.has_shape(0) && context.has_shape(1) && context.has_shape(2);
    past =
        !context.has_input(at(AttentionInput::kPastKey)) || context.has_shape(at(AttentionInput::kPastKey));
  }
  bool all, past;
};

void check_heads(const InferenceContext& context, size_t rank) {
  if (rank != 3 && rank != 4)
    context.refuse("q {} must be [batch, heads, tokens, d] or [batch, tokens, heads * d]",
                   to_string(context.shape(0)));
  for (size_t i = 1; i < 3; ++i) {
    if (context.shape(i).size() != rank)
      context.refuse("input {} is {}, of another rank than q {}", i, to_string(context.shape(i)),
                     to_string(context.shape(0)));
  }
  if (rank != 3) return;
  const int64_t heads = context.node().int_attribute("q_num_heads", 0),
                key_heads = context.node().int_attribute("kv_num_heads", 0);
  if (heads <= 0 || key_heads <= 0 || heads % key_heads != 0)
    context.refuse("q_num_heads {} must be a multiple of kv_num_heads {}, both above 0, for inputs of rank 3",
                   heads, key_heads);
}

void infer_attention(InferenceContext& context) {
  const DType dtype = context.dtype(0), value_dtype = context.dtype(2);
  const size_t outputs[] = {at(AttentionOutput::kY), at(AttentionOutput::kPresentKey),
                            at(AttentionOutput::kPresentValue), at(AttentionOutput::kScores)};
  for (const size_t output : outputs)
    context.set_output(output, output == at(AttentionOutput::kPresentValue) ? value_dtype : dtype,
                       std::nullopt);
  const KnownShapes known(context);
  if (!known.all) return;
  const Shape& q = context.shape(0);
  const Shape& k = context.shape(1);
  const Shape& v = context.shape(2);
  check_heads(context, q.size());
  const bool heads_inside = q.size() == 3;
  const Dim heads = heads_inside ? Dim(context.node().int_attribute("q_num_heads", 0)) : q[1];
  const Dim key_heads = heads_inside ? Dim(context.node().int_attribute("kv_num_heads", 0)) : k[1];
  const Dim size = heads_inside ? floor_div(k[2], key_heads) : k[3];
  const Dim value_size = heads_inside ? floor_div(v[2], key_heads) : v[3];
  const Dim queries = heads_inside ? q[1] : q[2], new_keys = heads_inside ? k[1] : k[2];
  context.set_output(
      at(AttentionOutput::kY), dtype,
      heads_inside ? Shape{q[0], queries, heads * value_size} : Shape{q[0], heads, queries, value_size});
  if (!known.past) return;
  Dim keys = new_keys;
  if (context.has_input(at(AttentionInput::kPastKey))) {
    const Shape& past = context.shape(at(AttentionInput::kPastKey));
    if (past.size() != 4) context.refuse("past_key {} must have rank 4", to_string(past));
    keys = past[2] + new_keys;
  }
  context.set_output(at(AttentionOutput::kPresentKey), dtype, Shape{k[0], key_heads, keys, size});
  context.set_output(at(AttentionOutput::kPresentValue), value_dtype,
                     Shape{k[0], key_heads, keys, value_size});
  context.set_output(at(AttentionOutput::kScores), dtype, Shape{q[0], heads, queries, keys});
}

// --- reference

// Rows [keys, width] of one head: those of the past, then the new ones.
std::vector<double> head_rows(const KernelContext& context, const AttentionSizes& sizes, AttentionInput past,
                              AttentionInput fresh, AttentionSizes::Rows rows, int64_t b, int64_t head,
                              int64_t width) {
  std::vector<double> all(static_cast<size_t>(sizes.keys * width));
  if (sizes.past > 0) {
    load_elements<double>(context.input(at(past)), (b * sizes.key_heads + head) * sizes.past * width, 1,
                          std::span(all).first(static_cast<size_t>(sizes.past * width)));
  }
  for (int64_t i = 0; i < sizes.new_keys; ++i) {
    load_elements<double>(
        context.input(at(fresh)), rows.first + i * rows.step, 1,
        std::span(all).subspan(static_cast<size_t>((sizes.past + i) * width), static_cast<size_t>(width)));
  }
  return all;
}

// What is added to a query's scores: the mask, and -infinity for the keys that it may not see.
class Bias {
 public:
  Bias(const KernelContext& context, const AttentionSizes& sizes)
      : context_(context), sizes_(sizes), mask_(context, sizes) {
    if (context.has_input(at(AttentionInput::kValidKeys)))
      valid_keys_ = read_integers(context.input(at(AttentionInput::kValidKeys)));
  }

  void fill(int64_t b, int64_t head, int64_t query, std::span<double> bias) const {
    std::fill(bias.begin(), bias.end(), 0.0);
    if (mask_.given()) add_mask(mask_.row(b, head, query), bias);
    const int64_t valid = valid_keys_.empty() ? sizes_.keys : valid_keys_[static_cast<size_t>(b)];
    const int64_t place = query + (valid_keys_.empty() ? sizes_.past : valid - sizes_.queries);
    for (int64_t key = 0; key < sizes_.keys; ++key) {
      const bool seen = key < valid && (!sizes_.causal || key <= place) &&
                        (sizes_.left_window < 0 || place - key <= sizes_.left_window) &&
                        (sizes_.right_window < 0 || key - place <= sizes_.right_window);
      if (!seen) bias[static_cast<size_t>(key)] = kMasked;
    }
  }

 private:
  void add_mask(int64_t first, std::span<double> bias) const {
    const Tensor& mask = context_.input(at(AttentionInput::kMask));
    const auto width = static_cast<size_t>(mask_.width());
    std::vector<double> values(width);
    visit_wide(mask.dtype(), [&](auto wide) {
      std::vector<decltype(wide)> row(width);
      load_elements<decltype(wide)>(mask, first, 1, row);
      std::copy(row.begin(), row.end(), values.begin());
    });
    for (size_t i = 0; i < width; ++i)
      bias[i] = mask.dtype() == DType::kBool ? (values[i] != 0 ? 0.0 : kMasked) : values[i];
    std::fill(bias.begin() + static_cast<std::ptrdiff_t>(width), bias.end(), kMasked);
  }

  const KernelContext& context_;
  const AttentionSizes& sizes_;
  AttentionMask mask_;
  std::vector<int64_t> valid_keys_;
};

// Probabilities in place of scores. A row whose bias masks every key becomes zeros.
void take_softmax(DType dtype, std::span<const double> bias, std::span<double> row) {
  if (std::all_of(bias.begin(), bias.end(), [](double value) { return value == kMasked; })) {
    std::fill(row.begin(), row.end(), 0.0);
    return;
  }
  for (double& value : row) value = after_step(dtype, value);
  double top = kMasked, total = 0;
  for (const double value : row) top = std::isnan(value) ? value : std::max(top, value);
  for (double& value : row) {
    value = after_step(dtype, std::exp(after_step(dtype, value - top)));
    total += value;
  }
  total = after_step(dtype, total);
  for (double& value : row) value = after_step(dtype, value / total);
}

// One head: scores, probabilities and sums of values, in double.
class HeadReference {
 public:
  HeadReference(const KernelContext& context, const AttentionSizes& sizes, const Bias& bias)
      : context_(context),
        sizes_(sizes),
        bias_(bias),
        dtype_(context.input(0).dtype()),
        softmax_dtype_(dtype_),
        mode_(context.node().int_attribute("qk_matmul_output_mode", 0)),
        softcap_(static_cast<double>(context.node().float_attribute("softcap", 0.0f))),
        factor_(after_step(dtype_, std::sqrt(static_cast<double>(sizes.scale)))) {
    if (const int64_t code = context.node().int_attribute("softmax_precision", 0); code != 0) {
      const auto dtype = dtype_from_onnx(code);
      if (!dtype || !kFloatTypes.contains(*dtype)) context.refuse("softmax_precision {} is no float", code);
      softmax_dtype_ = *dtype;
    }
    if (mode_ < 0 || mode_ > 3) context.refuse("qk_matmul_output_mode is {}; it must be 0 to 3", mode_);
  }

  void run(int64_t b, int64_t head) const {
    const int64_t key_head = sizes_.key_head(head);
    const std::vector<double> k = head_rows(context_, sizes_, AttentionInput::kPastKey, AttentionInput::kK,
                                            sizes_.k_rows(b, key_head), b, key_head, sizes_.size);
    const std::vector<double> v = head_rows(context_, sizes_, AttentionInput::kPastValue, AttentionInput::kV,
                                            sizes_.v_rows(b, key_head), b, key_head, sizes_.value_size);
    const auto keys = static_cast<size_t>(sizes_.keys);
    std::vector<double> q(static_cast<size_t>(sizes_.size)), row(keys), bias(keys),
        y(static_cast<size_t>(sizes_.value_size));
    const AttentionSizes::Rows q_rows = sizes_.q_rows(b, head), y_rows = sizes_.y_rows(b, head);
    for (int64_t query = 0; query < sizes_.queries; ++query) {
      load_elements<double>(context_.input(0), q_rows.first + query * q_rows.step, 1, q);
      score(q, k, row);
      const int64_t scores_at = ((b * sizes_.heads + head) * sizes_.queries + query) * sizes_.keys;
      keep(0, scores_at, row);
      if (softcap_ > 0) {
        for (double& value : row)
          value = after_step(dtype_,
                             softcap_ * after_step(dtype_, std::tanh(after_step(dtype_, value / softcap_))));
      }
      keep(1, scores_at, row);
      bias_.fill(b, head, query, bias);
      for (size_t i = 0; i < keys; ++i) row[i] = after_step(dtype_, row[i] + bias[i]);
      keep(2, scores_at, row);
      take_softmax(softmax_dtype_, bias, row);
      for (double& value : row) value = after_step(dtype_, value);
      keep(3, scores_at, row);
      std::fill(y.begin(), y.end(), 0.0);
      for (size_t i = 0; i < keys; ++i) {
        for (size_t c = 0; c < y.size(); ++c) y[c] += row[i] * v[i * y.size() + c];
      }
      store_elements<double>(context_.output(0), y_rows.first + query * y_rows.step, 1, y);
    }
  }

 private:
  void score(std::span<const double> q, std::span<const double> k, std::span<double> row) const {
    for (size_t i = 0; i < row.size(); ++i) {
      double sum = 0;
      for (size_t c = 0; c < q.size(); ++c)
        sum += after_step(dtype_, q[c] * factor_) * after_step(dtype_, k[i * q.size() + c] * factor_);
      row[i] = after_step(dtype_, sum);
    }
  }
  void keep(int64_t mode, int64_t first, std::span<const double> row) const {
    if (mode == mode_ && context_.wants_output(at(AttentionOutput::kScores)))
      store_elements<double>(context_.output(at(AttentionOutput::kScores)), first, 1, row);
  }

  const KernelContext& context_;
  const AttentionSizes& sizes_;
  const Bias& bias_;
  DType dtype_, softmax_dtype_;
  int64_t mode_;
  double softcap_, factor_;
};

// Past and new rows of each head, as [batch, key heads, keys, width].
void write_present(const KernelContext& context, const AttentionSizes& sizes, AttentionOutput output) {
  const bool is_key = output == AttentionOutput::kPresentKey;
  const AttentionInput past = is_key ? AttentionInput::kPastKey : AttentionInput::kPastValue;
  const AttentionInput fresh = is_key ? AttentionInput::kK : AttentionInput::kV;
  const int64_t width = is_key ? sizes.size : sizes.value_size;
  const Tensor& to = context.allocate_output(at(output), context.input(at(fresh)).dtype(),
                                             {sizes.batch, sizes.key_heads, sizes.keys, width});
  for (int64_t i = 0; i < sizes.batch * sizes.key_heads; ++i) {
    const int64_t b = i / sizes.key_heads, head = i % sizes.key_heads;
    const AttentionSizes::Rows rows = is_key ? sizes.k_rows(b, head) : sizes.v_rows(b, head);
    store_elements<double>(to, i * sizes.keys * width, 1,
                           head_rows(context, sizes, past, fresh, rows, b, head, width));
  }
}

void attention_reference(KernelContext& context) {
  const AttentionSizes sizes(context);
  const DType dtype = context.input(0).dtype();
  for (const AttentionOutput output : {AttentionOutput::kPresentKey, AttentionOutput::kPresentValue}) {
    if (context.wants_output(at(output))) write_present(context, sizes, output);
  }
  if (context.wants_output(at(AttentionOutput::kScores)))
    context.allocate_output(at(AttentionOutput::kScores), dtype,
                            {sizes.batch, sizes.heads, sizes.queries, sizes.keys});
  context.allocate_output(at(AttentionOutput::kY), dtype, sizes.y_dims());
  const Bias bias(context, sizes);
  const HeadReference reference(context, sizes, bias);
  context.env().parallel_for(sizes.batch * sizes.heads,
                             sizes.queries * sizes.keys * (sizes.size + sizes.value_size),
                             [&](int64_t i, int) { reference.run(i / sizes.heads, i % sizes.heads); });
}

}  // namespace

// Y = softmax(softcap(scale · Q Kᵀ) + mask) V. Q [batch, heads, queries, d], K and V [batch, key heads, keys,
// d or d'], or with heads inside the last dim and counted by attributes; Y as Q with d'. A query sees key j
// of those up to nonpad_kv_seqlen where the mask lets it, j <= place when is_causal, and place - j and
// j - place are within the windows; its place is its number plus the past's length, or plus
// nonpad_kv_seqlen - queries. A query that sees no key gives zeros. qk_matmul_output_mode: scores after the
// product (0), softcap (1), mask (2) or softmax (3).
extern constinit const OpSchema kAttention = {
    .domain = "",
    .op = "Attention",
    .since_version = 25,
    .inputs = {{"Q", "T1", kFloatTypes},
               {"K", "T1", kFloatTypes},
               {"V", "T2", kFloatTypes},
               {"attn_mask", "U", kPlainTypes, true},
               {"past_key", "T1", kFloatTypes, true},
               {"past_value", "T2", kFloatTypes, true},
               {"nonpad_kv_seqlen", "I", {DType::kI64}, true}},
    .outputs = {{"Y", "T1", kFloatTypes},
                {"present_key", "T1", kFloatTypes, true},
                {"present_value", "T2", kFloatTypes, true},
                {"qk_matmul_output", "T1", kFloatTypes, true}},
    .attributes = {{"is_causal", AttributeKind::kInt},
                   {"kv_num_heads", AttributeKind::kInt},
                   {"left_window_size", AttributeKind::kInt},
                   {"q_num_heads", AttributeKind::kInt},
                   {"qk_matmul_output_mode", AttributeKind::kInt},
                   {"right_window_size", AttributeKind::kInt},
                   {"scale", AttributeKind::kFloat},
                   {"softcap", AttributeKind::kFloat},
                   {"softmax_precision", AttributeKind::kInt}},
    .infer = infer_attention,
    .reference = attention_reference,
};

}  // namespace oag
