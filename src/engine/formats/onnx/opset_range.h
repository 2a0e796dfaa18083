#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/graph/graph.h"

namespace oag {

// The opsets of one domain at which a graph's nodes mean what they say.
struct OpsetRange {
  int64_t least = 1;
  int64_t newest = 1;  // the least at which each operator has its newest definition
};

// Of each domain of the graph's nodes, bodies included; from 1 to 1 for domains without a history.
std::map<std::string, OpsetRange, std::less<>> opset_ranges(const Graph& graph);

}  // namespace oag
