#include "engine/tensor/tensor.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/free_memory.h"

namespace oag {
namespace {

TEST(Tensor, HostMemoryIsAligned) {
  const Tensor tensor = Tensor::host(DType::kF32, {3, 5});
  EXPECT_EQ(tensor.size_bytes(), 60u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % 64, 0u);
}

TEST(Tensor, BlockFormatsCountValuesInTheLastDim) {
  EXPECT_EQ(tensor_bytes(DType::kQ4_1, {3, 64}), 3u * 2 * 20);
  EXPECT_EQ(tensor_bytes(DType::kQ6_K, {2, 512}), 2u * 2 * 210);
  EXPECT_THROW(tensor_bytes(DType::kQ4_1, {3, 33}), Error);
}

TEST(Tensor, SubByteTypesPackTheWholeTensor) {
  EXPECT_EQ(tensor_bytes(DType::kI4, {3, 3}), 5u);
}

TEST(Tensor, RefusesAPlaceThatIsTooSmall) {
  const auto buffer = allocate_host(16);
  EXPECT_NO_THROW(Tensor(DType::kF32, {4}, buffer));
  EXPECT_THROW(Tensor(DType::kF32, {5}, buffer), Error);
  EXPECT_THROW(Tensor(DType::kF32, {4}, buffer, 4), Error);
  EXPECT_THROW(Tensor(DType::kF32, {0}, buffer, 17), Error);
}

TEST(Tensor, ReshapeSharesBytesAndKeepsTheCount) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  const Tensor tensor = Tensor::of<float>(DType::kF32, {2, 3}, values);
  EXPECT_EQ(tensor.reshaped({3, 2}).data(), tensor.data());
  EXPECT_THROW(tensor.reshaped({4}), Error);
}

TEST(Tensor, AllocationThatCannotFitIsAnError) {
  EXPECT_THROW(allocate_host(~size_t{0} - 100), Error);
  EXPECT_THROW(Tensor::host(DType::kF32, {int64_t{1} << 50}), Error);
}

// The system would give it, and kill the process that writes to it.
TEST(Tensor, MemoryThatIsNotFreeIsNotGiven) {
  const auto free_bytes = free_memory_bytes();
  if (!free_bytes) GTEST_SKIP() << "the system does not tell what is free";
  EXPECT_THROW(allocate_host(*free_bytes + (size_t{1} << 30)), Error);
}

}  // namespace
}  // namespace oag
