#include "cli/model_case.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"

namespace oag::cli {
namespace {

namespace fs = std::filesystem;

class ModelCases : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("oag_model_case_test." + std::to_string(::getpid()) + "." +
                                         testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& file, const std::string& text = "") {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::vector<ModelCase> find(const std::vector<fs::path>& folders, const fs::path& manifest = {}) {
    return find_model_cases({folders, manifest, {0.5, 0.25}});
  }

  fs::path root_;
};

template <typename Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST_F(ModelCases, AreFoundAtAnyDepthInOrderAndOnce) {
  for (const char* name : {"node/b", "node/a", "z", "broken"})
    write(fs::path(name) / "test_data_set_0/output_0.pb");
  for (const char* name : {"node/b", "node/a", "z"}) write(fs::path(name) / "model.onnx");
  const auto cases = find({root_, root_ / "node/a"});
  ASSERT_EQ(cases.size(), 4u);
  EXPECT_EQ(cases[0].name, "broken");  // data without a model is a case too, which will fail
  EXPECT_EQ(cases[1].name, "node/a");
  EXPECT_EQ(cases[2].name, "node/b");
  EXPECT_EQ(cases[3].name, "z");
  EXPECT_EQ(find({root_ / "node/a/"})[0].name, "a");
  EXPECT_EQ(cases[0].tolerance.relative, 0.5);
  EXPECT_EQ(cases[0].tolerance.absolute, 0.25);
}

TEST_F(ModelCases, TakeWhatTheNearestManifestSays) {
  write("s/node/a/model.onnx");
  write("s/node/b/model.onnx");
  write("s/manifest.json",
        R"({"cases": [{"dir": "node/a", "kind": "node", "rtol": 2, "atol": 0, "random": true}]})");
  write("manifest.json", R"({"cases": [{"dir": "s/node/b", "kind": "far"}]})");
  const auto cases = find({root_ / "s"});
  EXPECT_EQ(cases[0].kind, "node");
  EXPECT_EQ(cases[0].tolerance.relative, 2);
  EXPECT_EQ(cases[0].tolerance.absolute, 0);
  EXPECT_FALSE(cases[0].tolerance.values);
  EXPECT_EQ(cases[1].kind, "");
  EXPECT_EQ(cases[1].tolerance.relative, 0.5);
  EXPECT_EQ(find({root_ / "s"}, root_ / "manifest.json")[1].kind, "far");
}

TEST_F(ModelCases, OfAManifestThatIsElsewhereAreFoundByTheEndOfTheirPath) {
  write("moved/node/a/model.onnx");
  write("m.json", R"({"cases": [{"dir": "node/a", "kind": "node"}]})");
  EXPECT_EQ(find({root_ / "moved"}, root_ / "m.json")[0].kind, "node");
}

TEST_F(ModelCases, BrokenManifestsAndEmptyFoldersAreNamed) {
  write("a/model.onnx");
  EXPECT_NE(refusal([&] { find({root_ / "nowhere"}); }).find("nowhere: is not there"), std::string::npos);
  fs::create_directories(root_ / "empty");
  EXPECT_NE(refusal([&] { find({root_ / "empty"}); }).find("holds no case"), std::string::npos);
  for (const char* bad : {"[", "{}", R"({"cases": [1]})", R"({"cases": [{"dir": "a", "rtol": "x"}]})",
                          R"({"cases": [{"dir": "a", "atol": -1}]})", R"({"cases": [{"dir": 3}]})"}) {
    write("manifest.json", bad);
    EXPECT_NE(refusal([&] { find({root_ / "a"}); }).find("manifest.json"), std::string::npos) << bad;
  }
}

TEST_F(ModelCases, DataSetsAndTheirFilesAreInOrderOfTheirNumbers) {
  write("a/model.onnx");
  for (const char* file :
       {"test_data_set_10/output_0.pb", "test_data_set_9/output_0.pb", "test_data_set_9/input_0.pb",
        "test_data_set_9/input_1.pb", "test_data_set_9/readme.txt"}) {
    write(fs::path("a") / file);
  }
  const auto sets = data_sets_of(find({root_})[0]);
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].name, "test_data_set_9");
  EXPECT_EQ(sets[0].inputs.size(), 2u);
  EXPECT_EQ(sets[1].outputs.size(), 1u);
}

TEST_F(ModelCases, GapsInADataSetAreRefused) {
  write("a/model.onnx");
  EXPECT_NE(refusal([&] { data_sets_of(find({root_})[0]); }).find("has no folder test_data_set_0"),
            std::string::npos);
  write("a/test_data_set_0/input_0.pb");
  EXPECT_NE(refusal([&] { data_sets_of(find({root_})[0]); }).find("has no output_0.pb"), std::string::npos);
  write("a/test_data_set_0/output_1.pb");
  EXPECT_NE(refusal([&] { data_sets_of(find({root_})[0]); }).find("has output_1.pb but no output_0.pb"),
            std::string::npos);
}

}  // namespace
}  // namespace oag::cli
