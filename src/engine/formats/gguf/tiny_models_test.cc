#include "tests/tiny_models.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/npy.h"

namespace oag::test {
namespace {

// Reader, decoder, encoder and writer together: from the bf16 model to the very bytes that gguf-py wrote.
TEST(TinyModels, EveryDerivedFileEqualsTheOneThatGgufPyWrote) {
  std::istringstream lines(read_file(tiny_models_folder() / "derived_hashes.txt"));
  std::string model, type, hash;
  int count = 0;
  while (lines >> model >> type >> hash) {
    EXPECT_NO_THROW(EXPECT_TRUE(std::filesystem::exists(tiny_model(model, type)))) << model << " " << type;
    ++count;
  }
  EXPECT_EQ(count, 25);
}

TEST(TinyModels, UnknownModelsAndTypesAreErrors) {
  EXPECT_THROW(tiny_model("llama", "q9_9"), std::runtime_error);
  EXPECT_THROW(tiny_model("none", "f32"), std::runtime_error);
}

TEST(TinyModels, StoredModelsOpenAndTheirReferencesHaveTheShapesOfTheReadme) {
  for (const char* model : {"llama", "llama3", "qwen2", "qwen3", "glm4", "glm"}) {
    EXPECT_EQ(GgufFile::open(tiny_model(model, "bf16"))->tensor("token_embd.weight").dtype, DType::kBF16);
    for (const char* name : {"text", "one", "long"}) {
      const std::filesystem::path stem = tiny_models_folder() / model / "ref" / name;
      EXPECT_GE(load_npy<int32_t>(stem.string() + ".input_ids.npy").values.size(), 1u);
      EXPECT_EQ(load_npy<int32_t>(stem.string() + ".tokens.npy").shape, (std::vector<int64_t>{8}));
      EXPECT_EQ(load_npy<float>(stem.string() + ".step_logits.npy").shape, (std::vector<int64_t>{8, 512}));
    }
  }
  for (const char* type : {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k"}) {
    const auto file = GgufFile::open(tiny_model("llama_k", type));
    EXPECT_EQ(dtype_name(file->tensor("blk.0.attn_q.weight").dtype), type);
  }
}

}  // namespace
}  // namespace oag::test
