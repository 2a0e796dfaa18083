#include "engine/session/memory_plan.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace oag {
namespace {

constexpr size_t kAlignment = 64;

// Free gaps of an arena that grows at its end: offset -> size.
class ArenaLayout {
 public:
  size_t allocate(size_t size_bytes) {
    auto best = gaps_.end();
    for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
      if (gap->second >= size_bytes && (best == gaps_.end() || gap->second < best->second)) best = gap;
    }
    if (best != gaps_.end()) {
      const auto [offset, gap_bytes] = *best;
      gaps_.erase(best);
      if (gap_bytes > size_bytes) gaps_[offset + size_bytes] = gap_bytes - size_bytes;
      return offset;
    }
    size_t offset = end_;
    if (!gaps_.empty() && gaps_.rbegin()->first + gaps_.rbegin()->second == end_) {  // grow the last gap
      offset = gaps_.rbegin()->first;
      gaps_.erase(std::prev(gaps_.end()));
    }
    end_ = offset + size_bytes;
    return offset;
  }

  void release(size_t offset, size_t size_bytes) {
    auto at = gaps_.emplace(offset, size_bytes).first;
    if (const auto next = std::next(at); next != gaps_.end() && at->first + at->second == next->first) {
      at->second += next->second;
      gaps_.erase(next);
    }
    if (at == gaps_.begin()) return;
    if (const auto previous = std::prev(at); previous->first + previous->second == at->first) {
      previous->second += at->second;
      gaps_.erase(at);
    }
  }

  size_t size_bytes() const { return end_; }

 private:
  std::map<size_t, size_t> gaps_;
  size_t end_ = 0;
};

// For each value: the last step that needs its memory (through any alias), or -1.
std::vector<int> last_uses(const Program& program) {
  std::vector<int> last(program.roots.size(), -1);
  for (size_t s = 0; s < program.steps.size(); ++s) {
    const Node& node = *program.steps[s].node;
    for (const auto* values : {&node.inputs, &node.outputs}) {
      for (const ValueId id : *values) {
        if (id != kNoValue)
          last[static_cast<size_t>(program.roots[static_cast<size_t>(id)])] = static_cast<int>(s);
      }
    }
  }
  return last;
}

// A shape rule may be wrong for the dims of one run alone: n - 5 where n is 4.
void check_dims(const Graph& graph, const Node& node, ValueId output, const Dims& dims) {
  if (std::ranges::all_of(dims, [](int64_t dim) { return dim >= 0; })) return;
  fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node.name, node.full_op()),
       "its output %{} would be {} in this run, of the shape {}", graph.value(output).name, to_string(dims),
       to_string(*graph.value(output).type.shape));
}

}  // namespace

MemoryPlan plan_memory(const Program& program, const DimBindings& bindings) {
  const Graph& graph = program.graph;
  MemoryPlan plan;
  plan.dims.resize(graph.value_count());
  plan.offsets.assign(graph.value_count(), -1);
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const ValueType& type = graph.value(static_cast<ValueId>(i)).type;
    if (type.shape && !is_object(type.dtype)) plan.dims[i] = evaluate(*type.shape, bindings);
  }
  std::vector<bool> external(graph.value_count(), false);
  for (const ValueId output : graph.outputs)
    external[static_cast<size_t>(program.roots[static_cast<size_t>(output)])] = true;

  ArenaLayout layout;
  const std::vector<int> last = last_uses(program);
  std::vector<std::vector<std::pair<size_t, size_t>>> ending(program.steps.size());
  for (size_t s = 0; s < program.steps.size(); ++s) {
    for (const ValueId output : program.steps[s].node->outputs) {
      if (output == kNoValue) continue;
      const auto v = static_cast<size_t>(output);
      if (plan.dims[v]) check_dims(graph, *program.steps[s].node, output, *plan.dims[v]);
      if (program.roots[v] != output || external[v] || !plan.dims[v]) continue;
      const size_t wanted = tensor_bytes(graph.value(output).type.dtype, *plan.dims[v]);
      const size_t size_bytes = std::max<size_t>((wanted + kAlignment - 1) / kAlignment, 1) * kAlignment;
      const size_t offset = layout.allocate(size_bytes);
      plan.offsets[v] = static_cast<int64_t>(offset);
      ending[static_cast<size_t>(last[v])].emplace_back(offset, size_bytes);
    }
    for (const auto& [offset, size_bytes] : ending[s]) layout.release(offset, size_bytes);
  }
  plan.arena_bytes = layout.size_bytes();
  return plan;
}

}  // namespace oag
