#include "llm/generate/page_pool.h"

#include <cstddef>

namespace oag {

PagePool::PagePool(int64_t pages) : total_(pages) {
  free_.reserve(static_cast<size_t>(pages));
  for (int64_t page = pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

int32_t PagePool::take() noexcept {
  if (free_.empty()) return -1;
  const int32_t page = free_.back();
  free_.pop_back();
  return page;
}

void PagePool::give_back(int32_t page) noexcept {
  free_.push_back(page);  // within the capacity reserved for all of them
}

}  // namespace oag
