#include "cli/step_work.h"

#include <algorithm>
#include <set>

#include "engine/session/step_cost.h"
#include "llm/generate/model_runner.h"

namespace oag::cli {
namespace {

double elements(const Graph& graph, ValueId id, const DimBindings& bindings) {
  const auto& shape = graph.value(id).type.shape;
  const auto dims = shape ? evaluate(*shape, bindings) : std::nullopt;
  return dims ? static_cast<double>(element_count(*dims)) : 0;
}

// Of a table only the rows that are looked up are read; any other constant is read whole, once a step.
double constant_bytes(const Graph& graph, const Node& node, const DimBindings& bindings,
                      std::set<ValueId>& read) {
  double bytes = 0;
  for (const ValueId input : node.inputs) {
    if (input == kNoValue || !graph.value(input).constant) continue;
    const Tensor& constant = *graph.value(input).constant;
    if (node.op == "Gather" && input == node.inputs[0]) {
      bytes += elements(graph, node.outputs[0], bindings) * static_cast<double>(constant.size_bytes()) /
               static_cast<double>(std::max<int64_t>(constant.count(), 1));
    } else if (read.insert(input).second) {
      bytes += static_cast<double>(constant.size_bytes());
    }
  }
  return bytes;
}

}  // namespace

StepWork& StepWork::operator+=(const StepWork& other) {
  read_bytes += other.read_bytes;
  f32_ops += other.f32_ops;
  int8_ops += other.int8_ops;
  return *this;
}

StepWork step_work(const Program& program, const TextConfig& config, DType cache_dtype,
                   std::span<const SequenceWork> sequences) {
  StepWork work;
  int64_t tokens = 0, logits = 0;
  const auto attention_width = static_cast<double>(config.heads * config.head_size * config.layers);
  for (const SequenceWork& sequence : sequences) {
    tokens += sequence.new_tokens;
    logits += sequence.logits;
    const auto cached = static_cast<double>(sequence.cached_tokens),
               fresh = static_cast<double>(sequence.new_tokens);
    work.read_bytes += cached * static_cast<double>(cache_bytes_per_token(config, cache_dtype));
    // A token attends to what is cached, to the new ones before it and to itself: scores, then the mean.
    const double attended = fresh * cached + fresh * (fresh + 1) / 2;
    work.f32_ops += 2 * 2 * attention_width * attended;
  }
  const Graph& graph = program.graph;
  const DimBindings bindings = {{"T", tokens}, {"R", logits}, {"B", 0}};
  std::set<ValueId> read;
  for (const Node& node : graph.nodes) {
    work.read_bytes += constant_bytes(graph, node, bindings, read);
    if (!is_product(node) && !is_head(node)) continue;
    for (size_t i = 1; i < node.inputs.size(); i += 2) {  // x, w, b, w, b, …
      if (!graph.value(node.inputs[i]).constant) continue;
      const Tensor& weights = *graph.value(node.inputs[i]).constant;  // [out, in]
      const double ops = 2 * elements(graph, node.outputs[(i - 1) / 2], bindings) *
                         static_cast<double>(weights.dims().back());
      (is_block_format(weights.dtype()) ? work.int8_ops : work.f32_ops) += ops;
    }
  }
  return work;
}

double bandwidth_share(const StepWork& work, double seconds, const MachineLimits& limits) {
  return work.read_bytes * 1e-9 / limits.bandwidth_gb_s / seconds;
}

double compute_share(const StepWork& work, double seconds, const MachineLimits& limits) {
  return (work.f32_ops / limits.f32_gflop_s + work.int8_ops / limits.int8_gop_s) * 1e-9 / seconds;
}

}  // namespace oag::cli
