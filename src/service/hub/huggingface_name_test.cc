#include "service/hub/huggingface_name.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace oag {
namespace {

TEST(HuggingFaceName, IsReadWithAndWithoutItsPrefix) {
  for (const char* text : {"hf:acme/Tiny-1.5B_x", "acme/Tiny-1.5B_x"}) {
    const auto name = parse_huggingface_name(text);
    ASSERT_TRUE(name) << text;
    EXPECT_EQ(name->repository, "acme/Tiny-1.5B_x");
    EXPECT_EQ(name->revision, "main");
    EXPECT_EQ(name->selector, "");
    EXPECT_EQ(name->text(), "hf:acme/Tiny-1.5B_x");
  }
  const auto full = parse_huggingface_name("hf:acme/tiny@refs/pr/1:sub/file.Q4_K_M.gguf");
  EXPECT_EQ(full->repository, "acme/tiny");
  EXPECT_EQ(full->revision, "refs/pr/1");
  EXPECT_EQ(full->selector, "sub/file.Q4_K_M.gguf");
  EXPECT_EQ(full->text(), "hf:acme/tiny@refs/pr/1");
  EXPECT_EQ(parse_huggingface_name("hf:gpt2")->repository, "gpt2");
}

TEST(HuggingFaceName, OtherTextsAreNone) {
  for (const char* text : {"",         "smollm2", "./model", "a/b/c", "/abs/path",      "../up",    "a/..",
                           "a--b/c",   "a/b--c",  "a/-b",    "a b/c", "a/b@",           "a/b@../x", "a/b:",
                           "a/b:../x", "a/b@-x",  "a/",      "/a",    "https://host/a", "a/b@x\ny"}) {
    EXPECT_FALSE(parse_huggingface_name(text)) << text;
    const std::string prefixed = std::string("hf:") + text;
    if (prefixed == "hf:smollm2") continue;
    EXPECT_THROW(parse_huggingface_name(prefixed), Error) << prefixed;
  }
}

TEST(SafePath, StaysInsideItsFolder) {
  for (const char* path : {"config.json", "a/b/c.txt", "a..b", ".hidden", "ü/x", "a b"}) {
    EXPECT_TRUE(is_safe_path(path)) << path;
  }
  const std::string long_segment(256, 'a');
  std::string long_path = "a";
  while (long_path.size() < 1100) long_path += "/abcdefgh";
  for (const std::string& path :
       {std::string(""), std::string("/etc/passwd"), std::string("../x"), std::string("a/../../x"),
        std::string("a/.."), std::string("a//b"), std::string("a/"), std::string("./a"), std::string("a\\b"),
        std::string("a\0b", 3), std::string("a\nb"), long_segment, long_path}) {
    EXPECT_FALSE(is_safe_path(path)) << path;
  }
}

}  // namespace
}  // namespace oag
