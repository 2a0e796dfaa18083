#include "engine/session/placement_policy.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace oag {
namespace {

std::string wrong(std::string_view text) {
  try {
    parse_policy(text, "p.json");
    return "nothing is wrong";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(PlacementPolicy, IsReadFromJson) {
  const PlacementPolicy policy = parse_policy(
      R"({"schema": "oag.policy/1", "rules": [{"operator": "com.microsoft.*", "engine": "onnxruntime"},
          {"model": "*.onnx", "node": "head/*", "engine": "oag"}], "fallback": ["openvino"],
          "plugins": ["my.so"]})",
      "p.json");
  ASSERT_EQ(policy.rules.size(), 2u);
  EXPECT_EQ(policy.rules[0].op, "com.microsoft.*");
  EXPECT_EQ(policy.rules[0].engine, "onnxruntime");
  EXPECT_EQ(policy.rules[1].name, "rule 2 of the policy");
  EXPECT_EQ(policy.fallback, std::vector<std::string>{"openvino"});
  EXPECT_EQ(policy.plugins, std::vector<std::string>{"my.so"});
}

TEST(PlacementPolicy, RulesFitModelOperatorAndNode) {
  const PlacementPolicy::Rule conv{"", "Conv", "", "onnxruntime", ""};
  EXPECT_TRUE(fits(conv, "m.onnx", "Conv", "n"));
  EXPECT_FALSE(fits(conv, "m.onnx", "ConvInteger", "n"));
  const PlacementPolicy::Rule model{"detector*.onnx", "", "", "onnxruntime", ""};
  EXPECT_TRUE(fits(model, "/models/detector_v2.onnx", "Conv", "n"));
  EXPECT_FALSE(fits(model, "/models/other.onnx", "Conv", "n"));
  const PlacementPolicy::Rule node{"", "com.microsoft.*", "head/*", "onnxruntime", ""};
  EXPECT_TRUE(fits(node, "", "com.microsoft.Gelu", "head/gelu"));
  EXPECT_FALSE(fits(node, "", "com.microsoft.Gelu", "body/gelu"));
}

TEST(PlacementPolicy, SaysWhatIsWrong) {
  EXPECT_EQ(wrong("[]"), "p.json: is array, expected an object with \"schema\" and \"rules\"");
  EXPECT_EQ(wrong("{}"), "p.json: lacks \"schema\": \"oag.policy/1\"");
  EXPECT_EQ(wrong(R"({"schema": "oag.policy/2"})"),
            "p.json: is of schema \"oag.policy/2\", expected \"oag.policy/1\"");
  EXPECT_EQ(wrong(R"({"schema": "oag.policy/1", "rule": []})"),
            "p.json: rule: is no key of a policy, expected rules, fallback or plugins");
  EXPECT_EQ(wrong(R"({"schema": "oag.policy/1", "rules": [{"operator": "Conv"}]})"),
            "p.json: rules[0]: has no \"engine\", expected one of oag, onnxruntime, openvino");
  EXPECT_EQ(wrong(R"({"schema": "oag.policy/1", "rules": [{"engine": "tensorrt"}]})"),
            "p.json: rules[0].engine: is \"tensorrt\", expected one of oag, onnxruntime, openvino");
  EXPECT_EQ(wrong(R"({"schema": "oag.policy/1", "rules": [{"engine": 3}]})"),
            "p.json: rules[0].engine: is number, expected a text");
  EXPECT_EQ(wrong(R"({"schema": "oag.policy/1", "rules": [{"op": "Conv", "engine": "oag"}]})"),
            "p.json: rules[0].op: is no key of a rule, expected model, operator, node or engine");
}

}  // namespace
}  // namespace oag
