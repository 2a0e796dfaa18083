#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/device/graph_device.h"
#include "engine/ops/custom_operator.h"
#include "engine/session/placement_policy.h"

namespace oag {

// Opens another engine. Errors: kUnsupported with why it is not available; kNotFound for none of this build.
using OpenEngine = std::function<std::shared_ptr<GraphDevice>(const std::string& name)>;

// An operator that this engine does not know, or refuses as a model uses it: another engine infers its types,
// and gets its nodes.
class ForeignOperator final : public CustomOperator {
 public:
  struct Engine {
    std::string name;
    std::shared_ptr<GraphDevice> device;
  };

  // `engines` are asked in order. `own_words` says why this engine does not compute it.
  // Nodes may have the attributes of `first` and `others`.
  ForeignOperator(const Node& first, std::span<const Node* const> others, std::vector<Engine> engines,
                  OpsetImports imports, std::string own_words);

  const OpSchema& schema() const { return schema_; }
  // The engine that took the first node.
  const std::string& engine_name() const { return engines_[chosen_].name; }
  const std::shared_ptr<GraphDevice>& engine() const { return engines_[chosen_].device; }
  std::string reason() const { return "oag " + own_words_; }

  void infer(InferenceContext& context) const override;
  // Fails: nodes go to the engine as graphs.
  std::unique_ptr<CustomKernel> make_kernel(const Graph& graph, const Node& node) const override;

 private:
  void allow_attributes(const Node& node);

  std::string domain_, op_;
  std::deque<std::string> attribute_names_;
  std::vector<Engine> engines_;
  OpsetImports imports_;
  std::string own_words_;
  // Set while types are inferred, which one thread does.
  mutable size_t chosen_ = 0;
  mutable bool told_ = false;
  OpSchema schema_;
};

// The operators of one graph that only other engines know.
class ForeignOperators {
 public:
  // Finds operators that `registry` lacks in the graph and its bodies, and those whose nodes it refuses, and
  // infers the graph's types with registry(), which has them all. Where there are none no engine is opened.
  // Errors: kUnsupported, naming a node and why no engine of `policy.fallback` is available for it; those of
  // infer_types, for nodes that are refused where no engine is available.
  ForeignOperators(Graph& graph, const OperatorRegistry& registry, const PlacementPolicy& policy,
                   const OpsetImports& imports, const OpenEngine& open);

  const OperatorRegistry& registry() const { return any_ ? extended_ : base_; }
  // Null for nodes that this engine knows.
  const ForeignOperator* find(const Node& node) const;

 private:
  void add(const Node& node, const std::string& own_words);
  void add_unknown(const Graph& graph);
  void add_refused();
  const std::vector<ForeignOperator::Engine>& engines();

  Graph& graph_;
  const OperatorRegistry& base_;
  const PlacementPolicy& policy_;
  const OpsetImports& imports_;
  const OpenEngine& open_;
  OperatorRegistry extended_;
  bool any_ = false;  // whether extended_ is in use
  std::vector<ForeignOperator::Engine> engines_;
  std::string unavailable_;  // why engines are not there
  bool opened_ = false;
};

}  // namespace oag
