#pragma once

#include <cstddef>
#include <cstdint>

namespace oag {

// Marks memory that was handed out and that nobody may have written to yet. The system gives a page its
// memory when it is first written to, and calls it available until then; who asks what is free has to know
// better.
class PromisedMemory {
 public:
  // The bytes stay mapped while this object lives.
  PromisedMemory(const void* data, size_t size_bytes);
  ~PromisedMemory();
  PromisedMemory(const PromisedMemory&) = delete;
  PromisedMemory& operator=(const PromisedMemory&) = delete;

 private:
  friend uint64_t promised_bytes();

  uintptr_t begin_, end_;  // whole pages
  PromisedMemory *next_ = nullptr, *previous_ = nullptr;
};

// Bytes of all PromisedMemory of this process that the system has yet to give. Takes some 10 µs for each GB.
// Where the system does not tell what it has given (mincore(2)), these are 0 or all of them.
uint64_t promised_bytes();

}  // namespace oag
