#include "llm/generate/kv_pages.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace oag {
namespace {

constexpr int64_t kPageTokens = 4;
const std::string kNoSalt;

struct Text {
  std::vector<TokenId> tokens;
  std::vector<PromptImage> images = {};
  std::string salt = {};
  SequencePages pages = {};

  SequenceContent content() const { return {tokens, images, salt}; }
};

Text text(int first, int count) {
  Text text;
  for (int i = 0; i < count; ++i) text.tokens.push_back(first + i);
  return text;
}

// Takes pages for all tokens, as if they were computed.
void compute(KvPages& pages, Text& text) {
  ASSERT_TRUE(pages.grow(text.pages, static_cast<int64_t>(text.tokens.size())));
  pages.publish(text.pages, text.content(), static_cast<int64_t>(text.tokens.size()));
}

TEST(KvPages, ASecondPromptTakesOverFullPagesButNeverItsLastToken) {
  KvPages pages(8, kPageTokens, true);
  Text first = text(0, 12), same = text(0, 12), longer = text(0, 14);
  compute(pages, first);
  EXPECT_EQ(pages.match(same.content()).pages, 2);
  EXPECT_EQ(pages.match(same.content()).unused, 0);
  EXPECT_EQ(pages.adopt(same.pages, same.content()), 8);
  EXPECT_EQ(pages.adopt(longer.pages, longer.content()), 12);
  EXPECT_EQ(longer.pages.pages, first.pages.pages);
  pages.release(first.pages);
  EXPECT_EQ(pages.available(), 5);  // longer holds the three
  pages.release(longer.pages);
  pages.release(same.pages);
  EXPECT_EQ(pages.free(), 5);
  EXPECT_EQ(pages.unused(), 3);
  EXPECT_EQ(pages.match(longer.content()).unused, 3);
}

TEST(KvPages, NothingIsSharedWhenSharingIsOff) {
  KvPages pages(8, kPageTokens, false);
  Text first = text(0, 12), same = text(0, 12);
  compute(pages, first);
  EXPECT_EQ(pages.adopt(same.pages, same.content()), 0);
  pages.release(first.pages);
  EXPECT_EQ(pages.free(), 8);
}

TEST(KvPages, PicturesAreSharedByTheirHashAndNotWithoutOne) {
  const auto with_picture = [](uint64_t hash, int rows, int columns) {
    Text text;
    text.tokens = {1, 2, 9, 9, 9, 9, 9, 9, 3, 4, 5, 6, 7};
    text.images = {{2, {1, rows, columns}, {}, {hash, hash}}};
    return text;
  };
  KvPages pages(16, kPageTokens, true);
  Text first = with_picture(1, 2, 3), unknown = with_picture(0, 2, 3);
  compute(pages, first);
  EXPECT_EQ(pages.match(with_picture(1, 2, 3).content()).pages, 3);
  EXPECT_EQ(pages.match(with_picture(2, 2, 3).content()).pages, 0);
  EXPECT_EQ(pages.match(with_picture(1, 3, 2).content()).pages, 0);
  EXPECT_EQ(pages.match(unknown.content()).pages, 0);
  Text tokens_alone = with_picture(1, 2, 3);
  tokens_alone.images.clear();
  EXPECT_EQ(pages.match(tokens_alone.content()).pages, 0);
  compute(pages, unknown);
  EXPECT_EQ(unknown.pages.known, 0);
  pages.release(unknown.pages);
  pages.release(first.pages);
  EXPECT_EQ(pages.free(), 13);
}

TEST(KvPages, WhatTwoComputeAtOnceIsKeptOnce) {
  KvPages pages(8, kPageTokens, true);
  Text a = text(0, 8), b = text(0, 8);
  pages.adopt(a.pages, a.content());
  pages.adopt(b.pages, b.content());
  ASSERT_TRUE(pages.grow(a.pages, 8));
  ASSERT_TRUE(pages.grow(b.pages, 8));
  EXPECT_EQ(pages.free(), 4);
  pages.publish(a.pages, a.content(), 8);
  pages.publish(b.pages, b.content(), 8);
  EXPECT_EQ(a.pages.pages, b.pages.pages);
  EXPECT_EQ(pages.free(), 6);
  pages.release(a.pages);
  EXPECT_EQ(pages.available(), 6);
  pages.release(b.pages);
  EXPECT_EQ(pages.available(), 8);
}

TEST(KvPages, AWaiterMustBeAbleToTakeThePageThatIsBeingFilled) {
  KvPages pages(16, kPageTokens, true);
  Text filler = text(0, 12), same = text(0, 12), shorter = text(0, 4), other = text(50, 12);
  for (Text* each : {&filler, &same, &shorter, &other}) pages.adopt(each->pages, each->content());
  const auto can_wait = [&](const Text& waiter) {
    return pages.can_wait(waiter.pages, waiter.content(), filler.pages, filler.content());
  };
  EXPECT_TRUE(can_wait(same));
  EXPECT_FALSE(can_wait(shorter));  // its last token is in that page
  EXPECT_FALSE(can_wait(other));
  ASSERT_TRUE(pages.grow(filler.pages, 8));
  pages.publish(filler.pages, filler.content(), 8);
  EXPECT_FALSE(can_wait(same));  // it has not taken over what there is
  EXPECT_EQ(pages.adopt(same.pages, same.content()), 8);
  EXPECT_FALSE(can_wait(same));  // what comes now holds its last token
  for (Text* each : {&filler, &same, &shorter, &other}) pages.release(each->pages);
  EXPECT_EQ(pages.available(), 16);
}

// Random work of several sequences with few different tokens. The oracle is what was last written to each
// page: all tokens up to its end.
TEST(KvPages, EveryPageHoldsWhatItsSequenceTakesItFor) {
  constexpr int64_t kPages = 24;
  KvPages pages(kPages, kPageTokens, true);
  std::mt19937 random(7);
  const auto draw = [&](uint32_t bound) { return static_cast<int>(random() % bound); };
  using Written = std::pair<std::string, std::vector<TokenId>>;
  std::vector<Written> written(kPages);
  std::vector<Text> running(5);
  std::vector<int64_t> computed(running.size(), 0);
  int64_t adopted = 0, refused = 0;
  const auto end_of = [](const Text& text, int64_t page) {
    const auto end = std::min<size_t>(static_cast<size_t>((page + 1) * kPageTokens), text.tokens.size());
    return Written{text.salt, {text.tokens.begin(), text.tokens.begin() + static_cast<std::ptrdiff_t>(end)}};
  };
  for (int round = 0; round < 20000; ++round) {
    const auto i = static_cast<size_t>(draw(static_cast<uint32_t>(running.size())));
    Text& text = running[i];
    if (text.tokens.empty()) {
      for (int n = 1 + draw(30); n > 0; --n) text.tokens.push_back(draw(12) == 0 ? 1 : 0);
      text.salt = draw(4) == 0 ? "salt" : "";
      computed[i] = 0;
    }
    const int64_t found = pages.adopt(text.pages, text.content());
    if (found > computed[i]) adopted += found - computed[i], computed[i] = found;
    const auto size = static_cast<int64_t>(text.tokens.size());
    const int64_t next = std::min<int64_t>(size, computed[i] + 1 + draw(6));
    if (draw(40) == 0 || !pages.grow(text.pages, next)) {
      refused += 1;
      pages.release(text.pages);
      text = {};
    } else {
      for (int64_t p = computed[i] / kPageTokens; p * kPageTokens < next; ++p) {
        ASSERT_GE(p, text.pages.known);  // known pages are never written
        Text part = text;
        part.tokens.resize(static_cast<size_t>(next));
        written[static_cast<size_t>(text.pages.pages[static_cast<size_t>(p)])] = end_of(part, p);
      }
      computed[i] = next;
      pages.publish(text.pages, text.content(), next);
      if (next == size && draw(3) == 0) {
        pages.release(text.pages);
        text = {};
      } else if (next == size) {
        text.tokens.push_back(draw(12) == 0 ? 1 : 0);
      }
    }
    std::map<int32_t, int> owners;  // of pages that are not known to the cache
    std::set<int32_t> held;
    for (size_t s = 0; s < running.size(); ++s) {
      const Text& sequence = running[s];
      for (size_t p = 0; p < sequence.pages.pages.size(); ++p) {
        const int32_t page = sequence.pages.pages[p];
        held.insert(page);
        const auto index = static_cast<int64_t>(p);
        if (index >= sequence.pages.known) {
          ASSERT_EQ(++owners[page], 1);
        }
        if ((index + 1) * kPageTokens <= computed[s]) {
          ASSERT_EQ(written[static_cast<size_t>(page)], end_of(sequence, index));
        }
      }
    }
    ASSERT_EQ(pages.available() + static_cast<int64_t>(held.size()), kPages);
  }
  EXPECT_GT(adopted, 1000);
  EXPECT_GT(refused, 100);
  for (Text& text : running) pages.release(text.pages);
  EXPECT_EQ(pages.available(), kPages);
}

}  // namespace
}  // namespace oag
