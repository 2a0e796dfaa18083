#include "service/hub/huggingface_settings.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/error.h"
#include "service/net/testing.h"

namespace oag {
namespace {

using testing::ScopedEnvironment;

class HuggingFaceEnvironment : public ::testing::Test {
 protected:
  HuggingFaceEnvironment() {
    for (const char* name :
         {"HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
          "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "XDG_CACHE_HOME"}) {
      unset_.push_back(std::make_unique<ScopedEnvironment>(name, ""));
    }
    unset_.push_back(std::make_unique<ScopedEnvironment>("HOME", folder_.path().string()));
  }

  const testing::TemporaryFolder folder_;
  std::vector<std::unique_ptr<ScopedEnvironment>> unset_;
};

TEST_F(HuggingFaceEnvironment, HasTheDefaultsOfOtherTools) {
  const HuggingFaceSettings settings = huggingface_settings();
  EXPECT_EQ(settings.endpoint, "https://huggingface.co");
  EXPECT_EQ(settings.token, "");
  EXPECT_EQ(settings.cache_folder, folder_ / ".cache/huggingface/hub");
  EXPECT_FALSE(settings.offline);
}

TEST_F(HuggingFaceEnvironment, FindsTheSharedFolder) {
  const ScopedEnvironment xdg("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(huggingface_cache_folder(), "/xdg/huggingface/hub");
  const ScopedEnvironment home("HF_HOME", "~/models");
  EXPECT_EQ(huggingface_cache_folder(), folder_ / "models/hub");
  const ScopedEnvironment cache("HF_HUB_CACHE", "/cache");
  EXPECT_EQ(huggingface_cache_folder(), "/cache");
}

TEST_F(HuggingFaceEnvironment, FindsTheToken) {
  std::filesystem::create_directories(folder_ / ".cache/huggingface");
  testing::write_text(folder_ / ".cache/huggingface/token", "hf_from_file\n");
  EXPECT_EQ(huggingface_settings().token, "hf_from_file");
  {
    const ScopedEnvironment token("HF_TOKEN", " hf_from_environment ");
    EXPECT_EQ(huggingface_settings().token, "hf_from_environment");
  }
  {
    const ScopedEnvironment none("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    EXPECT_EQ(huggingface_settings().token, "");
  }
  const ScopedEnvironment offline("HF_HUB_OFFLINE", "true");
  EXPECT_TRUE(huggingface_settings().offline);
}

TEST_F(HuggingFaceEnvironment, RefusesATokenThatWouldEndItsHeaderLine) {
  const ScopedEnvironment token("HF_TOKEN", "hf_secret\r\nHost: evil");
  try {
    huggingface_settings();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
  }
}

TEST_F(HuggingFaceEnvironment, ChecksTheEndpoint) {
  {
    const ScopedEnvironment good("HF_ENDPOINT", "http://localhost:8080/mirror//");
    EXPECT_EQ(huggingface_settings().endpoint, "http://localhost:8080/mirror");
  }
  for (const char* bad : {"huggingface.co", "ftp://host", "https://host/?x=1", "https://"}) {
    const ScopedEnvironment endpoint("HF_ENDPOINT", bad);
    try {
      huggingface_settings();
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.where(), "HF_ENDPOINT");
      EXPECT_TRUE(error.message().ends_with("expected an address like https://huggingface.co"))
          << error.message();
      EXPECT_EQ(error.message().find(".gguf"), std::string::npos) << error.message();
    }
  }
}

}  // namespace
}  // namespace oag
