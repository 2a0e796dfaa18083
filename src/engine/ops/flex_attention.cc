// FlexAttention: attention whose scores and probabilities pass through graphs of the node's own.
#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "engine/ops/control_flow.h"
#include "engine/ops/element.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/schema.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

constexpr std::string_view kScoreMod = "score_mod", kProbMod = "prob_mod";
constexpr size_t kOwnInputs = 3;

// The type that scores and probabilities have.
template <typename Context>
DType softmax_type(const Context& context, DType dtype) {
  const int64_t code = context.node().int_attribute("softmax_precision", 0);
  if (code == 0) return dtype == DType::kF64 ? DType::kF64 : DType::kF32;
  const auto given = dtype_from_onnx(code);
  if (!given || !kFloatTypes.contains(*given)) context.refuse("softmax_precision {} is no float", code);
  return *given;
}

std::optional<Shape> score_shape(const InferenceContext& context) {
  if (!context.has_shape(0) || !context.has_shape(1)) return std::nullopt;
  const Shape& q = context.shape(0);
  const Shape& k = context.shape(1);
  if (q.size() != 4 || k.size() != 4)
    context.refuse("Q {} and K {} must be [batch, heads, tokens, size]", to_string(q), to_string(k));
  return Shape{q[0], q[1], q[2], k[2]};
}

std::vector<Body> flex_bodies(const InferenceContext& context) {
  const size_t own = own_input_count(context, kOwnInputs);
  const ValueType scores = ValueType::tensor(softmax_type(context, context.dtype(0)), score_shape(context));
  std::vector<Body> bodies;
  for (const std::string_view attribute : {kScoreMod, kProbMod}) {
    if (!context.node().has_attribute(attribute)) continue;
    Body& body = bodies.emplace_back(Body{attribute, {{scores}}});
    append_captures(context, own, body.inputs);
  }
  return bodies;
}

void infer_flex_attention(InferenceContext& context) {
  const DType scores = softmax_type(context, context.dtype(0));
  for (const Body& body : flex_bodies(context)) {
    const std::vector<ValueType> outputs = context.infer_body(body);
    if (outputs.size() != 1 || outputs[0].dtype != scores)
      context.refuse("its {} must have one output of {}", body.attribute, dtype_name(scores));
  }
  context.set_output(0, context.dtype(0), std::nullopt);
  if (!context.has_shape(0) || !context.has_shape(2)) return;
  const Shape& q = context.shape(0);
  const Shape& v = context.shape(2);
  if (q.size() != 4 || v.size() != 4)
    context.refuse("Q {} and V {} must be [batch, heads, tokens, size]", to_string(q), to_string(v));
  context.set_output(0, context.dtype(0), Shape{q[0], q[1], q[2], v[3]});
}

struct FlexSizes {
  explicit FlexSizes(const KernelContext& context) {
    const Dims& q = context.input(0).dims();
    const Dims& k = context.input(1).dims();
    const Dims& v = context.input(2).dims();
    const bool fits = q.size() == 4 && k.size() == 4 && v.size() == 4 && k[0] == q[0] && k[3] == q[3] &&
                      v[0] == q[0] && v[1] == k[1] && v[2] == k[2] && k[1] > 0 && q[1] % k[1] == 0;
    if (!fits)
      context.refuse("Q {}, K {} and V {} do not belong together", to_string(q), to_string(k), to_string(v));
    batch = q[0], heads = q[1], queries = q[2], size = q[3], key_heads = k[1], keys = k[2], value_size = v[3];
    scale = context.node().has_attribute("scale")
                ? static_cast<double>(context.node().float_attribute("scale", 0))
                : 1.0 / std::sqrt(static_cast<double>(size));
  }
  // The key head of head i of all heads of the batch, among all key heads of the batch.
  int64_t key_head(int64_t i) const { return i / heads * key_heads + i % heads / (heads / key_heads); }
  Dims score_dims() const { return {batch, heads, queries, keys}; }

  int64_t batch, heads, key_heads, queries, keys, size, value_size;
  double scale;
};

// Q Kᵀ · scale.
bool write_scores(const KernelContext& context, const FlexSizes& sizes, const Tensor& scores) {
  KernelEnv& env = context.env();
  const std::span<const double> q = widened(env, context.input(0)), k = widened(env, context.input(1));
  if (env.should_stop()) return false;
  const auto width = static_cast<size_t>(sizes.size);
  return env.parallel_for(
      sizes.batch * sizes.heads * sizes.queries, sizes.keys * sizes.size, [&](int64_t row, int) {
        const double* query = q.data() + static_cast<size_t>(row) * width;
        const double* keys =
            k.data() + static_cast<size_t>(sizes.key_head(row / sizes.queries) * sizes.keys) * width;
        std::vector<double> sums(static_cast<size_t>(sizes.keys), 0.0);
        for (size_t i = 0; i < sums.size(); ++i) {
          for (size_t c = 0; c < width; ++c) sums[i] += query[c] * keys[i * width + c];
          sums[i] *= sizes.scale;
        }
        store_elements<double>(scores, row * sizes.keys, 1, sums);
      });
}

bool take_softmax(const KernelContext& context, const Tensor& scores, const Tensor& probabilities) {
  const int64_t keys = scores.dim(3);
  return context.env().parallel_for(keys == 0 ? 0 : scores.count() / keys, 20 * keys, [&](int64_t row, int) {
    std::vector<double> values(static_cast<size_t>(keys));
    load_elements<double>(scores, row * keys, 1, values);
    const double top = *std::max_element(values.begin(), values.end());
    double total = 0;
    for (double& value : values) {
      value = std::exp(value - top);
      total += value;
    }
    for (double& value : values) value /= total;
    store_elements<double>(probabilities, row * keys, 1, values);
  });
}

bool sum_values(const KernelContext& context, const FlexSizes& sizes, const Tensor& probabilities,
                const Tensor& y) {
  KernelEnv& env = context.env();
  const std::span<const double> v = widened(env, context.input(2));
  if (env.should_stop()) return false;
  const auto width = static_cast<size_t>(sizes.value_size);
  return env.parallel_for(
      sizes.batch * sizes.heads * sizes.queries, sizes.keys * sizes.value_size, [&](int64_t row, int) {
        std::vector<double> weights(static_cast<size_t>(sizes.keys)), sums(width, 0.0);
        load_elements<double>(probabilities, row * sizes.keys, 1, weights);
        const double* values =
            v.data() + static_cast<size_t>(sizes.key_head(row / sizes.queries) * sizes.keys) * width;
        for (size_t i = 0; i < weights.size(); ++i) {
          for (size_t c = 0; c < width; ++c) sums[c] += weights[i] * values[i * width + c];
        }
        store_elements<double>(y, row * sizes.value_size, 1, sums);
      });
}

// What the graph in `attribute` makes of `tensor`, which is kept where there is none. False when the run was
// stopped.
bool modify(const KernelContext& context, std::string_view attribute, Tensor& tensor) {
  if (!context.node().has_attribute(attribute)) return true;
  std::vector<Tensor> inputs = {tensor}, outputs;
  append_captures(context, own_input_count(context, kOwnInputs), inputs);
  if (!context.run_body(attribute, inputs, outputs)) return false;
  if (outputs.size() != 1 || outputs[0].dims() != tensor.dims() || outputs[0].dtype() != tensor.dtype())
    context.refuse("its {} must give one {} {}", attribute, dtype_name(tensor.dtype()),
                   to_string(tensor.dims()));
  tensor = outputs[0];
  return true;
}

void flex_attention_reference(KernelContext& context) {
  const FlexSizes sizes(context);
  const DType dtype = context.input(0).dtype(), score_type = softmax_type(context, dtype);
  const Tensor& y =
      context.allocate_output(0, dtype, {sizes.batch, sizes.heads, sizes.queries, sizes.value_size});
  Tensor scores = Tensor::host(score_type, sizes.score_dims());
  if (!write_scores(context, sizes, scores) || !modify(context, kScoreMod, scores)) return;
  Tensor probabilities = Tensor::host(score_type, sizes.score_dims());
  if (!take_softmax(context, scores, probabilities) || !modify(context, kProbMod, probabilities)) return;
  sum_values(context, sizes, probabilities, y);
}

}  // namespace

// Y = prob_mod(softmax(score_mod(scale · Q Kᵀ))) V of Q, K and V [batch, heads, tokens, size], of which K and
// V may have fewer heads. Each graph takes and gives [batch, heads, queries, keys] of the type
// softmax_precision (f32; f64 for f64), and takes the captures.
extern constinit const OpSchema kFlexAttention = {
    .domain = "ai.onnx.preview",
    .op = "FlexAttention",
    .since_version = 1,
    .inputs = {{"Q", "T1", kFloatTypes},
               {"K", "T1", kFloatTypes},
               {"V", "T1", kFloatTypes},
               {"captures", "", kEveryType, true, true, kAnyKind}},
    .outputs = {{"Y", "T1", kFloatTypes}},
    .attributes = {{"captures", AttributeKind::kInt},
                   {"prob_mod", AttributeKind::kGraph},
                   {"scale", AttributeKind::kFloat},
                   {"score_mod", AttributeKind::kGraph},
                   {"softmax_precision", AttributeKind::kInt}},
    .infer = infer_flex_attention,
    .reference = flex_attention_reference,
    .bodies = flex_bodies,
};

}  // namespace oag
