#include "engine/formats/gguf/quant_recipe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "engine/tensor/quantize.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

struct GoldenTensor {
  std::string name;
  DType source;
  std::vector<int64_t> dims;
  std::vector<std::string> types;  // per recipe, "-" where there is no golden
};

struct Golden {
  QuantModel model;
  std::vector<QuantRecipe> recipes;
  std::vector<GoldenTensor> tensors;
};

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

Golden load(const fs::path& path) {
  Golden golden;
  std::istringstream in(read_file(path));
  std::string line;
  std::getline(in, line);
  std::istringstream facts(line);
  facts >> golden.model.layers >> golden.model.heads >> golden.model.kv_heads >> golden.model.experts;
  std::getline(in, line);
  for (const std::string& name : words(line)) golden.recipes.push_back(quant_recipe_from_name(name));
  while (std::getline(in, line)) {
    std::vector<std::string> parts = words(line);
    GoldenTensor tensor = {parts.at(0), *dtype_from_name(parts.at(1)), {}, {parts.begin() + 3, parts.end()}};
    std::istringstream dims(parts.at(2));
    for (std::string dim; std::getline(dims, dim, 'x');) tensor.dims.push_back(std::stoll(dim));
    golden.tensors.push_back(std::move(tensor));
  }
  return golden;
}

std::vector<QuantTensor> views(const std::vector<GoldenTensor>& tensors) {
  std::vector<QuantTensor> list;
  for (const GoldenTensor& tensor : tensors) list.push_back({tensor.name, tensor.source, tensor.dims});
  return list;
}

class QuantRecipeGolden : public testing::TestWithParam<const char*> {};

TEST_P(QuantRecipeGolden, EveryTensorGetsTheTypeThatLlamaQuantizeChooses) {
  const Golden golden =
      load(fs::path(OAG_SOURCE_DIR) / "tests/data/quant_recipes" / (std::string(GetParam()) + ".txt"));
  const std::vector<QuantTensor> tensors = views(golden.tensors);
  ASSERT_FALSE(tensors.empty());
  for (size_t r = 0; r < golden.recipes.size(); ++r) {
    const std::vector<DType> types = choose_types(golden.recipes[r], golden.model, tensors);
    ASSERT_EQ(types.size(), tensors.size());
    for (size_t i = 0; i < types.size(); ++i) {
      const std::string& expected = golden.tensors[i].types.at(r);
      if (expected == "-") continue;
      EXPECT_EQ(dtype_name(types[i]), expected)
          << quant_recipe_info(golden.recipes[r]).name << " " << golden.tensors[i].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, QuantRecipeGolden,
                         testing::Values("smollm2", "glm4v", "glm4v_mmproj", "glm4", "glm", "llama_k",
                                         "qwen3", "grouped_40", "grouped_80", "experts_4", "experts_8"),
                         [](const auto& info) { return std::string(info.param); });

TEST(QuantRecipe, EveryRecipeIsFoundByItsNameAndWritesTypesThatExist) {
  std::set<uint32_t> file_types;
  for (const QuantRecipeInfo& info : quant_recipes()) {
    EXPECT_EQ(quant_recipe_from_name(info.name), info.recipe);
    EXPECT_EQ(&quant_recipe_info(info.recipe), &info);
    EXPECT_TRUE(can_quantize_to(info.base)) << info.name;
    file_types.insert(info.file_type);
  }
  EXPECT_EQ(file_types.size(), quant_recipes().size());
  EXPECT_EQ(quant_recipe_from_name("Q4_K_M"), QuantRecipe::kQ4_K_M);
  EXPECT_EQ(quant_recipe_from_name("q5_k"), QuantRecipe::kQ5_K_M);
  EXPECT_EQ(quant_recipe_from_name("mxfp4"), QuantRecipe::kMXFP4_MoE);
}

TEST(QuantRecipe, AnUnknownNameIsRefusedWithTheList) {
  try {
    quant_recipe_from_name("q4_k_xl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("q4_k_m"), std::string::npos);
  }
}

TEST(QuantRecipe, VectorsBecomeF32ConvolutionsStayF16AndIntegersStay) {
  const std::vector<int64_t> vector = {512}, convolution = {64, 3, 14, 14}, matrix = {512, 512};
  const std::vector<QuantTensor> tensors = {{"output_norm.weight", DType::kBF16, vector},
                                            {"blk.0.attn_q.bias", DType::kF16, vector},
                                            {"v.patch_embd.weight", DType::kF16, convolution},
                                            {"v.patch_embd.weight.1", DType::kBF16, convolution},
                                            {"v.position_embd.weight", DType::kF16, matrix},
                                            {"blk.0.ids.weight", DType::kI32, matrix},
                                            {"mm.up.weight", DType::kBF16, matrix}};
  const std::vector<DType> expected = {DType::kF32, DType::kF32, DType::kF16, DType::kF32,
                                       DType::kF16, DType::kI32, DType::kQ4_K};
  EXPECT_EQ(choose_types(QuantRecipe::kQ4_K_S, {}, tensors), expected);
}

// The 9B model: ffn_down has rows of 13696 = 53.5 * 256 values.
TEST(QuantRecipe, RowsThatBlocksDoNotFitGetSmallerBlocksAndOddRowsF16) {
  const std::vector<int64_t> down = {4096, 13696}, odd = {64, 100};
  const std::vector<QuantTensor> tensors = {{"blk.0.ffn_down.weight", DType::kBF16, down},
                                            {"blk.5.ffn_down.weight", DType::kBF16, down},
                                            {"blk.0.attn_q.weight", DType::kBF16, odd}};
  const QuantModel model = {40, 32, 2, 0};
  const auto types = [&](QuantRecipe recipe) { return choose_types(recipe, model, tensors); };
  EXPECT_EQ(types(QuantRecipe::kQ4_K_M), (std::vector{DType::kQ8_0, DType::kQ5_0, DType::kF16}));
  EXPECT_EQ(types(QuantRecipe::kQ5_K_M), (std::vector{DType::kQ8_0, DType::kQ5_1, DType::kF16}));
  EXPECT_EQ(types(QuantRecipe::kQ2_K), (std::vector{DType::kQ4_0, DType::kQ4_0, DType::kF16}));
  EXPECT_EQ(types(QuantRecipe::kIQ4_XS), (std::vector{DType::kQ5_1, DType::kIQ4_NL, DType::kF16}));
  EXPECT_EQ(types(QuantRecipe::kQ8_0), (std::vector{DType::kQ8_0, DType::kQ8_0, DType::kF16}));
}

}  // namespace
}  // namespace oag
