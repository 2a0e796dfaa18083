#include "base/promised_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>

namespace oag {
namespace {

std::mutex list_mutex;
PromisedMemory* list_head = nullptr;

constexpr size_t kPagesAtOnce = 4096;

uintptr_t page_bytes() {
  return static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
}

// Pages of [begin, end), bounds of pages, that have no memory yet.
uint64_t missing_pages(uintptr_t begin, uintptr_t end) {
  const uintptr_t page = page_bytes();
  std::array<unsigned char, kPagesAtOnce> states;
  uint64_t missing = 0;
  while (begin < end) {
    const size_t count = std::min<size_t>(kPagesAtOnce, (end - begin) / page);
    if (::mincore(reinterpret_cast<void*>(begin), count * page, states.data()) != 0)
      return missing + (end - begin) / page;
    missing += static_cast<uint64_t>(std::count_if(states.begin(),
                                                   states.begin() + static_cast<std::ptrdiff_t>(count),
                                                   [](unsigned char state) { return (state & 1) == 0; }));
    begin += count * page;
  }
  return missing;
}

}  // namespace

PromisedMemory::PromisedMemory(const void* data, size_t size_bytes) {
  const uintptr_t page = page_bytes(), first = reinterpret_cast<uintptr_t>(data);
  begin_ = (first + page - 1) / page * page;
  end_ = std::max(begin_, (first + size_bytes) / page * page);
  std::lock_guard lock(list_mutex);
  next_ = list_head;
  if (next_ != nullptr) next_->previous_ = this;
  list_head = this;
}

PromisedMemory::~PromisedMemory() {
  std::lock_guard lock(list_mutex);
  if (next_ != nullptr) next_->previous_ = previous_;
  (previous_ != nullptr ? previous_->next_ : list_head) = next_;
}

uint64_t promised_bytes() {
  std::lock_guard lock(list_mutex);  // and nothing is unmapped meanwhile
  uint64_t pages = 0;
  for (const PromisedMemory* memory = list_head; memory != nullptr; memory = memory->next_)
    pages += missing_pages(memory->begin_, memory->end_);
  return pages * page_bytes();
}

}  // namespace oag
