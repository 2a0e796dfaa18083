#include "engine/session/engine_placement.h"

#include <algorithm>

#include "base/error.h"

namespace oag {

NodePlacement::Choice EnginePlacement::choose(const Graph&, const Node& node) {
  if (const ForeignOperator* foreign = foreign_.find(node)) {
    devices_.try_emplace(foreign->engine_name(), foreign->engine());
    return {foreign->engine_name(), foreign->reason()};
  }
  for (const PlacementPolicy::Rule& rule : policy_.rules) {
    if (!fits(rule, model_, node.full_op(), node.name)) continue;
    if (rule.engine == "oag") return {};
    // An engine that is not there is an error where it is asked for by name.
    if (!devices_.contains(rule.engine)) devices_.emplace(rule.engine, open_(rule.engine));
    return {rule.engine, rule.name};
  }
  return {};
}

std::string EnginePlacement::refusal(std::string_view engine, const GraphPtr& body) {
  const std::shared_ptr<GraphDevice>& device = devices_.at(std::string(engine));
  try {
    loaded_[body] = {device, device->load(*body, imports_)};
    return "";
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    return error.what();
  }
}

void EnginePlacement::keep(const Node& node, std::string_view engine, std::string_view refusal) {
  const std::string op = node.full_op();
  const auto same = std::ranges::find_if(kept_, [&](const KeptNodes& other) {
    return other.op == op && other.engine == engine && other.refusal == refusal;
  });
  if (same != kept_.end()) {
    ++same->nodes;
  } else {
    kept_.push_back({op, std::string(engine), std::string(refusal), 1});
  }
}

EnginePlacement::Loaded EnginePlacement::take(const Graph& body) {
  const auto found =
      std::ranges::find_if(loaded_, [&](const auto& entry) { return entry.first.get() == &body; });
  if (found == loaded_.end()) fail(ErrorCode::kInternal, body.name, "was not loaded by an engine");
  Loaded loaded = std::move(found->second);
  loaded_.erase(found);
  return loaded;
}

}  // namespace oag
