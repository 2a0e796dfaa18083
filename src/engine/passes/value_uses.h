#pragma once

#include <vector>

#include "engine/graph/graph.h"

namespace oag {

// Who makes and who uses each value of a graph, as it was when this was made.
class ValueUses {
 public:
  explicit ValueUses(const Graph& graph);

  // The node that makes the value; -1 for inputs and constants.
  int producer(ValueId value) const { return producers_[static_cast<size_t>(value)]; }
  // The one node that uses the value, once; -1 when there is none or more, or the value is an output.
  int only_user(ValueId value) const { return users_[static_cast<size_t>(value)]; }

 private:
  std::vector<int> producers_, users_;
};

// Takes the marked nodes out of the graph.
void erase_nodes(Graph& graph, const std::vector<bool>& gone);

// The one f32 number that a constant holds, whatever its rank.
std::optional<float> constant_number(const Graph& graph, ValueId value);

}  // namespace oag
