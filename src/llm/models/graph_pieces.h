#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"
#include "llm/models/weights.h"

namespace oag {

// "<prefix>.<index>.<name>", as GGUF names the tensors of a layer.
std::string layer_tensor(std::string_view prefix, int64_t index, std::string_view name);

// What every model graph is made of: constants that are views of a file's tensors, products and norms with
// them, and changes of shape. Errors: those of Weights.
class GraphPieces {
 public:
  // `many_rows`: the graph never runs on a few rows, so that its products may be made for many.
  GraphPieces(const Weights& weights, std::string_view graph_name, bool many_rows = false)
      : weights_(weights), graph_(std::string(graph_name)), many_rows_(many_rows) {}

 protected:
  // A constant of this name; the one that is there already, if any.
  ValueId constant(std::string_view name, Tensor tensor);
  ValueId weight(std::string_view name, const Dims& dims) { return constant(name, weights_.get(name, dims)); }
  // A norm's weight or a bias as f32, whatever it is stored in; these are small.
  ValueId vector(std::string_view name, Tensor tensor);
  // y = x · wᵀ + b; no bias: kNoValue.
  ValueId product(ValueId x, ValueId w, ValueId bias, std::string_view name);
  // The same with the tensors <tensor>.weight and, when the file has it, <tensor>.bias.
  ValueId linear(ValueId x, const std::string& tensor, int64_t outputs, int64_t inputs);
  ValueId rms_norm(ValueId x, std::string_view tensor, int64_t width, float epsilon);
  // SiLU(gate) * up.
  ValueId gated(ValueId gate, ValueId up);
  // Splits the last dim into parts of these sizes.
  std::vector<ValueId> split(ValueId x, const std::vector<int64_t>& sizes);
  ValueId reshape(ValueId x, const std::vector<int64_t>& dims);
  ValueId ints(std::string_view name, const std::vector<int64_t>& values);

  const Weights& weights_;
  Graph graph_;

 private:
  const bool many_rows_;
};

}  // namespace oag
