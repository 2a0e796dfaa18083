#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/ops/kernel.h"

namespace oag {

class PluginOperator;

// What a node's shape function says of its outputs, over symbols that stand for the dims of its inputs. So a
// run can tell every dim but those that the function left to the kernel, whatever the inputs' dims were made
// of in the graph.
class OutputDims {
 public:
  // Calls the shape function. Errors: as infer_plugin_shapes.
  OutputDims(const PluginOperator& op, const Graph& graph, const Node& node);

  // Whether the ranks of all inputs are known.
  bool has_ranks() const;
  // The same with the dims of a run's inputs for those whose rank is not known. Errors: as
  // infer_plugin_shapes.
  OutputDims with_ranks(const KernelContext& context) const;

  const std::vector<ValueType>& types() const { return types_; }

  // The dims of a run's inputs.
  DimBindings bind(const KernelContext& context) const;

  // All dims of an output, where the bindings tell them.
  std::optional<Dims> known(size_t output, const DimBindings& bindings) const;
  // Whether an output may have these dims; if so, those that the kernel chose are bound.
  bool accept(size_t output, const Dims& dims, DimBindings& bindings) const;
  // "[6, ?]"
  std::string expected(size_t output, const DimBindings& bindings) const;

 private:
  struct InputDim {
    size_t input, axis;
    std::string symbol;
  };

  void infer();

  const PluginOperator& op_;
  Graph graph_;  // the node's inputs and outputs alone
  Node node_;
  std::vector<ValueType> types_;
  std::vector<InputDim> input_dims_;
};

}  // namespace oag
