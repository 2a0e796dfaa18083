#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace oag {

// Which nodes go to other engines. The first rule that fits a node decides; nodes that none fits stay here.
struct PlacementPolicy {
  // Globs (fnmatch): an empty one fits everything.
  struct Rule {
    std::string model;   // the model's path, or its last part
    std::string op;      // "Conv", "com.microsoft.*"
    std::string node;    // the node's name
    std::string engine;  // "oag" keeps the node here
    std::string name;    // of the rule, for --explain: "rule 1"
  };
  std::vector<Rule> rules;
  // Engines that are asked, in order, for operators that this engine does not know or refuses.
  std::vector<std::string> fallback = {"onnxruntime", "openvino"};
  std::vector<std::string> plugins;  // libraries of custom operators
};

// Reads a policy (docs/schemas/policy.json). `where` names it in errors. Errors: kCorruptData for no JSON;
// kInvalidArgument with the key, what was seen and what was expected.
PlacementPolicy parse_policy(std::string_view text, const std::string& where);

bool fits(const PlacementPolicy::Rule& rule, std::string_view model, const std::string& op,
          const std::string& node);

}  // namespace oag
