#pragma once

#include <deque>
#include <string>

#include "engine/ops/custom_operator.h"
#include "engine/ops/schema.h"
#include "openautoglm/plugin_abi.h"

namespace oag {

// An operator that a plugin describes.
class PluginOperator final : public CustomOperator {
 public:
  // `plugin` names it in errors. Errors: kCorruptData for a description that says nothing sensible.
  PluginOperator(std::string plugin, const oag_operator& description);
  PluginOperator(const PluginOperator&) = delete;
  PluginOperator& operator=(const PluginOperator&) = delete;

  const OpSchema& schema() const { return schema_; }
  const oag_operator& description() const { return description_; }
  const std::string& plugin() const { return plugin_; }
  // The formal output of output `i` of a node.
  const Parameter& formal_output(size_t i) const;

  void infer(InferenceContext& context) const override;
  std::unique_ptr<CustomKernel> make_kernel(const Graph& graph, const Node& node) const override;

 private:
  void describe_parameters();
  void describe_attributes();
  void find_kernel();
  std::string_view keep(const char* text, std::string_view what);
  Parameter parameter(const oag_parameter& described, bool last, std::string_view what);

  std::string plugin_;
  const oag_operator& description_;
  const oag_kernel* kernel_ = nullptr;
  std::deque<std::string> texts_;  // what the schema's views show
  OpSchema schema_{};
};

// Element types that a plugin can take: those of whole bytes.
inline constexpr DTypeSet kPluginTypes = kPlainTypes | kFloat8Types | kComplexTypes;

// What plugins are given of the engine.
const oag_plugin_host& plugin_host();

}  // namespace oag
