// Computes what depends on constants alone, and the shapes of values whose dims are known: once, not in every
// run.
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/ops/serial_env.h"
#include "engine/ops/verify.h"
#include "engine/passes/pass.h"

namespace oag {
namespace {

// Arithmetic on shapes, axes and small tables is always folded. Of what is larger, only what is done in one
// pass and stays nearly as large: weights that are stored as integers and scaled, rearranged or joined.
constexpr int64_t kMostElements = 1 << 16;
constexpr size_t kMostGrowth = 4;  // 8 bits to 32
constexpr std::string_view kOnePass[] = {"Add",     "Cast",     "Concat", "DequantizeLinear", "Div",
                                         "Flatten", "Identity", "Mul",    "Reshape",          "Slice",
                                         "Split",   "Squeeze",  "Sub",    "Transpose",        "Unsqueeze"};

bool is_foldable(const OpSchema& schema, const Node& node) {
  const bool updates =
      std::ranges::any_of(schema.aliases, [](const Alias& alias) { return alias.kind == Alias::kUpdate; });
  return schema.deterministic && schema.reference != nullptr && schema.bodies == nullptr && !updates &&
         node.domain != "oag";
}

// Shape and Size read their input's dims alone.
bool reads_dims_alone(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || (node.op != "Shape" && node.op != "Size")) return false;
  const auto& shape = graph.value(node.inputs[0]).type.shape;
  return shape && std::ranges::all_of(*shape, [](const Dim& dim) { return dim.is_constant(); });
}

// A tensor of these dims whose elements nobody reads.
Tensor dims_only(const ValueType& type) {
  const Dims dims = *evaluate(*type.shape, {});
  return Tensor(DType::kU8, dims,
                wrap_host({static_cast<const std::byte*>(nullptr), tensor_bytes(DType::kU8, dims)}, nullptr));
}

// The node's inputs where all are known, else nothing.
std::optional<std::vector<Tensor>> known_inputs(const Graph& graph, const Node& node) {
  if (reads_dims_alone(graph, node)) return std::vector<Tensor>{dims_only(graph.value(node.inputs[0]).type)};
  std::vector<Tensor> inputs;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) {
      inputs.emplace_back();
      continue;
    }
    const auto& constant = graph.value(id).constant;
    if (!constant || is_block_format(constant->dtype())) return std::nullopt;
    inputs.push_back(*constant);
  }
  return inputs;
}

// Whether the inputs and outputs are small, or the work is not and the outputs hardly larger than the inputs.
bool is_modest(const Graph& graph, const Node& node, std::span<const Tensor> inputs) {
  size_t given = 0;
  int64_t elements = 0;
  for (const Tensor& input : inputs) {
    given += input.size_bytes();
    elements += input.count();
  }
  const bool one_pass = std::ranges::find(kOnePass, node.op) != std::end(kOnePass);
  if (elements > kMostElements && !one_pass && !reads_dims_alone(graph, node)) return false;
  return std::ranges::all_of(node.outputs, [&](ValueId id) {
    if (id == kNoValue) return true;
    const ValueType& type = graph.value(id).type;
    const auto dims = type.shape ? evaluate(*type.shape, {}) : std::nullopt;
    if (type.kind != TypeKind::kTensor || !dims) return false;
    if (element_count(*dims) <= kMostElements) return true;
    return one_pass && tensor_bytes(type.dtype, *dims) / kMostGrowth <= given;
  });
}

// Makes constants of the node's outputs. What its data is wrong for is an error of the run, not of the
// compile.
bool fold(Graph& graph, const Node& node, const OpSchema& schema) {
  if (!is_foldable(schema, node)) return false;
  const auto inputs = known_inputs(graph, node);
  if (!inputs || !is_modest(graph, node, *inputs)) return false;
  std::vector<Tensor> outputs(node.outputs.size());
  SerialEnv env;
  KernelContext context(node, *inputs, outputs, env);
  try {
    schema.reference(context);
  } catch (const Error&) {
    return false;
  }
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (node.outputs[o] == kNoValue) continue;
    Value& value = graph.value(node.outputs[o]);
    value.type = ValueType::tensor(outputs[o].dtype(), to_shape(outputs[o].dims()));
    value.constant = std::move(outputs[o]);
  }
  return true;
}

// Lets go of constants that the folded node was the last to read.
void release_inputs(Graph& graph, const Node& node, std::vector<int>& uses) {
  for (const ValueId id : node.inputs) {
    if (id != kNoValue && --uses[static_cast<size_t>(id)] == 0) graph.value(id).constant.reset();
  }
}

// Types are inferred again on the way: a folded node may be what makes the next one's shape known.
bool fold_constants(Graph& graph, const PassContext& context) {
  std::vector<Node> kept;
  std::vector<int> uses = graph.use_counts();
  for (Node& node : graph.nodes) {
    const OpSchema& schema = *context.registry.find(node.domain, node.op);
    infer_node(graph, node, schema, context.registry);
    if (fold(graph, node, schema)) {
      release_inputs(graph, node, uses);
    } else {
      kept.push_back(std::move(node));
    }
  }
  const bool changed = kept.size() != graph.nodes.size();
  graph.nodes = std::move(kept);
  return changed;
}

}  // namespace

extern constinit const Pass kFoldConstants = {"fold_constants", fold_constants};

}  // namespace oag
