#include "engine/tensor/block_format.h"

#include <gtest/gtest.h>

#include <bit>
#include <cctype>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "engine/tensor/float16.h"
#include "tests/npy.h"

namespace oag {
namespace {

const std::string kCases = std::string(OAG_SOURCE_DIR) + "/tests/data/quant_cases/";

std::string upper(std::string_view name) {
  std::string text;
  for (const char c : name) text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// The number of values that differ in any bit, and the first one in the failure message.
void expect_same_bits(const std::vector<float>& seen, const std::vector<float>& expected) {
  ASSERT_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(seen[i]), std::bit_cast<uint32_t>(expected[i]))
        << "value " << i << ": " << seen[i] << ", expected " << expected[i];
  }
}

void expect_decodes_to_golden(DType dtype, const std::string& stem) {
  const std::string blocks = read_file(kCases + stem + ".bin");
  const std::vector<float> expected = test::load_npy<float>(kCases + stem + ".npy").values;
  std::vector<float> values(expected.size());
  decode_blocks(dtype, bytes_of(blocks), values);
  expect_same_bits(values, expected);
}

std::string case_name(const testing::TestParamInfo<DType>& info) {
  return std::string(dtype_name(info.param));
}

class ReadFormat : public testing::TestWithParam<DType> {};

TEST_P(ReadFormat, DecodesGoldenBlocksBitForBit) {
  expect_decodes_to_golden(GetParam(), upper(dtype_name(GetParam())));
}

class BlockFormat : public testing::TestWithParam<DType> {};

TEST_P(BlockFormat, DecodesRandomBlocksBitForBit) {
  expect_decodes_to_golden(GetParam(), "random_" + upper(dtype_name(GetParam())));
}

TEST_P(ReadFormat, RefusesSizesThatDoNotBelongTogether) {
  const DTypeInfo& info = dtype_info(GetParam());
  std::vector<std::byte> blocks(3 * info.block_bytes);
  std::vector<float> values(2 * info.block_values);
  EXPECT_THROW(decode_blocks(GetParam(), blocks, values), Error);
  EXPECT_THROW(decode_blocks(GetParam(), std::span(blocks).first(2 * info.block_bytes - 1), values), Error);
  EXPECT_NO_THROW(decode_blocks(GetParam(), std::span(blocks).first(2 * info.block_bytes), values));
}

constexpr DType kBlockFormats[] = {DType::kQ4_0,   DType::kQ4_1,   DType::kQ5_0, DType::kQ5_1, DType::kQ8_0,
                                   DType::kQ2_K,   DType::kQ3_K,   DType::kQ4_K, DType::kQ5_K, DType::kQ6_K,
                                   DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};

INSTANTIATE_TEST_SUITE_P(Halves, ReadFormat, testing::Values(DType::kF16, DType::kBF16), case_name);
INSTANTIATE_TEST_SUITE_P(Blocks, ReadFormat, testing::ValuesIn(kBlockFormats), case_name);
INSTANTIATE_TEST_SUITE_P(Blocks, BlockFormat, testing::ValuesIn(kBlockFormats), case_name);

TEST(DecodeBlocks, EveryHalfReadsInARowAsItDoesAlone) {
  std::vector<uint16_t> halves(65536);
  std::vector<float> alone(halves.size()), seen(halves.size());
  for (uint32_t i = 0; i < halves.size(); ++i) {
    halves[i] = static_cast<uint16_t>(i);
    alone[i] = f32_from_f16(halves[i]);
  }
  decode_blocks(DType::kF16, std::as_bytes(std::span(halves)), seen);
  expect_same_bits(seen, alone);
}

TEST(DecodeBlocks, F32IsCopiedBitForBit) {
  const std::vector<float> source = test::load_npy<float>(kCases + "edge.npy").values;
  std::vector<float> values(source.size());
  decode_blocks(DType::kF32, std::as_bytes(std::span(source)), values);
  expect_same_bits(values, source);
}

TEST(DecodeBlocks, RefusesTypesItCannotRead) {
  std::vector<float> values(256);
  std::vector<std::byte> blocks(256);
  EXPECT_THROW(decode_blocks(DType::kI8, blocks, values), Error);
  EXPECT_THROW(decode_blocks(DType::kUndefined, blocks, values), Error);
}

}  // namespace
}  // namespace oag
