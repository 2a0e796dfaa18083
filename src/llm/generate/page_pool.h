#pragma once

#include <cstdint>
#include <vector>

namespace oag {

// Which pages of the KV cache hold nothing. Not thread safe.
class PagePool {
 public:
  explicit PagePool(int64_t pages);

  // A page, or -1 when none is free.
  int32_t take() noexcept;
  void give_back(int32_t page) noexcept;

  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }
  int64_t total_pages() const { return total_; }

 private:
  int64_t total_;
  std::vector<int32_t> free_;  // the last one is given out next
};

}  // namespace oag
