#include "llm/generate/prefix_cache.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

PageContent page(TokenId first) {
  return {{first, first + 1, first + 2}, {}};
}

TEST(PrefixCache, FindsAPageBehindItsOwnPrefixAlone) {
  PrefixCache cache;
  auto* const root = cache.open("");
  auto* const a = cache.insert(root, page(1), 10);
  auto* const b = cache.insert(a, page(2), 11);
  EXPECT_EQ(cache.find(root, page(1)), a);
  EXPECT_EQ(cache.find(a, page(2)), b);
  EXPECT_EQ(cache.find(root, page(2)), nullptr);
  EXPECT_EQ(cache.find(b, page(1)), nullptr);
  EXPECT_EQ(PrefixCache::page(b), 11);
  cache.release(b);
}

TEST(PrefixCache, SaltsHaveNothingInCommon) {
  PrefixCache cache;
  auto* const mine = cache.open("mine");
  auto* const node = cache.insert(mine, page(1), 3);
  auto* const yours = cache.open("yours");
  EXPECT_EQ(cache.find(yours, page(1)), nullptr);
  EXPECT_EQ(cache.root(""), nullptr);
  cache.release(yours);
  EXPECT_EQ(cache.root("yours"), nullptr);  // nothing is under it
  cache.release(node);
  EXPECT_EQ(cache.find(cache.root("mine"), page(1)), node);
  EXPECT_EQ(cache.evict(), 3);
  EXPECT_EQ(cache.root("mine"), nullptr);
}

TEST(PrefixCache, KeepsWhatIsHeldAndGivesUpTheLeastRecentlyUsedLeaf) {
  PrefixCache cache;
  auto* const a = cache.insert(cache.open(""), page(1), 1);
  auto* const b = cache.insert(a, page(2), 2);
  cache.open("");
  cache.hold(a);
  auto* const c = cache.insert(a, page(3), 3);
  EXPECT_EQ(cache.evict(), -1);
  cache.release(b);
  EXPECT_EQ(cache.unused_pages(), 1);  // a is held with c
  cache.release(c);
  EXPECT_EQ(cache.unused_pages(), 3);
  cache.open("");
  cache.hold(a);
  cache.hold(b);  // used again, so c goes first
  cache.release(b);
  EXPECT_EQ(cache.evict(), 3);
  EXPECT_EQ(cache.evict(), 2);
  EXPECT_EQ(cache.evict(), 1);
  EXPECT_EQ(cache.evict(), -1);
  EXPECT_EQ(cache.root(""), nullptr);
}

// Two contents with one hash, made by undoing in a picture's bits what tokens did to the hash. Where the hash
// is computed differently the first expectation fails.
TEST(PrefixCache, ContentsWithTheSameHashAreTwo) {
  const auto state_behind = [](TokenId id) {
    uint64_t hash = (uint64_t{1} ^ static_cast<uint64_t>(id)) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
  };
  const PageContent a = {{5}, {{0, 0, 1, {77, 1}, 1, 1}}};
  const PageContent b = {{6}, {{0, 0, 1, {77 ^ state_behind(5) ^ state_behind(6), 1}, 1, 1}}};
  ASSERT_EQ(content_hash(a), content_hash(b));
  PrefixCache cache;
  auto* const node = cache.insert(cache.open(""), a, 1);
  EXPECT_EQ(cache.find(cache.root(""), b), nullptr);
  auto* const other = cache.insert(cache.open(""), b, 2);
  EXPECT_EQ(cache.find(cache.root(""), a), node);
  EXPECT_EQ(cache.find(cache.root(""), b), other);
  cache.release(node);
  cache.release(other);
}

TEST(PrefixCache, EveryPartOfAPictureCounts) {
  const PageContent whole = {{9, 9}, {{0, 0, 2, {1, 2}, 1, 2}}};
  PrefixCache cache;
  auto* const node = cache.insert(cache.open(""), whole, 1);
  const PagePicture others[] = {{1, 0, 1, {1, 2}, 1, 2}, {0, 1, 2, {1, 2}, 1, 2}, {0, 0, 1, {1, 2}, 1, 2},
                                {0, 0, 2, {3, 2}, 1, 2}, {0, 0, 2, {1, 3}, 1, 2}, {0, 0, 2, {1, 2}, 2, 2},
                                {0, 0, 2, {1, 2}, 1, 3}};
  for (const PagePicture& other : others) EXPECT_EQ(cache.find(cache.root(""), {{9, 9}, {other}}), nullptr);
  EXPECT_EQ(cache.find(cache.root(""), {{9, 9}, {}}), nullptr);
  EXPECT_EQ(cache.find(cache.root(""), whole), node);
  cache.release(node);
}

}  // namespace
}  // namespace oag
