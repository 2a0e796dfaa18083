#include "engine/session/foreign_operators.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/log.h"
#include "engine/ops/control_flow.h"
#include "engine/ops/verify.h"

namespace oag {
namespace {

// Constants above this are weights: their values tell nothing of a type.
constexpr size_t kMostConstantBytes = 4096;

void infer_foreign(InferenceContext& context) {
  const Node& node = context.node();
  context.registry().find(node.domain, node.op)->custom->infer(context);
}

std::string place_of(const Node& node) {
  return fmt::format("node {} ({})", node.name, node.full_op());
}

AttributeKind kind_of(const Attribute& attribute) {
  constexpr AttributeKind kKinds[] = {
      AttributeKind::kInt,    AttributeKind::kFloat,   AttributeKind::kString, AttributeKind::kInts,
      AttributeKind::kFloats, AttributeKind::kStrings, AttributeKind::kTensor, AttributeKind::kGraph,
      AttributeKind::kGraph,  AttributeKind::kType,
  };
  static_assert(std::size(kKinds) == std::variant_size_v<Attribute>);
  return kKinds[attribute.index()];
}

// Every node of that operator in the graph and its bodies.
void find_nodes(const Graph& graph, const Node& like, std::vector<const Node*>& found) {
  for (const Node& node : graph.nodes) {
    if (node.domain == like.domain && node.op == like.op) found.push_back(&node);
    for (const auto& [name, attribute] : node.attributes) {
      if (const auto* body = std::get_if<GraphPtr>(&attribute)) find_nodes(**body, like, found);
    }
  }
}

// The node as a graph of its own, whose outputs have no types.
Graph graph_of(const InferenceContext& context) {
  Graph graph(context.node().name.empty() ? context.node().op : context.node().name);
  Node node = context.node();
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const Tensor* constant = context.constant(i);
    const std::string name = "input" + std::to_string(i);
    node.inputs[i] = constant != nullptr && constant->size_bytes() <= kMostConstantBytes
                         ? graph.add_constant(name, *constant)
                         : graph.add_input(name, context.type(i));
  }
  for (ValueId& output : node.outputs) {
    if (output == kNoValue) continue;
    output = graph.add_value("output", {});
    graph.outputs.push_back(output);
  }
  graph.nodes.push_back(std::move(node));
  return graph;
}

std::set<std::string> symbols_of_inputs(const InferenceContext& context) {
  std::set<std::string> symbols;
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_shape(i)) continue;
    for (const Dim& dim : context.shape(i)) symbols.insert(dim.to_string());
  }
  return symbols;
}

// Dims that only the engine has a name for become symbols of this node.
void rename_dims(ValueType& type, const InferenceContext& context, const std::set<std::string>& known,
                 int& count) {
  if (type.element != nullptr) {
    ValueType element = *type.element;
    rename_dims(element, context, known, count);
    type.element = std::make_shared<const ValueType>(std::move(element));
  }
  if (!type.shape) return;
  for (Dim& dim : *type.shape) {
    if (!dim.is_constant() && !known.contains(dim.to_string()))
      dim = context.fresh_dim("d" + std::to_string(count++));
  }
}

// Whether another engine may take what this one refuses: an operator that it has in part alone. What is wrong
// with an operator of ONNX is wrong everywhere.
bool may_be_taken(const Error& error, const Node& node) {
  if (error.code() == ErrorCode::kUnsupported) return true;
  return error.code() == ErrorCode::kInvalidArgument && !node.domain.empty() &&
         !node.domain.starts_with("ai.onnx");
}

}  // namespace

ForeignOperator::ForeignOperator(const Node& first, std::span<const Node* const> others,
                                 std::vector<Engine> engines, OpsetImports imports, std::string own_words)
    : domain_(first.domain),
      op_(first.op),
      engines_(std::move(engines)),
      imports_(std::move(imports)),
      own_words_(std::move(own_words)) {
  schema_.domain = domain_;
  schema_.op = op_;
  schema_.since_version = 1;
  schema_.inputs.push_back({"inputs", "", kEveryType, true, true, kAnyKind});
  schema_.outputs.push_back({"outputs", "", kEveryType, true, true, kAnyKind});
  schema_.infer = infer_foreign;
  schema_.deterministic = false;
  schema_.custom = this;
  allow_attributes(first);
  for (const Node* other : others) allow_attributes(*other);
}

void ForeignOperator::allow_attributes(const Node& node) {
  for (const auto& [name, attribute] : node.attributes) {
    const bool known = std::ranges::any_of(
        schema_.attributes, [&](const AttributeSpec& spec) { return spec.name == std::string_view(name); });
    if (known) continue;
    if (schema_.attributes.size() == schema_.attributes.capacity())
      fail(ErrorCode::kUnsupported, place_of(node), "oag {}, and it has more than {} attributes", own_words_,
           schema_.attributes.capacity());
    schema_.attributes.push_back({attribute_names_.emplace_back(name), kind_of(attribute)});
  }
}

void ForeignOperator::infer(InferenceContext& context) const {
  const Graph graph = graph_of(context);
  std::string refusals;
  for (size_t e = 0; e < engines_.size(); ++e) {
    try {
      std::vector<ValueType> types = engines_[e].device->infer(graph, imports_);
      const std::set<std::string> known = symbols_of_inputs(context);
      size_t given = 0;
      int count = 0;
      for (size_t o = 0; o < context.output_count(); ++o) {
        if (context.node().outputs[o] == kNoValue) continue;
        rename_dims(types[given], context, known, count);
        context.set_output_type(o, std::move(types[given++]));
      }
      chosen_ = e;
      if (!std::exchange(told_, true))
        log(LogLevel::kWarning, "{} goes to {}, because oag {}", context.node().full_op(), engine_name(),
            own_words_);
      return;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      refusals += (refusals.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  fail(ErrorCode::kUnsupported, place_of(context.node()),
       "oag {}, and no other engine takes it: {}; --plugin loads custom operators (docs/plugins.md)",
       own_words_, refusals);
}

std::unique_ptr<CustomKernel> ForeignOperator::make_kernel(const Graph&, const Node& node) const {
  fail(ErrorCode::kUnsupported, place_of(node), "oag {}, and {} refuses to compute it", own_words_,
       engine_name());
}

ForeignOperators::ForeignOperators(Graph& graph, const OperatorRegistry& registry,
                                   const PlacementPolicy& policy, const OpsetImports& imports,
                                   const OpenEngine& open)
    : graph_(graph), base_(registry), policy_(policy), imports_(imports), open_(open) {
  add_unknown(graph);
  add_refused();
}

const ForeignOperator* ForeignOperators::find(const Node& node) const {
  const OpSchema* schema = registry().find(node.domain, node.op);
  return schema == nullptr ? nullptr : dynamic_cast<const ForeignOperator*>(schema->custom);
}

const std::vector<ForeignOperator::Engine>& ForeignOperators::engines() {
  if (opened_) return engines_;
  opened_ = true;
  for (const std::string& name : policy_.fallback) {
    try {
      engines_.push_back({name, open_(name)});
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNotFound) continue;  // not of this build
      unavailable_ += (unavailable_.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  return engines_;
}

void ForeignOperators::add(const Node& node, const std::string& own_words) {
  std::vector<const Node*> others;
  find_nodes(graph_, node, others);
  const auto op = std::make_shared<const ForeignOperator>(node, others, engines(), imports_, own_words);
  OperatorRegistry joined;
  for (const OpSchema* schema : registry().all()) {
    if (schema->domain == node.domain && schema->op == node.op) continue;
    const auto& owned = registry().owned();
    const auto keeper = std::ranges::find(owned, schema, &std::shared_ptr<const OpSchema>::get);
    if (keeper != owned.end()) {
      joined.add(*keeper);
    } else {
      joined.add(schema);
    }
  }
  joined.add(std::shared_ptr<const OpSchema>(op, &op->schema()));
  extended_ = std::move(joined);
  any_ = true;
}

void ForeignOperators::add_unknown(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    for (const auto& [name, attribute] : node.attributes) {
      if (const auto* body = std::get_if<GraphPtr>(&attribute)) add_unknown(**body);
    }
    if (registry().find(node.domain, node.op) != nullptr || node.domain == "oag") continue;
    if (engines().empty()) {
      if (unavailable_.empty()) return;  // infer_types says that it is not known
      fail(ErrorCode::kUnsupported, place_of(node), "{}; of the engines that may know it, {}",
           unknown_operator(node), unavailable_);
    }
    add(node, "does not know it");
  }
}

// As long as one operator refuses a node, all nodes of that operator go where it is taken.
void ForeignOperators::add_refused() {
  for (;;) {
    try {
      return infer_types(graph_, registry());
    } catch (const Error& error) {
      const auto refused = std::ranges::find_if(graph_.nodes, [&](const Node& node) {
        return std::string_view(error.what()).starts_with(place_of(node) + ": ");
      });
      if (refused == graph_.nodes.end() || refused->domain == "oag" || find(*refused) != nullptr ||
          !may_be_taken(error, *refused) || engines().empty())
        throw;
      add(*refused, fmt::format("refuses it ({})", error.message()));
    }
  }
}

}  // namespace oag
