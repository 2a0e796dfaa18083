#include "llm/generate/page_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace oag {
namespace {

TEST(PagePool, GivesEachPageToOneOwner) {
  PagePool pool(5);
  std::set<int32_t> all;
  for (int i = 0; i < 5; ++i) all.insert(pool.take());
  EXPECT_EQ(all, (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(pool.free_pages(), 0);
  EXPECT_EQ(pool.take(), -1);
}

TEST(PagePool, GivesOutAgainWhatCameBack) {
  PagePool pool(2);
  const int32_t first = pool.take(), second = pool.take();
  pool.give_back(first);
  EXPECT_EQ(pool.free_pages(), 1);
  EXPECT_EQ(pool.take(), first);
  pool.give_back(second);
  EXPECT_EQ(pool.take(), second);
  EXPECT_EQ(pool.take(), -1);
}

}  // namespace
}  // namespace oag
