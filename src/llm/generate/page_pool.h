#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace oag {

// Which pages of the KV cache are free. Not thread safe: the scheduler owns it.
class PagePool {
 public:
  explicit PagePool(int64_t pages);

  // `count` pages, or nothing when fewer are free.
  std::optional<std::vector<int32_t>> allocate(int64_t count);
  void release(const std::vector<int32_t>& pages);

  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }
  int64_t total_pages() const { return total_; }

 private:
  int64_t total_;
  std::vector<int32_t> free_;  // the last one is given out next
};

}  // namespace oag
