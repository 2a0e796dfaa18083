#pragma once

#include <string>
#include <string_view>

#include "engine/graph/graph.h"

namespace oag {

// Which engine each node goes to: what the pass `partition` asks.
class NodePlacement {
 public:
  // An engine's name, or nothing for this one, and in a few words why.
  struct Choice {
    std::string engine;
    std::string reason;
  };

  virtual ~NodePlacement() = default;
  // `node` is one of `graph`, whose types are known.
  virtual Choice choose(const Graph& graph, const Node& node) = 0;
  // Why the engine does not take a graph; empty when it does.
  virtual std::string refusal(std::string_view engine, const GraphPtr& body) = 0;
  // Told of each node that stays here because the engine chosen for it does not take it.
  virtual void keep(const Node& node, std::string_view engine, std::string_view refusal) = 0;
};

}  // namespace oag
