#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "engine/ops/custom_operator.h"
#include "engine/ops/verify.h"
#include "engine/session/program.h"

namespace oag {
namespace {

// What a decomposition is made of may need its own; deeper than this they lead back to themselves.
constexpr int kMostExpansions = 8;

struct Placement {
  size_t device = 0;
  const KernelImpl* implementation = nullptr;
  std::vector<std::string> refusals;
};

bool wants_reference(const Node& node, const CompileOptions& options) {
  const OpSchema* schema = options.registry->find(node.domain, node.op);
  return options.kernels == KernelChoice::kReference &&
         (schema->reference != nullptr || schema->decompose != nullptr);
}

Placement place(const Graph& graph, const Node& node, const CompileOptions& options) {
  Placement placement;
  for (size_t d = 0; d < options.devices.size() && !wants_reference(node, options); ++d) {
    KernelTable::Choice choice = options.devices[d]->kernels().choose({graph, node});
    for (const auto& [name, reason] : choice.refusals)
      placement.refusals.push_back(fmt::format("{}: {}", name, reason));
    if (choice.winner == nullptr) continue;
    placement.device = d;
    placement.implementation = choice.winner;
    return placement;
  }
  placement.device = options.devices.size() - 1;
  return placement;
}

// Which nodes are written out: those of formats, of which passes make more than of their parts, or all.
enum class Expansion { kForeign, kAll };

// `engines` are asked which nodes go to others as they are; may be null.
bool needs_expansion(const Graph& graph, const Node& node, const CompileOptions& options, Expansion expansion,
                     NodePlacement* engines) {
  const OpSchema* schema = options.registry->find(node.domain, node.op);
  if (schema->decompose == nullptr) return false;
  if (engines != nullptr && !engines->choose(graph, node).engine.empty()) return false;
  if (expansion == Expansion::kForeign && node.domain == "oag") return false;
  const bool would_be_slow = expansion == Expansion::kForeign && options.kernels != KernelChoice::kReference;
  return (schema->reference == nullptr || would_be_slow) &&
         place(graph, node, options).implementation == nullptr;
}

// The nodes from number `first` on, which stand for `node`, make its outputs instead of `made`.
void take_outputs(Graph& graph, const Node& node, size_t first, const std::vector<ValueId>& made) {
  for (size_t o = 0; o < node.outputs.size(); ++o) {
    if (node.outputs[o] == kNoValue) continue;
    bool found = false;
    for (size_t n = first; n < graph.nodes.size(); ++n) {
      found = found || std::ranges::count(graph.nodes[n].outputs, made[o]) > 0;
      std::ranges::replace(graph.nodes[n].inputs, made[o], node.outputs[o]);
      std::ranges::replace(graph.nodes[n].outputs, made[o], node.outputs[o]);
    }
    if (!found) graph.nodes.push_back({"", "Identity", node.name, {made[o]}, {node.outputs[o]}, {}});
  }
}

// Nodes that no kernel takes are written out as simpler ones: always where they have no reference, else where
// their operator says that its parts are faster.
bool expand_unsupported(Graph& graph, const CompileOptions& options, Expansion expansion,
                        NodePlacement* engines) {
  const std::vector<Node> nodes = std::move(graph.nodes);
  graph.nodes.clear();
  bool changed = false;
  for (const Node& node : nodes) {
    if (!needs_expansion(graph, node, options, expansion, engines)) {
      graph.nodes.push_back(node);
      continue;
    }
    const size_t first = graph.nodes.size();
    const OpSchema* schema = options.registry->find(node.domain, node.op);
    const std::vector<ValueId> made = schema->decompose(graph, node);
    if (made.empty()) {
      graph.nodes.push_back(node);
      continue;
    }
    take_outputs(graph, node, first, made);
    changed = true;
  }
  return changed;
}

void expand(Graph& graph, const CompileOptions& options, Expansion expansion, NodePlacement* engines) {
  for (int round = 0; expand_unsupported(graph, options, expansion, engines); ++round) {
    if (round == kMostExpansions) {
      fail(ErrorCode::kInternal, graph.name, "decompositions of its operators do not end after {} rounds",
           kMostExpansions);
    }
    infer_types(graph, *options.registry);
  }
}

std::vector<ValueId> find_roots(const Graph& graph, const OperatorRegistry& registry) {
  std::vector<ValueId> roots(graph.value_count());
  for (size_t i = 0; i < roots.size(); ++i) roots[i] = static_cast<ValueId>(i);
  for (const Node& node : graph.nodes) {
    for (const Alias& alias : registry.find(node.domain, node.op)->aliases) {
      const auto output = static_cast<size_t>(alias.output), input = static_cast<size_t>(alias.input);
      if (output >= node.outputs.size() || node.outputs[output] == kNoValue) continue;
      roots[static_cast<size_t>(node.outputs[output])] = roots[static_cast<size_t>(node.inputs[input])];
    }
  }
  return roots;
}

void compile_bodies(Step& step, Program& program, CompileOptions options) {
  options.admit = nullptr;
  Graph& graph = program.graph;
  for (const Body& body : step.schema->bodies(InferenceContext(graph, *step.node, *options.registry)))
    step.bodies.emplace(body.attribute, compile(bind_body(graph, *step.node, body), options));
  for (const auto& [attribute, body] : step.bodies)
    program.kept.insert(program.kept.end(), body->kept.begin(), body->kept.end());
}

bool is_delegate(const Node& node) {
  return node.domain == "oag" && node.op == "Delegate";
}

// The step of a node that another engine has taken over.
Step make_delegate_step(Program& program, const Node& node, const OpSchema& schema,
                        EnginePlacement& placement) {
  Step step;
  step.node = &node;
  step.schema = &schema;
  EnginePlacement::Loaded loaded = placement.take(*node.graph_attribute("body"));
  const auto known = std::ranges::find(program.devices, loaded.device);
  step.device = static_cast<size_t>(known - program.devices.begin());
  if (known == program.devices.end()) program.devices.push_back(loaded.device);
  step.kernel_name = node.name;
  step.kernel = std::move(loaded.kernel);
  return step;
}

Step make_step(Program& program, const Node& node, const CompileOptions& options,
               EnginePlacement* placement_of) {
  Step step;
  step.node = &node;
  step.schema = options.registry->find(node.domain, node.op);
  if (placement_of != nullptr && is_delegate(node))
    return make_delegate_step(program, node, *step.schema, *placement_of);
  if (step.schema->bodies != nullptr) compile_bodies(step, program, options);
  Placement placement = place(program.graph, node, options);
  step.device = placement.device;
  step.refusals = std::move(placement.refusals);
  if (placement.implementation != nullptr) {
    step.kernel_name = placement.implementation->name;
    step.kernel =
        options.devices[step.device]->kernels().make(*placement.implementation, {program.graph, node});
  } else if (step.schema->reference != nullptr) {
    const bool view = !step.schema->aliases.empty() && step.schema->aliases[0].kind == Alias::kView;
    step.kernel_name = view ? "view" : "reference";
    step.kernel = function_kernel(step.schema->reference);
  } else if (step.schema->custom != nullptr) {
    step.kernel_name = "plugin";
    step.kernel = custom_kernel(step.schema->custom->make_kernel(program.graph, node));
  } else {
    fail(ErrorCode::kUnsupported, fmt::format("node {} ({})", node.name, node.full_op()),
         "no device has a kernel for it");
  }
  return step;
}

void prepare(Program& program) {
  constexpr size_t kAlign = 64;
  const auto aligned = [](size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; };
  size_t total = 0;
  for (const Step& step : program.steps) total += aligned(step.kernel->packed_bytes());
  program.packed = allocate_host_resident(total);
  const RunControl control;
  size_t at = 0;
  for (Step& step : program.steps) {
    const std::span<std::byte> packed(program.packed->data() + at, step.kernel->packed_bytes());
    step.kernel->prepare(program.devices[step.device]->make_stream(control)->env(), packed);
    step.packed = packed;
    at += aligned(packed.size());
  }
}

}  // namespace

std::shared_ptr<const Program> compile(Graph graph, const CompileOptions& given) {
  if (given.devices.empty()) fail(ErrorCode::kInvalidArgument, "compile", "no device was given");
  auto program = std::make_shared<Program>();
  std::optional<ForeignOperators> foreign;
  std::optional<EnginePlacement> engines;
  if (given.policy) {
    foreign.emplace(graph, *given.registry, *given.policy, given.imports, given.open_engine);
    engines.emplace(*given.policy, given.model, given.imports, given.open_engine, *foreign);
  }
  CompileOptions options = given;
  if (foreign) options.registry = &foreign->registry();
  program->schemas = options.registry->owned();
  infer_types(graph, *options.registry);
  expand(graph, options, Expansion::kForeign, engines ? &*engines : nullptr);
  run_passes(graph, {*options.registry, options.devices.front().get(), options.cache_dtype,
                     options.cache_page_tokens, engines ? &*engines : nullptr});
  expand(graph, options, Expansion::kAll, nullptr);
  program->graph = std::move(graph);
  program->devices = options.devices;
  program->roots = find_roots(program->graph, *options.registry);
  std::map<std::string, int> references;
  for (const Node& node : program->graph.nodes) {
    program->steps.push_back(make_step(*program, node, options, engines ? &*engines : nullptr));
    if (program->steps.back().kernel_name == "reference") ++references[node.full_op()];
  }
  for (const auto& [op, count] : references) {
    log(LogLevel::kDebug, "{} nodes of {} run on the reference kernel, which is slow", count, op);
  }
  if (engines) program->kept.insert(program->kept.begin(), engines->kept().begin(), engines->kept().end());
  if (options.admit) options.admit(*program);
  prepare(*program);
  return program;
}

namespace {

uint64_t body_constant_bytes(const Graph& body) {
  uint64_t total = 0;
  for (size_t v = 0; v < body.value_count(); ++v) {
    if (const auto& constant = body.value(static_cast<ValueId>(v)).constant) total += constant->size_bytes();
  }
  return total;
}

}  // namespace

uint64_t constant_bytes(const Program& program) {
  uint64_t total = 0;
  std::set<ValueId> read;
  for (const Step& step : program.steps) {
    const size_t packed = step.kernel->packed_bytes();
    total += packed;
    if (is_delegate(*step.node)) total += body_constant_bytes(*step.node->graph_attribute("body"));
    for (const ValueId input : step.node->inputs) {
      if (input != kNoValue && packed == 0 && program.graph.value(input).constant) read.insert(input);
    }
  }
  for (const ValueId constant : read) total += program.graph.value(constant).constant->size_bytes();
  return total;
}

std::vector<ExplainRow> explain(const Program& program) {
  std::vector<ExplainRow> rows;
  const auto add = [&](const Graph& graph, const Node& node, ExplainRow row) {
    row.op = node.full_op();
    row.nodes = 1;
    for (const ValueId input : node.inputs) {
      row.types += row.types.empty() ? "" : ", ";
      row.types += input == kNoValue ? "-" : dtype_name(graph.value(input).type.dtype);
    }
    const auto same = std::find_if(rows.begin(), rows.end(), [&](const ExplainRow& other) {
      return std::tie(other.op, other.types, other.device, other.kernel, other.refusals, other.reason) ==
             std::tie(row.op, row.types, row.device, row.kernel, row.refusals, row.reason);
    });
    if (same == rows.end()) {
      rows.push_back(std::move(row));
    } else {
      ++same->nodes;
    }
  };
  for (const Step& step : program.steps) {
    const ExplainRow row{
        "", "", std::string(program.devices[step.device]->name()), step.kernel_name, 0, step.refusals, ""};
    if (!is_delegate(*step.node)) {
      add(program.graph, *step.node, row);
      continue;
    }
    const GraphPtr body = step.node->graph_attribute("body");
    const std::vector<std::string> reasons = step.node->strings_attribute("reasons");
    for (size_t n = 0; n < body->nodes.size(); ++n) {
      ExplainRow inside = row;
      if (n < reasons.size()) inside.reason = reasons[n];
      add(*body, body->nodes[n], std::move(inside));
    }
  }
  return rows;
}

}  // namespace oag
