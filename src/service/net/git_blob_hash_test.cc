#include "service/net/git_blob_hash.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

std::string id_of(std::string_view text) {
  GitBlobHash hash(text.size());
  for (const char& c : text) hash.update(std::as_bytes(std::span(&c, 1)));
  return hash.finish();
}

// As `git hash-object --stdin` prints them.
TEST(GitBlobHash, IsTheIdThatGitGives) {
  EXPECT_EQ(id_of(""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(id_of("hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(id_of("test content\n"), "d670460b4b4aece5915caf5c68d12f560a9fe3e4");
}

TEST(GitBlobHash, TellsIdsFromOtherTexts) {
  EXPECT_TRUE(is_git_id("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"));
  EXPECT_FALSE(is_git_id("E69DE29BB2D1D6434B8B29AE775AD8C2E48C5391"));
  EXPECT_FALSE(is_git_id("e69de29bb2d1d6434b8b29ae775ad8c2e48c539"));
  EXPECT_FALSE(is_git_id("../../../../../../../../../etc/passwd..."));
}

}  // namespace
}  // namespace oag
