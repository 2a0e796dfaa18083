#pragma once

#include <random>
#include <vector>

#include "engine/ops/serial_env.h"
#include "engine/passes/pass.h"

// For tests of passes: graphs run node by node on reference kernels.
namespace oag {

inline Tensor random_values(Dims dims, uint32_t seed, float low = -1.0f, float high = 1.0f) {
  std::mt19937 engine(seed);
  Tensor tensor = Tensor::host(DType::kF32, std::move(dims));
  for (float& value : tensor.values<float>())
    value = low + (high - low) * static_cast<float>(engine() >> 8) * 0x1p-24f;
  return tensor;
}

// The first output.
inline Tensor run_reference(const Graph& graph, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> values(graph.value_count());
  for (size_t i = 0; i < inputs.size(); ++i) values[static_cast<size_t>(graph.inputs[i])] = inputs[i];
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& constant = graph.value(static_cast<ValueId>(i)).constant;
    if (constant) values[i] = *constant;
  }
  SerialEnv env;
  for (const Node& node : graph.nodes) {
    std::vector<Tensor> in, out(node.outputs.size());
    for (const ValueId id : node.inputs)
      in.push_back(id == kNoValue ? Tensor() : values[static_cast<size_t>(id)]);
    KernelContext context(node, in, out, env);
    OperatorRegistry::builtin().find(node.domain, node.op)->reference(context);
    for (size_t o = 0; o < out.size(); ++o) {
      if (node.outputs[o] != kNoValue) values[static_cast<size_t>(node.outputs[o])] = out[o];
    }
  }
  return values[static_cast<size_t>(graph.outputs[0])];
}

// The same graph after all passes that ask no target.
inline Graph rewritten(const Graph& graph) {
  Graph copy = graph;
  run_passes(copy, {OperatorRegistry::builtin()});
  return copy;
}

}  // namespace oag
