// A tiny BERT encoder against sentence-transformers, see tests/data/bert/README.md.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "api/backends.h"
#include "base/error.h"
#include "llm/bundle/bundle.h"
#include "llm/generate/text_embedder.h"
#include "service/hub/huggingface_selection.h"
#include "tests/hugging_face_folder.h"

namespace oag::test {
namespace {

constexpr double kTolerance = 1e-5;

std::filesystem::path bert_data() {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "bert";
}

// The files of the model in a folder of the test's own.
std::filesystem::path bert_folder(const std::string& name) {
  const std::filesystem::path folder = fresh_folder("bert_" + name);
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy_file(bert_data() / file, folder / file);
  return folder;
}

void write_modules(const std::filesystem::path& folder, const char* pooling, bool normalises) {
  Json modules = {{{"path", ""}, {"type", "sentence_transformers.models.Transformer"}},
                  {{"path", "1_Pooling"}, {"type", "sentence_transformers.models.Pooling"}}};
  if (normalises)
    modules.push_back({{"path", "2_Normalize"}, {"type", "sentence_transformers.models.Normalize"}});
  write_test_file(folder / "modules.json", modules.dump());
  std::filesystem::create_directories(folder / "1_Pooling");
  Json config = {{"word_embedding_dimension", 32}};
  for (const char* mode : {"pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_max_tokens"})
    config[mode] = std::string_view(mode) == pooling;
  write_test_file(folder / "1_Pooling" / "config.json", config.dump());
  write_test_file(folder / "sentence_bert_config.json", R"({"max_seq_length": 24})");
}

std::shared_ptr<Runtime> two_threads() {
  return std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", 2});
}

void expect_vectors(const TextEmbedder& embedder, const char* key) {
  double largest = 0;
  const Json cases = read_test_json(bert_data() / "vectors.json");
  ASSERT_EQ(cases.size(), 20u);
  for (const Json& one : cases) {
    const auto text = one.at("text").get<std::string>();
    const auto expected = one.at(key).get<std::vector<float>>();
    Embedding embedding;
    ASSERT_EQ(embedder.embed(text, RunControl(), embedding), RunState::kDone);
    EXPECT_EQ(embedding.tokens, one.at("tokens").get<int64_t>()) << text;
    ASSERT_EQ(embedding.values.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      largest = std::max(largest, std::fabs(double{embedding.values[i]} - double{expected[i]}));
  }
  EXPECT_LE(largest, kTolerance);
  fmt::print("largest difference of a value: {:.1e}\n", largest);
}

TEST(BertEncoder, GivesTheVectorsOfSentenceTransformersForBothPoolings) {
  for (const auto& [pooling, normalises, key] : {std::tuple("pooling_mode_mean_tokens", true, "mean"),
                                                 std::tuple("pooling_mode_cls_token", false, "cls")}) {
    const std::filesystem::path folder = bert_folder(key);
    write_modules(folder, pooling, normalises);
    expect_vectors(TextEmbedder(two_threads(), load_encoder_bundle(folder)), key);
  }
}

TEST(BertEncoder, GivesTheSameVectorsFromThePartOfARepositoryThatAPullTakes) {
  const std::filesystem::path source = bert_folder("source"), pulled = fresh_folder("bert_pulled");
  write_modules(source, "pooling_mode_cls_token", false);
  write_test_file(source / "modules.json",
                  R"([{"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "pooler", "type": "sentence_transformers.models.Pooling"}])");
  std::filesystem::rename(source / "1_Pooling", source / "pooler");
  std::vector<HubFile> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source)) {
    if (entry.is_regular_file()) files.push_back({entry.path().lexically_relative(source).string()});
  }
  for (const HubFile& file : select_model(files, {}, "source").files) {
    std::filesystem::create_directories((pulled / file.path).parent_path());
    std::filesystem::copy_file(source / file.path, pulled / file.path);
  }
  EXPECT_EQ(load_encoder_bundle(pulled)->max_tokens, load_encoder_bundle(source)->max_tokens);
  expect_vectors(TextEmbedder(two_threads(), load_encoder_bundle(pulled)), "cls");
}

TEST(BertEncoder, WithoutModulesPoolsTheMeanAtLengthOneAndCutsWhereItIsTold) {
  const auto bundle = load_encoder_bundle(bert_data());
  EXPECT_EQ(bundle->max_tokens, 48);
  expect_vectors(TextEmbedder(two_threads(), bundle, 24), "mean");
  for (const int64_t tokens : {2, 49})
    EXPECT_THROW(TextEmbedder(two_threads(), bundle, tokens), Error) << tokens;
}

TEST(BertTokenizer, JoinsPiecesToWordsAgain) {
  const auto tokenizer = load_tokenizer(bert_data());
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("The Naïve phone's apps")), "the naive phone ' s apps");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("tap , wait [MASK] .", {.add_special = false}), false),
            "tap, wait [MASK].");
}

// --- what is not a model of this kind

std::string refusal(const std::filesystem::path& folder) {
  try {
    load_encoder_bundle(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(BertEncoder, OtherModelsPoolingsAndVariantsAreRefusedInOneLine) {
  const std::tuple<const char*, Json, const char*> changes[] = {
      {"model_type", "llama", "is no text encoder that is known; known: bert"},
      {"hidden_act", "gelu_new", "hidden_act is \"gelu_new\", known: gelu"},
      {"position_embedding_type", "relative_key", "known: absolute"},
      {"is_decoder", true, "is_decoder"},
      {"num_attention_heads", 5, "does not divide hidden_size 32"},
      {"vocab_size", 20, "the embedding only 20 rows"},
      {"num_hidden_layers", 1, "stands in layer 1, counted from 0"},
      {"layer_norm_eps", 0, "layer_norm_eps is not above 0"},
      {"intermediate_size", 63, "is [64, 32], expected [63, 32]"}};
  for (const auto& [key, value, words] : changes) {
    const std::filesystem::path folder = bert_folder("changed");
    Json config = read_test_json(folder / "config.json");
    config[key] = value;
    write_test_file(folder / "config.json", config.dump());
    std::string line = refusal(folder);
    if (line == "accepted") {
      try {
        TextEmbedder(two_threads(), load_encoder_bundle(folder));
      } catch (const Error& error) {
        line = error.what();
      }
    }
    EXPECT_NE(line.find(words), std::string::npos) << key << ": " << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
  }
  const std::filesystem::path folder = bert_folder("pooling");
  write_modules(folder, "pooling_mode_max_tokens", true);
  EXPECT_NE(refusal(folder).find("is \"max_tokens\", known: mean, cls"), std::string::npos)
      << refusal(folder);
  try {
    load_bundle(bert_data());
    FAIL() << "an encoder was taken for a language model";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("oag embed"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace oag::test
