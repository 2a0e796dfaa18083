#pragma once

#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

#include "engine/session/step_observer.h"

namespace oag::test {

// Keeps the first value of every kind that is asked for, by the weight that made it ("blk.0.attn_q") or, for
// sums, by their number ("add.0").
class ValueKeeper final : public StepObserver {
 public:
  explicit ValueKeeper(const Graph& graph) : graph_(graph) {}

  void on_step(size_t, const KernelContext& context, TimePoint, TimePoint) override {
    const Node& node = context.node();
    if (node.op == "Add") {
      keep(fmt::format("add.{}", adds_++), context.output(0));
    } else if (node.op == "Gather") {
      keep(weight_of(node, 0), context.output(0));
    } else if (node.op == "RMSNormalization" || node.op == "Linear" || node.op == "MultiLinear") {
      for (size_t i = 0; i < node.outputs.size(); ++i) keep(weight_of(node, 1 + 2 * i), context.output(i));
    }
  }

  std::map<std::string, std::vector<float>> values;

 private:
  std::string weight_of(const Node& node, size_t input) const {
    const std::string& name = graph_.value(node.inputs[input]).name;
    return name.ends_with(".weight") ? name.substr(0, name.size() - 7) : name;
  }
  void keep(const std::string& name, const Tensor& value) {
    if (value.dtype() != DType::kF32) return;
    values.try_emplace(name, value.values<float>().begin(), value.values<float>().end());
  }

  const Graph& graph_;
  int adds_ = 0;
};

}  // namespace oag::test
