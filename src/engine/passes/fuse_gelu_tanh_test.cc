#include <gtest/gtest.h>

#include <algorithm>

#include "engine/passes/pass.h"

namespace oag {
namespace {

class GeluTanh : public ::testing::Test {
 protected:
  ValueId number(float value) {
    const float values[] = {value};
    return graph_.add_constant("c", Tensor::of<float>(DType::kF32, {}, values));
  }
  ValueId mul(ValueId a, ValueId b) { return graph_.add("", "Mul", {a, b}); }
  ValueId add(ValueId a, ValueId b) { return graph_.add("", "Add", {a, b}); }
  ValueId half_of_one_and(ValueId tanh, float half = 0.5f) {
    return mul(number(half), add(number(1), graph_.add("", "Tanh", {tanh})));
  }

  // The operators that are left.
  std::vector<std::string> fused(ValueId output) {
    graph_.outputs.push_back(output);
    run_passes(graph_, {OperatorRegistry::builtin()});
    std::vector<std::string> ops;
    for (const Node& node : graph_.nodes) ops.push_back(node.op);
    return ops;
  }

  Graph graph_;
  ValueId x_ = graph_.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N"), 8}));
};

TEST_F(GeluTanh, PowersAreProductsOrPow) {
  const ValueId cube = mul(x_, mul(x_, mul(number(0.044715f), x_)));
  EXPECT_EQ(fused(mul(x_, half_of_one_and(mul(number(0.7978846f), add(x_, cube))))),
            std::vector<std::string>{"Gelu"});
  EXPECT_EQ(graph_.nodes[0].string_attribute("approximate", "none"), "tanh");
}

TEST_F(GeluTanh, XMayStandBeforeTheParenthesis) {
  const ValueId square = graph_.add("", "Pow", {x_, number(2)});
  const ValueId inner = mul(mul(x_, number(0.7978846f)), add(mul(square, number(0.044715f)), number(1)));
  EXPECT_EQ(fused(mul(half_of_one_and(inner), x_)), std::vector<std::string>{"Gelu"});
}

TEST_F(GeluTanh, XMayBeAProductItself) {
  const ValueId x = mul(x_, x_);
  const ValueId cube = mul(number(0.044715f), graph_.add("", "Pow", {x, number(3)}));
  EXPECT_EQ(fused(mul(half_of_one_and(mul(number(0.7978846f), add(x, cube))), x)),
            (std::vector<std::string>{"Mul", "Gelu"}));
}

TEST_F(GeluTanh, WhatIsOnlySimilarStays) {
  const ValueId cube = mul(number(0.044715f), graph_.add("", "Pow", {x_, number(3)}));
  const ValueId inner = mul(number(0.7978846f), add(x_, cube));
  for (const ValueId similar :
       {mul(x_, half_of_one_and(inner, 1)), mul(add(x_, number(1)), half_of_one_and(inner)),
        mul(x_, half_of_one_and(mul(number(0.9f), add(x_, cube)))),
        mul(x_, half_of_one_and(mul(number(0.7978846f), add(x_, mul(number(0.044715f), x_)))))}) {
    graph_.outputs.push_back(similar);
  }
  const auto ops = fused(graph_.outputs.back());
  EXPECT_EQ(std::count(ops.begin(), ops.end(), "Gelu"), 0);
}

}  // namespace
}  // namespace oag
