#include "service/serve/model_host.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/file.h"
#include "service/net/testing.h"
#include "service/protocol/request_error.h"
#include "tests/tiny_service.h"

namespace oag {
namespace {

using testing::TemporaryFolder;
using testing::tiny_source;

class ModelHostTest : public ::testing::Test {
 protected:
  std::unique_ptr<ModelHost> host(uint64_t budget) const {
    return std::make_unique<ModelHost>(
        runtime_, [](const std::string& source) { return std::filesystem::path(source); }, settings_, budget);
  }

  // What a tiny model needs at least.
  uint64_t least() const {
    return ServedModel::plan(runtime_, tiny_source(), {tiny_source(), "a", "", false}, settings_).least_bytes;
  }

  static ModelSpec tiny(const std::string& name) { return {tiny_source(), name, "", false}; }

  static std::vector<std::string> names(const ModelHost& host) {
    std::vector<std::string> names;
    for (const auto& model : host.models()) names.push_back(model->name());
    return names;
  }

  // The status of the error that `action` ends with.
  static int status_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return problem_of(error).status;
    }
    return 200;
  }

  const std::shared_ptr<Runtime> runtime_ = test::test_runtime();
  ModelSettings settings_;
};

using Names = std::vector<std::string>;

// The tiny model with a chat template: one more key, padded so that the data stay aligned.
std::string with_template(std::string text) {
  std::string whole = read_file(tiny_source(), size_t{1} << 30);
  const auto number = [](auto value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const std::string key = "tokenizer.chat_template";
  const std::string head = number(uint64_t{key.size()}) + key + number(uint32_t{8});
  text += "{#";
  while ((head.size() + 8 + text.size() + 2) % 32 != 0) text += ' ';
  text += "#}";
  uint64_t keys = 0;
  std::memcpy(&keys, whole.data() + 16, sizeof keys);
  return whole.substr(0, 16) + number(keys + 1) + head + number(uint64_t{text.size()}) + text +
         whole.substr(24);
}

TEST_F(ModelHostTest, SharesTheBudgetAmongTheModelsOfTheCommandLine) {
  const auto models = host(2 * least() + 100'000);
  models->load_all({tiny("a"), tiny("b")});
  EXPECT_EQ(names(*models), (Names{"a", "b"}));
}

TEST_F(ModelHostTest, LoadsNothingWhereTheBudgetDoesNotHoldAll) {
  const auto models = host(2 * least() - 1);
  try {
    models->load_all({tiny("a"), tiny("b")});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_EQ(error.where(), "--memory-budget");
  }
  EXPECT_EQ(names(*models), Names{});
}

TEST_F(ModelHostTest, NeverMakesRoomByAModelOfTheCommandLine) {
  const auto models = host(2 * least() - 1);
  models->load_all({tiny("a")});
  EXPECT_EQ(status_of([&] { models->load(tiny("b")); }), 507);
  EXPECT_EQ(names(*models), Names{"a"});
  models->unload("a");
  models->load(tiny("b"));
  EXPECT_EQ(names(*models), Names{"b"});
}

TEST_F(ModelHostTest, MakesRoomByTheModelThatWasUsedLeastRecently) {
  settings_.context_tokens = settings_.cache_tokens = 512;
  const auto models = host(2 * least() + least() / 2);
  models->load(tiny("a"));
  models->load(tiny("b"));
  models->find("a");
  models->load(tiny("c"));
  EXPECT_EQ(names(*models), (Names{"a", "c"}));
}

TEST_F(ModelHostTest, KeepsModelsWhenTheOneToComeIsBroken) {
  TemporaryFolder folder;
  std::ofstream(folder / "broken.gguf") << with_template("{% for %}");
  const auto models = host(least() + least() / 2);
  models->load(tiny("a"));
  EXPECT_EQ(status_of([&] { models->load({(folder / "broken.gguf").string(), "b", "", false}); }), 400);
  EXPECT_EQ(status_of([&] { models->load({"/nowhere", "b", "", false}); }), 404);
  EXPECT_EQ(names(*models), Names{"a"});
}

TEST_F(ModelHostTest, KeepsAModelThatPreparesARequest) {
  const auto models = host(least() + least() / 2);
  models->load(tiny("a"));
  std::shared_ptr<ServedModel> used = models->find("a");
  EXPECT_EQ(status_of([&] { models->unload("a"); }), 409);
  EXPECT_EQ(status_of([&] { models->load(tiny("b")); }), 507);
  used.reset();
  models->load(tiny("b"));
  EXPECT_EQ(names(*models), Names{"b"});
}

TEST_F(ModelHostTest, LeavesRoomForAnotherModel) {
  settings_.parallel = 1024;  // whose contexts take all there is
  const auto models = host(6 * least());
  models->load(tiny("a"));
  models->load(tiny("b"));
  EXPECT_EQ(names(*models), (Names{"a", "b"}));
}

}  // namespace
}  // namespace oag
