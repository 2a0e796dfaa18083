// Where a model first parts from transformers: its intermediate values in the order in which they are
// computed, against tests/data/hugging_face/<model>/layers.
#include <gtest/gtest.h>

#include <numeric>

#include "api/backends.h"
#include "llm/generate/model_runner.h"
#include "tests/golden/model_probe.h"
#include "tests/golden/value_keeper.h"
#include "tests/hugging_face_folder.h"
#include "tests/npy.h"

namespace oag::test {
namespace {

constexpr double kTolerance = 1e-4;

// What the engine calls a value of the reference.
std::vector<std::pair<std::string, std::string>> value_names(int64_t layers) {
  std::vector<std::pair<std::string, std::string>> names = {
      {"embed", "token_embd"},
      {"layer0.input_norm", "blk.0.attn_norm"},
      {"layer0.q_proj", "blk.0.attn_q"},
      {"layer0.k_proj", "blk.0.attn_k"},
      {"layer0.v_proj", "blk.0.attn_v"},
      {"layer0.o_proj", "blk.0.attn_output"},
      {"layer0.post_self_attn_layernorm", "blk.0.post_attention_norm"},
      {"layer0.mlp", "blk.0.ffn_down"},
      {"layer0.post_mlp_layernorm", "blk.0.post_ffw_norm"},
  };
  for (int64_t i = 0; i < layers; ++i)
    names.emplace_back(fmt::format("layer{}.out", i), fmt::format("add.{}", 2 * i + 1));
  return names;
}

// Runs case text and names the first value that is not the reference's; empty when all are.
std::string first_difference(const std::filesystem::path& folder, const std::string& model) {
  const ModelBundle bundle = load_bundle(folder);
  ModelRunner runner(std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", 2}), bundle,
                     {.context_tokens = 64, .cache_dtype = DType::kF32});
  ValueKeeper keeper(runner.session().program().graph);
  runner.observe(&keeper);
  const auto prompt = load_npy<int32_t>(tiny_models_folder() / model / "ref" / "text.input_ids.npy").values;
  std::vector<int32_t> pages(static_cast<size_t>(runner.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const SequenceStep step{prompt, 0, pages, static_cast<int64_t>(prompt.size()) - 1};
  Tensor logits;
  EXPECT_EQ(runner.step(std::span(&step, 1), RunControl(), logits), RunState::kDone);
  size_t compared = 0;
  for (const auto& [reference, value] : value_names(bundle.config.layers)) {
    const std::filesystem::path path = hugging_face_data() / model / "layers" / (reference + ".npy");
    if (!std::filesystem::exists(path)) continue;
    const auto expected = load_npy<float>(path).values;
    const auto found = keeper.values.find(value);
    if (found == keeper.values.end() || found->second.size() != expected.size())
      return reference + ", which was not computed";
    if (!(largest_difference(found->second, expected) <= kTolerance)) return reference;
    ++compared;
  }
  const auto files = std::filesystem::directory_iterator(hugging_face_data() / model / "layers");
  EXPECT_EQ(compared, static_cast<size_t>(std::distance(begin(files), end(files))));
  return "";
}

class FirstDifference : public ::testing::TestWithParam<const char*> {};

TEST_P(FirstDifference, NoIntermediateValuePartsFromTransformers) {
  EXPECT_EQ(first_difference(hugging_face_folder(GetParam()), GetParam()), "");
}

TEST_P(FirstDifference, NamesTheWeightThatWasSpoiled) {
  const HuggingFaceConfig config = read_hugging_face_config(
      read_test_json(hugging_face_data() / GetParam() / "config.json"), "config.json");
  for (const auto& [tensor, value] : {std::pair("model.layers.0.self_attn.v_proj.weight", "layer0.v_proj"),
                                      std::pair("model.layers.1.mlp.down_proj.weight", "layer1.out")}) {
    const std::filesystem::path folder = fresh_folder("spoiled");
    copy_small_files(GetParam(), folder);
    MadeTensors tensors = made_tensors(GetParam(), config, DType::kF32);
    tensors.at(tensor).bytes[3] ^= std::byte{0x80};  // the sign of the first value
    write_weights(folder, tensors);
    EXPECT_EQ(first_difference(folder, GetParam()), value);
  }
}

INSTANTIATE_TEST_SUITE_P(All, FirstDifference, ::testing::Values("qwen3", "glm4"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace oag::test
