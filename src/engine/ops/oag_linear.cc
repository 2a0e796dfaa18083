// oag.Linear, oag.RankedLinear and oag.Dequantize: products with weights in any storage.
#include <algorithm>
#include <span>
#include <vector>

#include "engine/ops/ranking.h"
#include "engine/ops/schema.h"
#include "engine/tensor/block_format.h"

namespace oag {
namespace {

constexpr DTypeSet kStoredTypes = DTypeSet{DType::kF32, DType::kF16, DType::kBF16} | kBlockTypes;

// The type of x · wᵀ + b, where b is maybe left out.
void infer_product(InferenceContext& context, size_t w_index, size_t output) {
  const Shape& x = context.shape(0);
  const Shape& w = context.shape(w_index);
  if (x.empty()) context.refuse("x is a scalar; it needs at least one dim");
  if (w.size() != 2) context.refuse("w has rank {}; it must be [out, in]", w.size());
  if (!(x.back() == w[1]))
    context.refuse("x {} does not end in the {} inputs of w {}", to_string(x), w[1].to_string(),
                   to_string(w));
  if (context.has_input(w_index + 1) && !(context.shape(w_index + 1) == Shape{w[0]})) {
    context.refuse("bias {} does not match the outputs of w {}", to_string(context.shape(w_index + 1)),
                   to_string(w));
  }
  Shape out = x;
  out.back() = w[0];
  context.set_output(output, DType::kF32, std::move(out));
}

void infer_linear(InferenceContext& context) {
  infer_product(context, 1, 0);
}

void infer_multi_linear(InferenceContext& context) {
  if (context.input_count() != 1 + 2 * context.output_count()) {
    context.refuse("has {} inputs and {} outputs; it takes x, then w and b for each output",
                   context.input_count(), context.output_count());
  }
  for (size_t i = 0; i < context.output_count(); ++i) {
    if (!context.has_input(1 + 2 * i)) context.refuse("lacks the w of output {}", i);
    if (!kStoredTypes.contains(context.dtype(1 + 2 * i)))
      context.refuse("w of output {} is {}", i, dtype_name(context.dtype(1 + 2 * i)));
    if (context.has_input(2 + 2 * i) && context.dtype(2 + 2 * i) != DType::kF32)
      context.refuse("b of output {} is {}, not f32", i, dtype_name(context.dtype(2 + 2 * i)));
    infer_product(context, 1 + 2 * i, i);
  }
}

// ys = xs · wᵀ + b. Sums in double, row by row: slow, and as exact as f32 storage lets it be.
void multiply(KernelEnv& env, std::span<const float> xs, const Tensor& w, const Tensor* b,
              std::span<float> ys) {
  const int64_t outputs = w.dim(0), inputs = w.dim(1);
  const int64_t rows = inputs == 0 ? 0 : static_cast<int64_t>(xs.size()) / inputs;
  const size_t stride = row_bytes(w.dtype(), inputs);
  env.parallel_for(outputs, inputs * (rows + 1), [&](int64_t o, int) {
    std::vector<float> weights(static_cast<size_t>(inputs));
    decode_blocks(w.dtype(), w.bytes().subspan(static_cast<size_t>(o) * stride, stride), weights);
    const double bias = b != nullptr ? b->values<float>()[static_cast<size_t>(o)] : 0.0;
    for (int64_t r = 0; r < rows; ++r) {
      double sum = bias;
      const float* row = &xs[static_cast<size_t>(r * inputs)];
      for (int64_t i = 0; i < inputs; ++i)
        sum += static_cast<double>(row[i]) * weights[static_cast<size_t>(i)];
      ys[static_cast<size_t>(r * outputs + o)] = static_cast<float>(sum);
    }
  });
}

void linear_reference(KernelContext& context) {
  multiply(context.env(), context.input(0).values<float>(), context.input(1),
           context.has_input(2) ? &context.input(2) : nullptr, context.output(0).values<float>());
}

constexpr size_t kRankedX = 3, kWanted = 4, kMargins = 5;  // inputs of RankedLinear

void infer_ranked_linear(InferenceContext& context) {
  infer_product(context, 1, 0);
  const Shape& x = context.shape(kRankedX);
  if (context.shape(0).size() != 2 || x.size() != 2 || !(x.back() == context.shape(1)[1]))
    context.refuse("x {} and ranked {} must both be [rows, inputs of w]", to_string(context.shape(0)),
                   to_string(x));
  for (const size_t i : {kWanted, kMargins}) {
    if (!(context.shape(i) == Shape{x[0]}))
      context.refuse("input {} is {}, expected one number for each row of ranked {}", i,
                     to_string(context.shape(i)), to_string(x));
  }
  const int64_t most = context.node().int_attribute("most");
  if (most < 1) context.refuse("most is {}; it must be at least 1", most);
  const Shape out = {x[0], Dim(most)};
  context.set_output(1, DType::kF32, out);
  context.set_output(2, DType::kI32, out);
}

void ranked_linear_reference(KernelContext& context) {
  linear_reference(context);
  const Tensor& w = context.input(1);
  const auto outputs = static_cast<size_t>(w.dim(0));
  const auto most = static_cast<size_t>(context.node().int_attribute("most"));
  const int64_t limit = context.node().int_attribute("limit", w.dim(0));
  const auto rows = static_cast<size_t>(context.input(kRankedX).dim(0));
  std::vector<float> all(rows * outputs);
  multiply(context.env(), context.input(kRankedX).values<float>(), w,
           context.has_input(2) ? &context.input(2) : nullptr, all);
  for (size_t r = 0; r < rows; ++r) {
    const int32_t wanted = context.input(kWanted).values<int32_t>()[r];
    std::vector<Ranked> room(static_cast<size_t>(std::clamp<int64_t>(wanted, 0, static_cast<int64_t>(most))));
    Ranking ranking(room);
    const auto ranked = static_cast<size_t>(std::clamp<int64_t>(limit, 0, w.dim(0)));
    ranking.offer(std::span<const float>(all).subspan(r * outputs, ranked), 0);
    write_ranking(ranking.sorted(context.input(kMargins).values<float>()[r]),
                  context.output(1).values<float>().subspan(r * most, most),
                  context.output(2).values<int32_t>().subspan(r * most, most));
  }
}

void infer_dequantize(InferenceContext& context) {
  context.set_output(0, DType::kF32, context.type(0).shape);
}

void dequantize_reference(KernelContext& context) {
  decode_blocks(context.input(0).dtype(), context.input(0).bytes(), context.output(0).values<float>());
}

std::vector<ValueId> decompose_linear(Graph& graph, const Node& node) {
  const ValueId weights = graph.add("oag", "Dequantize", {node.inputs[1]});
  const ValueId transposed = graph.add("", "Transpose", {weights}, {{"perm", std::vector<int64_t>{1, 0}}});
  const ValueId product = graph.add("", "MatMul", {node.inputs[0], transposed});
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return {product};
  return {graph.add("", "Add", {product, node.inputs[2]})};
}

std::vector<ValueId> decompose_multi_linear(Graph& graph, const Node& node) {
  std::vector<ValueId> outputs;
  for (size_t i = 1; i + 1 < node.inputs.size(); i += 2)
    outputs.push_back(graph.add("oag", "Linear", {node.inputs[0], node.inputs[i], node.inputs[i + 1]}));
  return outputs;
}

}  // namespace

// y = x · wᵀ + b. x [..., in] f32, w [out, in] in any storage, b [out] f32 -> y [..., out] f32. many_rows = 1
// says that x has many rows whenever it matters: a kernel may take a way of summing that is slow for few, but
// takes it for any number of them.
extern constinit const OpSchema kLinear = {
    .domain = "oag",
    .op = "Linear",
    .since_version = 1,
    .inputs = {{"x", "T", {DType::kF32}}, {"w", "W", kStoredTypes}, {"b", "T", {DType::kF32}, true}},
    .outputs = {{"y", "T", {DType::kF32}}},
    .attributes = {{"many_rows", AttributeKind::kInt}},
    .infer = infer_linear,
    .reference = linear_reference,
    .decompose = decompose_linear,
};

// Several Linear of one x: inputs x, then w and b (b may be left out) for each output.
extern constinit const OpSchema kMultiLinear = {
    .domain = "oag",
    .op = "MultiLinear",
    .since_version = 1,
    .inputs = {{"x", "T", {DType::kF32}}, {"w_and_b", "", kStoredTypes, true, true}},
    .outputs = {{"y", "", {DType::kF32}, false, true}},
    .attributes = {},
    .infer = infer_multi_linear,
    .decompose = decompose_multi_linear,
};

// Linear for the head of a language model. y = x · wᵀ + b as in Linear. Of the rows of `ranked` only the best
// outputs are made known: for row i at most wanted[i] (at most `most`) of those that are no more than
// margins[i] below its best one, of equal ones those with lower ids, best first. Only ids below `limit` take
// part (the default is all). Unused places of values and ids hold -inf and -1; NaN and -inf are never ranked.
extern constinit const OpSchema kRankedLinear = {
    .domain = "oag",
    .op = "RankedLinear",
    .since_version = 1,
    .inputs = {{"x", "T", {DType::kF32}},
               {"w", "W", kStoredTypes},
               {"b", "T", {DType::kF32}, true},
               {"ranked", "T", {DType::kF32}},
               {"wanted", "I", {DType::kI32}},
               {"margins", "T", {DType::kF32}}},
    .outputs = {{"y", "T", {DType::kF32}}, {"values", "T", {DType::kF32}}, {"ids", "I", {DType::kI32}}},
    .attributes = {{"most", AttributeKind::kInt, true}, {"limit", AttributeKind::kInt}},
    .infer = infer_ranked_linear,
    .reference = ranked_linear_reference,
};

// w in any storage -> the same dims as f32.
extern constinit const OpSchema kDequantize = {
    .domain = "oag",
    .op = "Dequantize",
    .since_version = 1,
    .inputs = {{"w", "W", kStoredTypes}},
    .outputs = {{"y", "T", {DType::kF32}}},
    .attributes = {},
    .infer = infer_dequantize,
    .reference = dequantize_reference,
};

}  // namespace oag
