#include "engine/tensor/container.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace oag {
namespace {

Tensor number(float value) {
  return Tensor::of<float>(DType::kF32, {}, {&value, 1});
}

TEST(Container, StringsStartEmptyAndKeepWhatTheyAreGiven) {
  const Tensor empty = Tensor::host(DType::kString, {2, 2});
  EXPECT_EQ(strings_of(empty)[3], "");
  const Tensor words = make_strings({2}, {"a", std::string(100, 'b')});
  EXPECT_EQ(words.dims(), Dims({2}));
  EXPECT_EQ(strings_of(words)[1], std::string(100, 'b'));
  EXPECT_EQ(strings_of(words.reshaped({1, 2}))[0], "a");
}

TEST(Container, ElementsAreShared) {
  const Tensor element = number(3);
  const Tensor sequence = make_sequence({element, number(4)});
  EXPECT_EQ(sequence.dtype(), DType::kSequence);
  EXPECT_EQ(sequence.dims(), Dims({2}));
  EXPECT_EQ(elements_of(sequence)[0].data(), element.data());
  EXPECT_EQ(oag::make_optional(std::nullopt).count(), 0);
  EXPECT_EQ(elements_of(make_optional(sequence))[0].count(), 2);
  const Tensor map = make_map(make_strings({1}, {"k"}), make_sequence({element}));
  EXPECT_EQ(strings_of(elements_of(map)[0])[0], "k");
}

TEST(Container, ADeepCopySharesNothing) {
  const Tensor inner = number(5);
  const Tensor copy = deep_copy(make_sequence({make_sequence({inner})}));
  const Tensor& copied = elements_of(elements_of(copy)[0])[0];
  EXPECT_NE(copied.data(), inner.data());
  EXPECT_EQ(copied.values<float>()[0], 5);
  EXPECT_FALSE(deep_copy(Tensor()).defined());
}

TEST(Container, CopiesElementsOfEveryKind) {
  const Tensor words = make_strings({2}, {"one", "two"}), place = Tensor::host(DType::kString, {2});
  copy_elements(words, place);
  EXPECT_EQ(strings_of(place)[1], "two");
  EXPECT_EQ(strings_of(words)[1], "two");
}

TEST(Container, MoreStringsThanMemoryHoldsAreRefused) {
  EXPECT_THROW(Tensor::host(DType::kString, {int64_t{1} << 50}), Error);
}

}  // namespace
}  // namespace oag
