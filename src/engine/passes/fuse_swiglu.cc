// Mul(Swish(gate), up) -> oag.SwiGLU(gate, up), where nothing else uses the activated gate.
#include "engine/passes/pass.h"

namespace oag {
namespace {

bool fuse_swiglu(Graph& graph, const PassContext& context) {
  const std::vector<int> producers = graph.producers();
  const std::vector<int> uses = graph.use_counts();
  const DType operands[] = {DType::kF32, DType::kF32};
  if (!context.target->has_kernel("oag", "SwiGLU", operands)) return false;
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (!node.domain.empty() || node.op != "Mul") continue;
    for (size_t side = 0; side < 2; ++side) {
      const ValueId activated = node.inputs[side], up = node.inputs[1 - side];
      const int producer = producers[static_cast<size_t>(activated)];
      if (producer < 0 || uses[static_cast<size_t>(activated)] != 1) continue;
      const Node& swish = graph.nodes[static_cast<size_t>(producer)];
      const ValueType& type = graph.value(activated).type;
      if (!swish.domain.empty() || swish.op != "Swish" || swish.float_attribute("alpha", 1.0f) != 1.0f)
        continue;
      if (type.dtype != DType::kF32 || !type.shape || type.shape != graph.value(up).type.shape) continue;
      node.inputs = {swish.inputs[0], up};
      node.domain = "oag";
      node.op = "SwiGLU";
      changed = true;
      break;
    }
  }
  return changed;
}

}  // namespace

extern constinit const Pass kFuseSwiGLU = {"fuse_swiglu", fuse_swiglu, true};

}  // namespace oag
