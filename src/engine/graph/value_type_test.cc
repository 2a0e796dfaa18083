#include <gtest/gtest.h>

#include "engine/graph/graph.h"

namespace oag {
namespace {

ValueType floats(Shape shape) {
  return ValueType::tensor(DType::kF32, std::move(shape));
}

const Dim kN = Dim::symbol("N");

TEST(ValueType, IncludesWhatIsNarrower) {
  const ValueType any = ValueType::tensor(DType::kF32, std::nullopt);
  EXPECT_TRUE(any.includes(floats({2, kN})));
  EXPECT_FALSE(floats({2, kN}).includes(any));
  EXPECT_FALSE(floats({kN}).includes(floats({3})));  // one symbol is one length
  EXPECT_FALSE(any.includes(ValueType::tensor(DType::kF64, std::nullopt)));
  EXPECT_TRUE(ValueType::sequence(any).includes(ValueType::sequence(floats({1}))));
  EXPECT_FALSE(ValueType::sequence(any).includes(ValueType::optional(any)));
  EXPECT_FALSE(ValueType::map(DType::kI64, any).includes(ValueType::map(DType::kString, any)));
}

TEST(ValueType, JoinsKeepEqualDims) {
  const auto joined = join_types(floats({2, kN, 3}), floats({2, 4, 3}), "y");
  ASSERT_TRUE(joined);
  EXPECT_EQ(to_string(*joined), "f32[2, y.d1, 3]");
  EXPECT_EQ(to_string(*join_types(floats({2}), floats({2, 2}), "y")), "f32[...]");
  EXPECT_EQ(to_string(*join_types(ValueType::sequence(floats({1})), ValueType::sequence(floats({2})), "y")),
            "sequence(f32[y.d0])");
}

TEST(ValueType, UnlikeKindsAndElementTypesDoNotJoin) {
  EXPECT_FALSE(join_types(floats({1}), ValueType::tensor(DType::kI32, Shape{1}), "y"));
  EXPECT_FALSE(join_types(floats({1}), ValueType::sequence(floats({1})), "y"));
  EXPECT_FALSE(join_types(ValueType::sequence(floats({1})),
                          ValueType::sequence(ValueType::tensor(DType::kI32, Shape{1})), "y"));
}

TEST(ValueType, IsPrintedForPeople) {
  EXPECT_EQ(to_string(ValueType()), "?");
  EXPECT_EQ(to_string(ValueType::optional(ValueType::sequence(floats({kN})))), "optional(sequence(f32[N]))");
  EXPECT_EQ(to_string(ValueType::map(DType::kString, floats({}))), "map(string, f32[])");
}

}  // namespace
}  // namespace oag
