// oag.CachedAttention -> oag.PagedAttention over one ragged batch, whose layout becomes three graph inputs.
#include "base/error.h"
#include "engine/passes/pass.h"

namespace oag {
namespace {

struct BatchInputs {
  ValueId sequence_starts, context_lengths, page_table;
};

BatchInputs add_batch_inputs(Graph& graph) {
  const Dim sequences = Dim::symbol("S");
  const auto ints = [](Shape shape) { return ValueType::tensor(DType::kI32, std::move(shape)); };
  return {graph.add_input("sequence_starts", ints({sequences + 1})),
          graph.add_input("context_lengths", ints({sequences})),
          graph.add_input("page_table", ints({sequences, Dim::symbol("P")}))};
}

bool lower_attention(Graph& graph, const PassContext& context) {
  BatchInputs batch{kNoValue, kNoValue, kNoValue};
  for (Node& node : graph.nodes) {
    if (node.domain != "oag" || node.op != "CachedAttention") continue;
    if (batch.page_table == kNoValue) batch = add_batch_inputs(graph);
    const Shape& k = *graph.value(node.inputs[1]).type.shape;
    if (context.cache_dtype == DType::kQ8_0 && !(k[2].is_constant() && k[2].constant() % 32 == 0)) {
      fail(ErrorCode::kUnsupported, "node " + node.name,
           "a q8_0 cache needs a head size that is a multiple of 32, this model's is {}; use f16 or f32",
           k[2].to_string());
    }
    graph.value(node.inputs[3]).type = ValueType::tensor(
        context.cache_dtype, Shape{Dim::symbol("cache_pages"), 2, k[1], context.cache_page_tokens, k[2]});
    node.op = "PagedAttention";
    node.inputs.insert(node.inputs.end(), {batch.sequence_starts, batch.context_lengths, batch.page_table});
  }
  return batch.page_table != kNoValue;
}

}  // namespace

extern constinit const Pass kLowerAttention = {"lower_attention", lower_attention};

}  // namespace oag
