#include "service/hub/huggingface_selection.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

using Names = std::vector<std::string>;

std::vector<HubFile> files(const Names& paths) {
  std::vector<HubFile> out;
  for (const std::string& path : paths) out.push_back({path, 1, "", false});
  return out;
}

Names taken(const Names& paths, const SelectionOptions& options = {}) {
  Names out;
  for (const HubFile& file : select_model(files(paths), options, "repo").files) out.push_back(file.path);
  std::sort(out.begin(), out.end());
  return out;
}

Error refusal(const Names& paths, const SelectionOptions& options = {}) {
  try {
    select_model(files(paths), options, "repo");
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error;
  }
  ADD_FAILURE() << "a model was selected";
  return Error(ErrorCode::kInternal, "", "");
}

TEST(Selection, TakesOneCopyOfTheWeightsAndWhatBelongsToThem) {
  EXPECT_EQ(taken({".gitattributes",
                   "README.md",
                   "config.json",
                   "consolidated.safetensors",
                   "chat_template.jinja",
                   "flax_model.msgpack",
                   "generation_config.json",
                   "merges.txt",
                   "model-00001-of-00002.safetensors",
                   "model-00002-of-00002.safetensors",
                   "model.safetensors.index.json",
                   "onnx/model.onnx",
                   "original/consolidated.00.pth",
                   "original/params.json",
                   "preprocessor_config.json",
                   "pytorch_model.bin",
                   "sub/model.safetensors",
                   "tf_model.h5",
                   "tokenizer.json",
                   "tokenizer_config.json",
                   "vocab.json"}),
            (Names{"chat_template.jinja", "config.json", "generation_config.json", "merges.txt",
                   "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                   "model.safetensors.index.json", "preprocessor_config.json", "tokenizer.json",
                   "tokenizer_config.json", "vocab.json"}));
  // Loaders take the single file first.
  EXPECT_EQ(taken({"config.json", "model-00001-of-00001.safetensors", "model.fp16.safetensors",
                   "model.safetensors", "model.safetensors.index.json"}),
            (Names{"config.json", "model.safetensors"}));
  // Folders that modules.json may name, and how long texts may be.
  EXPECT_EQ(taken({"config.json", "weights.safetensors", "1_Pooling/config.json", "pool/config.json",
                   "pool/deeper/config.json", "modules.json", "sentence_bert_config.json"}),
            (Names{"1_Pooling/config.json", "config.json", "modules.json", "pool/config.json",
                   "sentence_bert_config.json", "weights.safetensors"}));
  EXPECT_EQ(taken({"config.json", "weights.safetensors", "onnx/config.json"}),
            (Names{"config.json", "weights.safetensors"}));
}

TEST(Selection, TakesAGgufWithItsPartsAndProjector) {
  const Names repository = {
      "a-Q4_K_M.gguf",    "a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf", "a.UD-IQ2_M.gguf",
      "BF16/a-BF16.gguf", "mmproj-a-f32.gguf",          "mmproj-a-f16.gguf",          "config.json"};
  EXPECT_EQ(taken(repository, {"Q4_K_M", {}, {}}), (Names{"a-Q4_K_M.gguf", "mmproj-a-f16.gguf"}));
  EXPECT_EQ(taken(repository, {"q8_0", {}, {}}),
            (Names{"a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf", "mmproj-a-f16.gguf"}));
  EXPECT_EQ(select_model(files(repository), {"Q8_0", {}, {}}, "repo").model, "a-Q8_0-00001-of-00002.gguf");
  EXPECT_EQ(taken(repository, {"BF16/a-BF16.gguf", {}, {}}),
            (Names{"BF16/a-BF16.gguf", "mmproj-a-f16.gguf"}));
  EXPECT_EQ(taken(repository, {"a-BF16.gguf", {}, {}}), (Names{"BF16/a-BF16.gguf", "mmproj-a-f16.gguf"}));
  EXPECT_EQ(taken({"only.gguf", "README.md"}), (Names{"only.gguf"}));
}

TEST(Selection, NamesTheChoicesWhereSeveralAreMeant) {
  const Error several = refusal({"a-Q4_K_M.gguf", "a-Q8_0.gguf", "mmproj.gguf"});
  EXPECT_EQ(several.code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(several.message().find("a-Q4_K_M.gguf, a-Q8_0.gguf"), std::string::npos) << several.what();
  EXPECT_EQ(several.message().find("mmproj"), std::string::npos);
  const Error none = refusal({"a-Q4_K_M.gguf"}, {"Q5_K_M", {}, {}});
  EXPECT_EQ(none.code(), ErrorCode::kNotFound);
  EXPECT_NE(none.message().find("a-Q4_K_M.gguf"), std::string::npos);
  // The end of a longer word is not the word.
  EXPECT_EQ(refusal({"aQ4_0.gguf"}, {"Q4_0", {}, {}}).code(), ErrorCode::kNotFound);
  EXPECT_EQ(refusal({"a-00001-of-00003.gguf", "a-00003-of-00003.gguf"}).code(), ErrorCode::kNotFound);
}

TEST(Selection, RefusesWhatHoldsNoModel) {
  EXPECT_EQ(refusal({"config.json", "pytorch_model.bin"}).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal({"adapter_model.safetensors", "adapter_config.json"}).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal({}).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal({"mmproj.gguf"}).code(), ErrorCode::kNotFound);
}

TEST(Selection, GlobsReplaceAndReduceTheUsualFiles) {
  const Names repository = {"config.json", "model.safetensors", "onnx/model.onnx", "tokenizer.json"};
  EXPECT_EQ(taken(repository, {"", {"onnx/*"}, {}}), (Names{"onnx/model.onnx"}));
  EXPECT_EQ(taken(repository, {"", {"*.json", "onnx*"}, {"tok*"}}),
            (Names{"config.json", "onnx/model.onnx"}));
  EXPECT_EQ(taken(repository, {"", {}, {"*.safetensors"}}), (Names{"config.json", "tokenizer.json"}));
  EXPECT_EQ(refusal(repository, {"", {"*.bin"}, {}}).code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace oag
