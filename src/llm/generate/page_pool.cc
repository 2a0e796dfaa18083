#include "llm/generate/page_pool.h"

namespace oag {

PagePool::PagePool(int64_t pages) : total_(pages) {
  for (int64_t page = pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

std::optional<std::vector<int32_t>> PagePool::allocate(int64_t count) {
  if (count > free_pages()) return std::nullopt;
  std::vector<int32_t> pages;
  pages.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    pages.push_back(free_.back());
    free_.pop_back();
  }
  return pages;
}

void PagePool::release(const std::vector<int32_t>& pages) {
  free_.insert(free_.end(), pages.rbegin(), pages.rend());
}

}  // namespace oag
