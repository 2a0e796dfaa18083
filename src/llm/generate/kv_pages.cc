#include "llm/generate/kv_pages.h"

#include <algorithm>

namespace oag {

KvPages::KvPages(int64_t pages, int64_t page_tokens, bool shares)
    : pool_(pages), page_tokens_(page_tokens), shares_(shares) {}

// False where the page is not full, or holds a picture that nothing stands for.
bool KvPages::content_of(const SequenceContent& content, int64_t page, PageContent& out) const {
  const int64_t begin = page * page_tokens_, end = begin + page_tokens_;
  if (end > static_cast<int64_t>(content.tokens.size())) return false;
  const auto tokens = content.tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(page_tokens_));
  out.tokens.assign(tokens.begin(), tokens.end());
  out.pictures.clear();
  for (const PromptImage& image : content.images) {
    const int64_t first = std::max(begin, image.first_token);
    const int64_t last = std::min(end, image.first_token + image.grid.patches());
    if (first >= last) continue;
    if (!image.hash.is_set()) return false;
    out.pictures.push_back({first - begin, first - image.first_token, last - first, image.hash,
                            image.grid.rows, image.grid.columns});
  }
  return true;
}

KvPages::Match KvPages::match(const SequenceContent& content) const {
  Match match;
  const PrefixCache::Node* node = shares_ ? cache_.root(content.salt) : nullptr;
  PageContent wanted;
  while (node != nullptr && match.pages < adoptable(content) && content_of(content, match.pages, wanted)) {
    node = cache_.find(node, wanted);
    if (node == nullptr) break;
    ++match.pages;
    match.unused += PrefixCache::held(node) ? 0 : 1;
  }
  return match;
}

// False where nothing is shared.
bool KvPages::open(SequencePages& sequence, const SequenceContent& content) {
  if (!shares_) return false;
  if (sequence.last == nullptr) sequence.last = cache_.open(content.salt);
  return true;
}

// Puts a known page behind the known ones, in the place of the sequence's own where it has one.
void KvPages::take_known(SequencePages& sequence, PrefixCache::Node* node) {
  const auto at = static_cast<size_t>(sequence.known);
  if (at < sequence.pages.size()) {
    pool_.give_back(sequence.pages[at]);
    sequence.pages[at] = PrefixCache::page(node);
  } else {
    sequence.pages.push_back(PrefixCache::page(node));
  }
  cache_.hold(node);
  sequence.last = node;
  ++sequence.known;
}

int64_t KvPages::adopt(SequencePages& sequence, const SequenceContent& content) {
  if (!open(sequence, content)) return 0;
  PageContent wanted;
  while (sequence.known < adoptable(content) && content_of(content, sequence.known, wanted)) {
    PrefixCache::Node* const node = cache_.find(sequence.last, wanted);
    if (node == nullptr) break;
    take_known(sequence, node);
  }
  return sequence.known * page_tokens_;
}

void KvPages::publish(SequencePages& sequence, const SequenceContent& content, int64_t computed) {
  if (!open(sequence, content)) return;
  PageContent full;
  while (sequence.known < computed / page_tokens_ && content_of(content, sequence.known, full)) {
    if (PrefixCache::Node* const node = cache_.find(sequence.last, full)) {
      take_known(sequence, node);
      continue;
    }
    const int32_t page = sequence.pages[static_cast<size_t>(sequence.known)];
    sequence.last = cache_.insert(sequence.last, std::move(full), page);
    ++sequence.known;
  }
}

bool KvPages::grow(SequencePages& sequence, int64_t tokens) {
  const auto wanted = static_cast<size_t>(pages_for(tokens));
  sequence.pages.reserve(wanted);
  while (sequence.pages.size() < wanted) {
    int32_t page = pool_.take();
    if (page < 0) page = cache_.evict();
    if (page < 0) return false;
    sequence.pages.push_back(page);
  }
  return true;
}

void KvPages::release(SequencePages& sequence) noexcept {
  for (size_t i = static_cast<size_t>(sequence.known); i < sequence.pages.size(); ++i)
    pool_.give_back(sequence.pages[i]);
  cache_.release(sequence.last);
  sequence.pages.clear();
  sequence.known = 0;
  sequence.last = nullptr;
}

bool KvPages::can_wait(const SequencePages& waiter, const SequenceContent& waiter_content,
                       const SequencePages& filler, const SequenceContent& filler_content) const {
  if (!shares_ || waiter.last == nullptr || waiter.last != filler.last) return false;
  if (waiter.known >= adoptable(waiter_content)) return false;
  PageContent wanted, filled;
  return content_of(waiter_content, waiter.known, wanted) &&
         content_of(filler_content, filler.known, filled) && wanted == filled;
}

}  // namespace oag
