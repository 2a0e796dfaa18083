#include "base/promised_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <memory>

namespace oag {
namespace {

constexpr size_t kHalf = size_t{16} << 20, kWhole = 2 * kHalf;
constexpr uint64_t kHugePage = uint64_t{2} << 20;  // the system may give this much for one byte

class PromisedMemoryTest : public testing::Test {
 protected:
  PromisedMemoryTest() {
    void* mapped = ::mmap(nullptr, kWhole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped != MAP_FAILED) data_ = static_cast<std::byte*>(mapped);
  }
  ~PromisedMemoryTest() override { ::munmap(data_, kWhole); }

  std::byte* data_ = nullptr;
};

TEST_F(PromisedMemoryTest, CountsPagesUntilTheyAreWritten) {
  const uint64_t before = promised_bytes();
  auto whole = std::make_unique<PromisedMemory>(data_, kWhole);
  EXPECT_EQ(promised_bytes(), before + kWhole);
  std::memset(data_, 1, kHalf);
  EXPECT_LE(promised_bytes(), before + kHalf);
  EXPECT_GE(promised_bytes() + kHugePage, before + kHalf);
  std::memset(data_ + kHalf, 1, kHalf);
  EXPECT_EQ(promised_bytes(), before);
}

TEST_F(PromisedMemoryTest, CountsWhatIsStillHeldAlone) {
  const uint64_t before = promised_bytes();
  auto first = std::make_unique<PromisedMemory>(data_, kHalf);
  auto second = std::make_unique<PromisedMemory>(data_ + kHalf, kHalf / 2);
  auto third = std::make_unique<PromisedMemory>(data_ + kHalf + kHalf / 2, kHalf / 2);
  second.reset();
  EXPECT_EQ(promised_bytes(), before + kHalf + kHalf / 2);
  first.reset();
  EXPECT_EQ(promised_bytes(), before + kHalf / 2);
  third.reset();
  EXPECT_EQ(promised_bytes(), before);
}

TEST_F(PromisedMemoryTest, CountsWholePagesOnly) {
  const uint64_t before = promised_bytes();
  const PromisedMemory part(data_ + 1, 4095);
  EXPECT_EQ(promised_bytes(), before);
}

}  // namespace
}  // namespace oag
