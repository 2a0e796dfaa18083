// Tokenizers from tokenizer.json against the tokenizers package, see tests/data/hugging_face/README.md.
#include "llm/text/tokenizer_json.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "llm/text/tokenizer.h"

namespace oag {
namespace {

std::string data_path(const std::string& name, const char* file) {
  return std::string(OAG_SOURCE_DIR) + "/tests/data/hugging_face/tokenizers/" + name + "/" + file;
}

std::string tokenizer_text(const std::string& name) {
  return read_file(data_path(name, "tokenizer.json"));
}

class TokenizerJsonCases : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerJsonCases, GiveTheIdsAndTextOfTokenizers) {
  const auto tokenizer = Tokenizer::create(read_tokenizer_json(tokenizer_text(GetParam()), "tokenizer.json"));
  const std::string path = data_path(GetParam(), "tok_cases.json");
  const Json cases = parse_json(read_file(path), path);
  ASSERT_GE(cases.size(), 25u);
  for (const Json& one : cases) {
    const auto text = one.at("text").get<std::string>();
    const auto ids = one.at("ids").get<std::vector<TokenId>>();
    EXPECT_EQ(tokenizer->encode(text, {.parse_special = true, .add_special = false}), ids) << text;
    EXPECT_EQ(tokenizer->decode(ids, false), one.at("decoded").get<std::string>()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerJsonCases, ::testing::Values("llama", "qwen", "glm", "spm"),
                         [](const auto& info) { return std::string(info.param); });

TEST(TokenizerJson, NamesThePretokenizerAsGgufDoes) {
  EXPECT_EQ(read_tokenizer_json(tokenizer_text("llama"), "t").pre, "smollm");
  EXPECT_EQ(read_tokenizer_json(tokenizer_text("qwen"), "t").pre, "qwen2");
  EXPECT_EQ(read_tokenizer_json(tokenizer_text("glm"), "t").pre, "glm4");
}

TEST(TokenizerJson, TakesBosAndEosFromTheFrameAroundAText) {
  Json json = parse_json(tokenizer_text("spm"), "t");
  const auto special = [](const char* id) { return Json{{"SpecialToken", {{"id", id}, {"type_id", 0}}}}; };
  json["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {special("<s>"), {{"Sequence", {{"id", "A"}}}}, special("</s>")}}};
  const auto tokenizer = Tokenizer::create(read_tokenizer_json(json.dump(), "t"));
  const std::vector<TokenId> ids = tokenizer->encode("a");
  EXPECT_EQ(ids.front(), *tokenizer->find("<s>"));
  EXPECT_EQ(ids.back(), *tokenizer->find("</s>"));
}

struct Broken {
  const char* tokenizer;
  std::function<void(Json&)> change;
  const char* said;
};

TEST(TokenizerJson, RefusesInOneLineWhatItDoesNotKnow) {
  const Broken kBroken[] = {
      {"qwen", [](Json& j) { j["model"].erase("merges"); }, "no merges"},
      {"qwen", [](Json& j) { j["model"]["merges"] = Json::array(); }, "no merges"},
      {"qwen", [](Json& j) { j.erase("model"); }, "no model"},
      {"qwen", [](Json& j) { j["model"]["type"] = "WordPiece"; }, "WordPiece"},
      {"qwen", [](Json& j) { j["model"]["vocab"] = {{"a", 0.5}}; }, "a number with a fraction"},
      {"qwen", [](Json& j) { j["model"]["vocab"] = Json::array({Json::array({"a", -0.5})}); }, "Unigram"},
      {"qwen", [](Json& j) { j["model"]["vocab"]["zz"] = 3; }, "token id 3 is two tokens"},
      {"qwen", [](Json& j) { j["model"]["vocab"]["zz"] = 900000; }, "highest token id is 900000"},
      {"qwen", [](Json& j) { j["model"]["vocab"]["zz"] = "x"; }, "vocab has a text"},
      {"qwen", [](Json& j) { j["model"]["merges"][0] = {"a"}; }, "a list of one"},
      {"qwen", [](Json& j) { j["model"]["merges"][0] = "ab"; }, "merge 0"},
      {"qwen", [](Json& j) { j["model"]["merges"][0] = "a b c"; }, "merge 0, \"a b c\", is no pair"},
      {"qwen", [](Json& j) { j["model"]["merges"][1] = "zz yy"; }, "uses \"zz\", which is no token"},
      {"spm", [](Json& j) { j["model"]["merges"][1] = {"zz", "yy"}; }, "uses \"zz\", which is no token"},
      {"qwen", [](Json& j) { j["normalizer"] = {{"type", "Lowercase"}}; }, "normalizer Lowercase"},
      {"qwen", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+"; }, "\\w+"},
      {"qwen", [](Json& j) { j["pre_tokenizer"] = {{"type", "Whitespace"}}; }, "Whitespace"},
      {"qwen", [](Json& j) { j["post_processor"] = {{"type", "BertProcessing"}}; }, "BertProcessing"},
      {"spm", [](Json& j) { j["normalizer"]["normalizers"][0] = {{"type", "Precompiled"}}; }, "Precompiled"},
      {"spm",
       [](Json& j) {
         j["normalizer"] = Json();
         j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
       },
       "splits"},
  };
  for (const Broken& broken : kBroken) {
    Json json = parse_json(tokenizer_text(broken.tokenizer), "t");
    broken.change(json);
    try {
      Tokenizer::create(read_tokenizer_json(json.dump(), "t"), "t");
      FAIL() << "expected a refusal that says " << broken.said;
    } catch (const Error& error) {
      const std::string line = error.what();
      EXPECT_NE(line.find(broken.said), std::string::npos) << line;
      EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    }
  }
}

}  // namespace
}  // namespace oag
