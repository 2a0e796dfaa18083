#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/device/graph_device.h"
#include "engine/passes/node_placement.h"
#include "engine/session/foreign_operators.h"
#include "engine/session/placement_policy.h"

namespace oag {

// Nodes that were to go to another engine and stayed.
struct KeptNodes {
  std::string op, engine, refusal;
  int nodes = 0;
};

// Places nodes as a policy says and loads what other engines are given; of one compile.
class EnginePlacement final : public NodePlacement {
 public:
  struct Loaded {
    std::shared_ptr<GraphDevice> device;
    std::unique_ptr<Kernel> kernel;
  };

  // `foreign` are the operators that only other engines know.
  EnginePlacement(const PlacementPolicy& policy, std::string model, OpsetImports imports, OpenEngine open,
                  const ForeignOperators& foreign)
      : policy_(policy),
        model_(std::move(model)),
        imports_(std::move(imports)),
        open_(std::move(open)),
        foreign_(foreign) {}

  Choice choose(const Graph& graph, const Node& node) override;
  std::string refusal(std::string_view engine, const GraphPtr& body) override;
  void keep(const Node& node, std::string_view engine, std::string_view refusal) override;

  // What was loaded for a Delegate's body; once for each.
  Loaded take(const Graph& body);
  const std::vector<KeptNodes>& kept() const { return kept_; }

 private:
  const PlacementPolicy& policy_;
  std::string model_;
  OpsetImports imports_;
  OpenEngine open_;
  const ForeignOperators& foreign_;
  std::map<std::string, std::shared_ptr<GraphDevice>> devices_;
  std::map<GraphPtr, Loaded> loaded_;
  std::vector<KeptNodes> kept_;
};

}  // namespace oag
