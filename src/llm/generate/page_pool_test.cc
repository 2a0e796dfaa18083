#include "llm/generate/page_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace oag {
namespace {

TEST(PagePool, GivesEachPageToOneOwner) {
  PagePool pool(5);
  const auto a = pool.allocate(2), b = pool.allocate(3);
  ASSERT_TRUE(a && b);
  std::set<int32_t> all(a->begin(), a->end());
  all.insert(b->begin(), b->end());
  EXPECT_EQ(all, (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(pool.free_pages(), 0);
}

TEST(PagePool, GivesAllOrNothing) {
  PagePool pool(3);
  EXPECT_FALSE(pool.allocate(4));
  EXPECT_EQ(pool.free_pages(), 3);
  const auto pages = pool.allocate(3);
  EXPECT_FALSE(pool.allocate(1));
  pool.release(*pages);
  EXPECT_TRUE(pool.allocate(3));
}

}  // namespace
}  // namespace oag
