#include "engine/plugins/output_dims.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/plugins/plugin_shapes.h"

namespace oag {

OutputDims::OutputDims(const PluginOperator& op, const Graph& graph, const Node& node)
    : op_(op), node_(node) {
  std::vector<Dim> seen;  // of input_dims_, as the graph has them: equal dims stay equal
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const Value& value = graph.value(node.inputs[i]);
    node_.inputs[i] = graph_.add_value(fmt::format("in{}", i), value.type);
    graph_.value(node_.inputs[i]).constant = value.constant;
    auto& shape = graph_.value(node_.inputs[i]).type.shape;
    for (size_t d = 0; shape && d < shape->size(); ++d) {
      Dim& dim = (*shape)[d];
      if (dim.is_constant()) continue;
      const auto same = static_cast<size_t>(std::ranges::find(seen, dim) - seen.begin());
      if (same == seen.size()) {
        seen.push_back(dim);
        input_dims_.push_back({i, d, fmt::format("in{}.{}", i, d)});
      }
      dim = Dim::symbol(input_dims_[same].symbol);
    }
  }
  for (size_t o = 0; o < node.outputs.size(); ++o) {
    if (node.outputs[o] != kNoValue) node_.outputs[o] = graph_.add_value(fmt::format("out{}", o));
  }
  infer();
}

void OutputDims::infer() {
  InferenceContext context(graph_, node_, OperatorRegistry::builtin());
  infer_plugin_shapes(op_, context);
  types_.clear();
  for (const ValueId id : node_.outputs)
    types_.push_back(id == kNoValue ? ValueType() : graph_.value(id).type);
}

bool OutputDims::has_ranks() const {
  return std::ranges::all_of(
      node_.inputs, [&](ValueId id) { return id == kNoValue || graph_.value(id).type.shape.has_value(); });
}

OutputDims OutputDims::with_ranks(const KernelContext& context) const {
  OutputDims more = *this;
  for (size_t i = 0; i < node_.inputs.size(); ++i) {
    if (node_.inputs[i] == kNoValue) continue;
    auto& shape = more.graph_.value(node_.inputs[i]).type.shape;
    if (!shape) shape = to_shape(context.input(i).dims());
  }
  more.infer();
  return more;
}

DimBindings OutputDims::bind(const KernelContext& context) const {
  DimBindings bindings;
  for (const InputDim& dim : input_dims_)
    bindings.emplace(dim.symbol, context.input(dim.input).dim(dim.axis));
  return bindings;
}

std::optional<Dims> OutputDims::known(size_t output, const DimBindings& bindings) const {
  const auto& shape = types_[output].shape;
  return shape ? evaluate(*shape, bindings) : std::nullopt;
}

bool OutputDims::accept(size_t output, const Dims& dims, DimBindings& bindings) const {
  const auto& shape = types_[output].shape;
  if (!shape) return true;
  if (shape->size() != dims.size()) return false;
  DimBindings bound = bindings;
  // What the kernel chose may be an expression too, such as k + 1 where nothing shows k: it goes by its text.
  for (size_t d = 0; d < dims.size(); ++d) {
    if (!(*shape)[d].evaluate(bound)) bound.try_emplace((*shape)[d].to_string(), dims[d]);
  }
  for (size_t d = 0; d < dims.size(); ++d) {
    const auto value = (*shape)[d].evaluate(bound);
    if ((value ? *value : bound.at((*shape)[d].to_string())) != dims[d]) return false;
  }
  bindings = std::move(bound);
  return true;
}

std::string OutputDims::expected(size_t output, const DimBindings& bindings) const {
  std::vector<std::string> dims;
  for (const Dim& dim : *types_[output].shape) {
    const auto value = dim.evaluate(bindings);
    dims.push_back(value ? std::to_string(*value) : "?");
  }
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

}  // namespace oag
