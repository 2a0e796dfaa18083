// Nodes that are chosen for another engine become oag.Delegate nodes, as few as their order allows.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <queue>

#include "engine/ops/onnx_dtype.h"
#include "engine/passes/pass.h"
#include "engine/tensor/dtype.h"

namespace oag {
namespace {

constexpr int kHere = 0;  // the engine of nodes that stay

using Members = std::vector<size_t>;  // nodes by number, in order

// What only this engine knows stays: its own operators, states, block formats.
bool may_leave(const Graph& graph, const Node& node) {
  const auto known = [&](ValueId id) {
    if (id == kNoValue) return true;
    const ValueType& type = graph.value(id).type;
    return type.kind != TypeKind::kState && (is_container(type.dtype) || onnx_from_dtype(type.dtype) != 0);
  };
  return node.domain != "oag" && std::ranges::all_of(node.inputs, known) &&
         std::ranges::all_of(node.outputs, known);
}

// Nodes joined into units: a unit is one node that stays, or the members of one Delegate.
class Partition {
 public:
  Partition(Graph& graph, NodePlacement& placement) : graph_(graph), placement_(placement) {
    find_edges();
    engines_.push_back("");
    for (const Node& node : graph.nodes) {
      NodePlacement::Choice choice;
      if (may_leave(graph, node)) choice = placement.choose(graph, node);
      labels_.push_back(label_of(choice.engine));
      reasons_.push_back(std::move(choice.reason));
    }
    alone_.resize(graph.nodes.size());
  }

  bool run() {
    for (;;) {
      if (std::ranges::all_of(labels_, [](int label) { return label == kHere; })) return false;
      find_units();
      if (load_units()) break;
    }
    write_units();
    return true;
  }

 private:
  struct Unit {
    int label = kHere;
    Members members;
    std::vector<ValueId> inputs, outputs;
    GraphPtr body;
  };

  int label_of(const std::string& engine) {
    const auto found = std::ranges::find(engines_, engine);
    const auto label = static_cast<int>(found - engines_.begin());
    if (found == engines_.end()) engines_.push_back(engine);
    return label;
  }

  void find_edges() {
    const std::vector<int> producers = graph_.producers();
    successors_.resize(graph_.nodes.size());
    predecessors_.resize(graph_.nodes.size());
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const ValueId input : graph_.nodes[n].inputs) {
        if (input == kNoValue) continue;
        const int producer = producers[static_cast<size_t>(input)];
        if (producer < 0) continue;
        successors_[static_cast<size_t>(producer)].push_back(n);
        predecessors_[n].push_back(static_cast<size_t>(producer));
      }
    }
  }

  // Nodes of one engine and one level make a unit. A node's level counts how often the engine changes on the
  // longest way to it, so edges between units of other levels only go up and there is no circle.
  void find_units() {
    std::vector<int> levels(labels_.size(), 0);
    std::map<std::pair<int, int>, size_t> units;
    units_.clear();
    unit_of_.assign(labels_.size(), 0);
    for (size_t n = 0; n < labels_.size(); ++n) {
      for (const size_t before : predecessors_[n])
        levels[n] = std::max(levels[n], levels[before] + (labels_[before] != labels_[n] ? 1 : 0));
      size_t unit = units_.size();
      if (labels_[n] != kHere) unit = units.try_emplace({labels_[n], levels[n]}, unit).first->second;
      if (unit == units_.size()) units_.push_back({labels_[n], {}, {}, {}, nullptr});
      units_[unit].members.push_back(n);
      unit_of_[n] = unit;
    }
    std::map<int, size_t> last;  // of each engine, the unit that the next level may join
    for (const auto& [key, unit] : units) {
      const auto [slot, first] = last.emplace(key.first, unit);
      if (first) continue;
      if (leads_around(slot->second, unit) || leads_around(unit, slot->second)) {
        slot->second = unit;
      } else {
        join(slot->second, unit);
      }
    }
  }

  // Whether a way from one unit to another passes a third.
  bool leads_around(size_t from, size_t to) const {
    std::vector<bool> seen(units_.size(), false);
    std::vector<size_t> open;
    const auto go_on = [&](size_t unit) {
      for (const size_t n : units_[unit].members) {
        for (const size_t after : successors_[n]) {
          const size_t next = unit_of_[after];
          if (next == from || (unit == from && next == to) || seen[next]) continue;
          seen[next] = true;
          open.push_back(next);
        }
      }
    };
    go_on(from);
    while (!open.empty() && !seen[to]) {
      const size_t unit = open.back();
      open.pop_back();
      go_on(unit);
    }
    return seen[to];
  }

  void join(size_t into, size_t unit) {
    for (const size_t n : units_[unit].members) unit_of_[n] = into;
    Members& members = units_[into].members;
    members.insert(members.end(), units_[unit].members.begin(), units_[unit].members.end());
    std::ranges::sort(members);
    units_[unit].members.clear();
  }

  // Asks the engines. False when some nodes stay after all, so that units have to be found anew.
  bool load_units() {
    for (Unit& unit : units_) {
      if (unit.label == kHere || unit.members.empty()) continue;
      fill(unit);
      if (unit.outputs.empty()) {  // nothing uses what it makes
        for (const size_t n : unit.members) labels_[n] = kHere;
        return false;
      }
      const std::string refusal = placement_.refusal(engines_[static_cast<size_t>(unit.label)], unit.body);
      if (refusal.empty()) continue;
      keep_refused(unit, refusal);
      return false;
    }
    return true;
  }

  // Nodes that the engine does not take even alone stay; all of them where there is none.
  void keep_refused(const Unit& unit, const std::string& refusal) {
    bool any = false;
    for (const size_t n : unit.members) {
      if (!alone_[n] && unit.members.size() > 1) {
        Unit one{unit.label, {n}, {}, {}, nullptr};
        fill(one);
        alone_[n] = one.outputs.empty()
                        ? ""
                        : placement_.refusal(engines_[static_cast<size_t>(unit.label)], one.body);
      }
      if (!alone_[n] || alone_[n]->empty()) continue;
      keep(n, *alone_[n]);
      any = true;
    }
    if (any) return;
    for (const size_t n : unit.members) keep(n, refusal);
  }

  void keep(size_t n, std::string_view refusal) {
    placement_.keep(graph_.nodes[n], engines_[static_cast<size_t>(labels_[n])], refusal);
    labels_[n] = kHere;
  }

  // The unit's nodes as a graph of their own. Constants go along; what others compute are its inputs.
  void fill(Unit& unit) const {
    auto body = std::make_shared<Graph>(
        fmt::format("{}_{}", engines_[static_cast<size_t>(unit.label)], unit.members.front()));
    std::map<ValueId, ValueId> inside;
    const std::vector<bool> wanted = wanted_outside(unit.members);
    for (const size_t n : unit.members) {
      Node node = graph_.nodes[n];
      for (ValueId& input : node.inputs) {
        if (input == kNoValue) continue;
        const auto [slot, fresh] = inside.emplace(input, kNoValue);
        if (fresh) {
          const Value& value = graph_.value(input);
          slot->second = value.constant ? body->add_constant(value.name, *value.constant)
                                        : body->add_input(value.name, value.type);
          if (!value.constant) unit.inputs.push_back(input);
        }
        input = slot->second;
      }
      for (ValueId& output : node.outputs) {
        if (output == kNoValue) continue;
        const Value& value = graph_.value(output);
        const ValueId made = body->add_value(value.name, value.type);
        inside[output] = made;
        if (wanted[static_cast<size_t>(output)]) {
          unit.outputs.push_back(output);
          body->outputs.push_back(made);
        }
        output = made;
      }
      body->nodes.push_back(std::move(node));
    }
    unit.body = std::move(body);
  }

  // For each value, whether a node outside or the graph's caller reads it.
  std::vector<bool> wanted_outside(const Members& members) const {
    std::vector<bool> wanted(graph_.value_count(), false), inside(graph_.nodes.size(), false);
    for (const size_t n : members) inside[n] = true;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (inside[n]) continue;
      for (const ValueId input : graph_.nodes[n].inputs) {
        if (input != kNoValue) wanted[static_cast<size_t>(input)] = true;
      }
    }
    for (const ValueId output : graph_.outputs) wanted[static_cast<size_t>(output)] = true;
    return wanted;
  }

  Node delegate(const Unit& unit) const {
    std::vector<std::string> reasons;
    for (const size_t n : unit.members) reasons.push_back(reasons_[n]);
    Node node{"oag", "Delegate", unit.body->name, unit.inputs, unit.outputs, {}};
    node.attributes["engine"] = engines_[static_cast<size_t>(unit.label)];
    node.attributes["body"] = unit.body;
    node.attributes["reasons"] = std::move(reasons);
    return node;
  }

  // The units in an order in which each comes after those whose values it reads.
  void write_units() {
    std::vector<size_t> waits(units_.size(), 0);  // edges from units that are not written yet
    std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
    const auto each_edge = [&](size_t unit, auto&& visit) {
      for (const size_t n : units_[unit].members) {
        for (const size_t after : successors_[n]) {
          if (unit_of_[after] != unit) visit(unit_of_[after]);
        }
      }
    };
    for (size_t u = 0; u < units_.size(); ++u) each_edge(u, [&](size_t next) { ++waits[next]; });
    for (size_t u = 0; u < units_.size(); ++u) {
      if (waits[u] == 0 && !units_[u].members.empty()) ready.push(u);
    }
    std::vector<Node> nodes;
    while (!ready.empty()) {
      const size_t u = ready.top();
      ready.pop();
      const Unit& unit = units_[u];
      nodes.push_back(unit.label == kHere ? graph_.nodes[unit.members.front()] : delegate(unit));
      each_edge(u, [&](size_t next) {
        if (--waits[next] == 0) ready.push(next);
      });
    }
    graph_.nodes = std::move(nodes);
  }

  Graph& graph_;
  NodePlacement& placement_;
  std::vector<std::vector<size_t>> successors_, predecessors_;  // of each node
  std::vector<std::string> engines_;                            // by label
  std::vector<int> labels_;                                     // of each node
  std::vector<std::string> reasons_;
  std::vector<std::optional<std::string>> alone_;  // refusals of single nodes that were asked for
  std::vector<Unit> units_;
  std::vector<size_t> unit_of_;
};

bool partition(Graph& graph, const PassContext& context) {
  return context.placement != nullptr && Partition(graph, *context.placement).run();
}

}  // namespace

extern constinit const Pass kPartition = {"partition", partition};

}  // namespace oag
