#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "llm/generate/page_pool.h"
#include "llm/generate/prefix_cache.h"

namespace oag {

// What the pages of a sequence are known by.
struct SequenceContent {
  std::span<const TokenId> tokens;
  std::span<const PromptImage> images;  // by first_token
  const std::string& salt;
};

// The pages of one sequence: those that the prefix cache knows, then its own.
struct SequencePages {
  std::vector<int32_t> pages;
  int64_t known = 0;
  PrefixCache::Node* last = nullptr;  // of the known ones, or the root; null: nothing is held
};

// All pages of a KV cache: free ones, those of sequences, and those that hold what earlier sequences have
// computed and nobody uses now. The last kind is as good as free: it is taken when no other is left, the
// least recently used first. Not thread safe.
class KvPages {
 public:
  // Without `shares` nothing outlives its sequence.
  KvPages(int64_t pages, int64_t page_tokens, bool shares);

  // Of a sequence that would begin: pages that the prefix cache has, and how many of them are unused. The
  // last token is always left to compute, its logits are wanted.
  struct Match {
    int64_t pages = 0, unused = 0;
  };
  Match match(const SequenceContent& content) const;

  // Takes over all pages that the prefix cache has of the sequence, also in place of own pages that it is
  // still filling. Returns how many tokens the known pages hold.
  int64_t adopt(SequencePages& sequence, const SequenceContent& content);

  // Makes full pages of the sequence known, `computed` tokens of which are in the cache. What another
  // sequence has made known meanwhile takes the place of its own.
  void publish(SequencePages& sequence, const SequenceContent& content, int64_t computed);

  // Whether publish() has something to do.
  bool has_unpublished(const SequencePages& sequence, int64_t computed) const {
    return shares_ && computed / page_tokens_ > sequence.known;
  }

  // Takes pages until `tokens` fit. False: there are not enough, the sequence keeps what it got.
  bool grow(SequencePages& sequence, int64_t tokens);

  // Gives all pages back. Known ones stay for those who come with the same prefix.
  void release(SequencePages& sequence) noexcept;

  // Whether `waiter` could adopt the page that `filler` is about to fill, and has all before it. Both have
  // adopted what there is.
  bool can_wait(const SequencePages& waiter, const SequenceContent& waiter_content,
                const SequencePages& filler, const SequenceContent& filler_content) const;

  int64_t pages_for(int64_t tokens) const { return (tokens + page_tokens_ - 1) / page_tokens_; }
  int64_t total() const { return pool_.total_pages(); }
  int64_t free() const { return pool_.free_pages(); }       // hold nothing
  int64_t unused() const { return cache_.unused_pages(); }  // hold what nobody uses now
  int64_t available() const { return free() + unused(); }

 private:
  // Most pages that a sequence adopts.
  int64_t adoptable(const SequenceContent& content) const {
    return (static_cast<int64_t>(content.tokens.size()) - 1) / page_tokens_;
  }
  bool content_of(const SequenceContent& content, int64_t page, PageContent& out) const;
  bool open(SequencePages& sequence, const SequenceContent& content);
  void take_known(SequencePages& sequence, PrefixCache::Node* node);

  PagePool pool_;
  PrefixCache cache_;
  int64_t page_tokens_;
  bool shares_;
};

}  // namespace oag
