#include "engine/tensor/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "engine/tensor/block_format.h"
#include "engine/tensor/float16.h"
#include "engine/tensor/quantize_families.h"
#include "tests/npy.h"

namespace oag {
namespace {

const std::string kBlockCases = std::string(OAG_SOURCE_DIR) + "/tests/data/quant_cases/";
const std::string kCases = std::string(OAG_SOURCE_DIR) + "/tests/data/quantize/";

constexpr DType kLegacy[] = {DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1,
                             DType::kQ5_0, DType::kQ5_1, DType::kQ8_0};
constexpr DType kSearched[] = {DType::kQ2_K, DType::kQ3_K,   DType::kQ4_K,   DType::kQ5_K,
                               DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};
constexpr float kInf = std::numeric_limits<float>::infinity();

std::string upper(std::string_view name) {
  std::string text;
  for (const char c : name) text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string quantised(DType dtype, std::span<const float> values, int64_t row_length) {
  std::string blocks(row_bytes(dtype, static_cast<int64_t>(values.size())), '\0');
  quantize_rows(dtype, values, row_length, std::as_writable_bytes(std::span(blocks)));
  return blocks;
}

std::vector<float> decoded(DType dtype, const std::string& blocks, size_t count) {
  std::vector<float> values(count);
  decode_blocks(dtype, std::as_bytes(std::span(blocks)), values);
  return values;
}

double squared_error(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum / static_cast<double>(a.size());
}

std::vector<float> gaussian(size_t count, float deviation) {
  std::mt19937 engine(4);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

std::string case_name(const testing::TestParamInfo<DType>& info) {
  return std::string(dtype_name(info.param));
}

class LegacyFormat : public testing::TestWithParam<DType> {};

TEST_P(LegacyFormat, EncodesRandomAndEdgeRowsAsGgufPyDoes) {
  const std::string type = upper(dtype_name(GetParam())) + ".bin";
  const auto source = test::load_npy<float>(kBlockCases + "source.npy").values;
  EXPECT_EQ(quantised(GetParam(), source, 512), read_file(kBlockCases + type));
  const auto edge = test::load_npy<float>(kBlockCases + "edge.npy").values;
  EXPECT_EQ(quantised(GetParam(), edge, 32), read_file(kBlockCases + "edge_" + type));
}

TEST_P(LegacyFormat, EncodesTiesDenormalsAndHugeValuesAsGgufPyDoes) {
  const auto rows = test::load_npy<float>(kCases + "rows.npy").values;
  const std::string expected = read_file(kCases + "rows_" + upper(dtype_name(GetParam())) + ".bin");
  const std::string seen = quantised(GetParam(), rows, 32);
  const size_t row_size = row_bytes(GetParam(), 32);
  for (size_t row = 0; row * row_size < expected.size(); ++row)
    ASSERT_EQ(seen.substr(row * row_size, row_size), expected.substr(row * row_size, row_size))
        << "row " << row;
}

INSTANTIATE_TEST_SUITE_P(, LegacyFormat, testing::ValuesIn(kLegacy), case_name);

class SearchedFormat : public testing::TestWithParam<DType> {};

// The bound is what ggml's quantiser reaches on the same weights.
TEST_P(SearchedFormat, ErrsNoMoreThanGgmlOnEveryDistribution) {
  std::istringstream lines(read_file(kCases + "errors.txt"));
  std::string type, data;
  double bound = 0;
  int compared = 0;
  while (lines >> type >> data >> bound) {
    if (type != dtype_name(GetParam())) continue;
    const auto weights = test::load_npy<float>(kCases + data + ".npy").values;
    const auto read = decoded(GetParam(), quantised(GetParam(), weights, 256), weights.size());
    EXPECT_LE(squared_error(weights, read), bound * (1 + 1e-12)) << data;  // sums of equal terms, other order
    ++compared;
  }
  EXPECT_EQ(compared, 9);
}

TEST_P(SearchedFormat, ZerosStayZeros) {
  const std::vector<float> zeros(512);
  EXPECT_EQ(decoded(GetParam(), quantised(GetParam(), zeros, 256), 512), zeros);
}

TEST_P(SearchedFormat, KeepsWeightsOfAnyScale) {
  const std::vector<float> weights = gaussian(1024, 1.0f);
  const auto relative_error = [&](float scale) {
    std::vector<float> scaled = weights;
    for (float& value : scaled) value *= scale;
    const auto read = decoded(GetParam(), quantised(GetParam(), scaled, 256), scaled.size());
    return squared_error(scaled, read) / (double{scale} * scale);
  };
  const double usual = relative_error(0.02f);
  EXPECT_LT(usual, 0.1);
  EXPECT_LT(relative_error(1e3f), 1.1 * usual);
  // The f16 unit of a block is no normal number any more, which costs little.
  EXPECT_LT(relative_error(1e-3f), 1.3 * usual);
}

INSTANTIATE_TEST_SUITE_P(, SearchedFormat, testing::ValuesIn(kSearched), case_name);

class WrittenFormat : public testing::TestWithParam<DType> {};

TEST_P(WrittenFormat, BytesDoNotDependOnTheProcessor) {
  std::vector<float> values = gaussian(256 * 37, 0.02f);
  const auto rows = test::load_npy<float>(kCases + "rows.npy").values;
  values.insert(values.end(), rows.begin(), rows.begin() + 256 * 40);
  const std::string expected = quantised(GetParam(), values, 256);
  for (int lanes = 4; lanes <= quantize::lanes_of_this_processor(); lanes *= 2) {
    std::string seen(expected.size(), '\0');
    quantize::Kernel kernel = quantize::legacy_kernel(GetParam(), lanes);
    if (kernel == nullptr) kernel = quantize::k_kernel(GetParam(), lanes);
    if (kernel == nullptr) kernel = quantize::table_kernel(GetParam(), lanes);
    kernel(values.data(), values.size() / dtype_info(GetParam()).block_values,
           reinterpret_cast<uint8_t*>(seen.data()));
    EXPECT_TRUE(seen == expected) << lanes << " lanes";
  }
}

TEST_P(WrittenFormat, BytesDoNotDependOnHowRowsAreSplit) {
  const std::vector<float> values = gaussian(256 * 19, 0.02f);
  std::string pieces;
  for (size_t begin = 0; begin < values.size();) {
    const size_t rows = std::min<size_t>(begin % 3 + 1, (values.size() - begin) / 256);
    pieces += quantised(GetParam(), std::span(values).subspan(begin, 256 * rows), 256);
    begin += 256 * rows;
  }
  EXPECT_TRUE(pieces == quantised(GetParam(), values, 256));
}

// Run under UBSan: conversions of what does not fit an integer must be defined.
TEST_P(WrittenFormat, SurvivesValuesThatItCannotHold) {
  for (const float odd : {kInf, -kInf, std::nanf(""), 1e-42f, 3e38f, -3e38f}) {
    std::vector<float> row(512, 1.0f);
    row[3] = odd;
    row[9] = -row[3];
    EXPECT_EQ(quantised(GetParam(), row, 256).size(), row_bytes(GetParam(), 512));
    std::fill(row.begin(), row.end(), odd);
    EXPECT_EQ(quantised(GetParam(), row, 256).size(), row_bytes(GetParam(), 512));
  }
}

TEST_P(WrittenFormat, RefusesSizesThatDoNotBelongTogether) {
  const size_t bytes = row_bytes(GetParam(), 512);
  std::vector<float> values(512);
  std::vector<std::byte> out(bytes + 1);
  EXPECT_NO_THROW(quantize_rows(GetParam(), values, 256, std::span(out).first(bytes)));
  EXPECT_NO_THROW(quantize_rows(GetParam(), {}, 256, {}));
  EXPECT_THROW(quantize_rows(GetParam(), values, 256, out), Error);
  EXPECT_THROW(quantize_rows(GetParam(), values, 256, std::span(out).first(bytes - 1)), Error);
  EXPECT_THROW(quantize_rows(GetParam(), values, 0, std::span(out).first(bytes)), Error);
  EXPECT_THROW(quantize_rows(GetParam(), values, -256, std::span(out).first(bytes)), Error);
  EXPECT_THROW(quantize_rows(GetParam(), values, 768, std::span(out).first(bytes)), Error);
  if (is_block_format(GetParam())) {
    EXPECT_THROW(quantize_rows(GetParam(), values, 16, std::span(out).first(bytes)), Error);
  }
}

TEST_P(WrittenFormat, NamesTheFirstValueThatItCannotHold) {
  std::vector<float> values(9000, -60000.0f);
  EXPECT_EQ(find_unstorable(GetParam(), values), std::nullopt);
  values[8000] = -kInf;
  values[8001] = kInf;
  EXPECT_EQ(find_unstorable(GetParam(), values), 8000u);
  values[5000] = std::nanf("");
  EXPECT_EQ(find_unstorable(GetParam(), values), 5000u);
}

INSTANTIATE_TEST_SUITE_P(Legacy, WrittenFormat, testing::ValuesIn(kLegacy), case_name);
INSTANTIATE_TEST_SUITE_P(Searched, WrittenFormat, testing::ValuesIn(kSearched), case_name);

TEST(QuantizeRows, HalvesAreThoseOfTheScalarConversions) {
  std::vector<float> values;
  for (uint32_t high = 0; high < 0x10000; ++high) {
    for (const uint32_t low :
         {0u, 1u, 0x0fffu, 0x1000u, 0x1001u, 0x7fffu, 0x8000u, 0x8001u, 0xf000u, 0xffffu})
      values.push_back(std::bit_cast<float>(high << 16 | low));
  }
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const std::string blocks = quantised(dtype, values, static_cast<int64_t>(values.size()));
    for (size_t i = 0; i < values.size(); ++i) {
      uint16_t seen;
      std::memcpy(&seen, blocks.data() + 2 * i, sizeof seen);
      ASSERT_EQ(seen, dtype == DType::kF16 ? f16_from_f32(values[i]) : bf16_from_f32(values[i])) << values[i];
    }
  }
}

TEST(QuantizeRows, RefusesTypesItCannotWrite) {
  std::vector<float> values(256);
  std::vector<std::byte> out(256);
  EXPECT_THROW(quantize_rows(DType::kI8, values, 256, out), Error);
  EXPECT_FALSE(can_quantize_to(DType::kI8));
  EXPECT_FALSE(can_quantize_to(DType::kUndefined));
  EXPECT_TRUE(can_quantize_to(DType::kQ4_K));
}

TEST(FindUnstorable, KnowsTheLargestNumberOfEachType) {
  const auto finds = [](DType dtype, float value) { return find_unstorable(dtype, {&value, 1}).has_value(); };
  EXPECT_FALSE(finds(DType::kF16, 65519.996f));  // rounds to 65504
  EXPECT_TRUE(finds(DType::kF16, -65520.0f));
  EXPECT_FALSE(finds(DType::kBF16, 3.3895e38f));
  EXPECT_TRUE(finds(DType::kBF16, 3.4e38f));
  EXPECT_FALSE(finds(DType::kF32, 3.4e38f));
  EXPECT_FALSE(finds(DType::kQ4_K, 65504.0f));
  EXPECT_TRUE(finds(DType::kQ4_K, 65504.01f));
  EXPECT_FALSE(finds(DType::kMXFP4, 3.4e38f));
}

}  // namespace
}  // namespace oag
