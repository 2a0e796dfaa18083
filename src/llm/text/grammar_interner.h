#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace oag {

// Sequences of plain values, each kept once and named by a number; 0 is the empty one.
template <typename T>
class Interner {
  static_assert(std::has_unique_object_representations_v<T>);

 public:
  Interner() : slots_(64, kFree), begin_{0, 0} { slots_[hash({}) & 63] = 0; }

  uint32_t size() const { return static_cast<uint32_t>(begin_.size() - 1); }
  std::span<const T> operator[](uint32_t id) const {
    return std::span(values_).subspan(begin_[id], begin_[id + 1] - begin_[id]);
  }
  // `values` must not lie in this object.
  uint32_t intern(std::span<const T> values) {
    if (2 * begin_.size() > slots_.size()) grow();
    size_t slot = hash(values) & (slots_.size() - 1);
    for (; slots_[slot] != kFree; slot = (slot + 1) & (slots_.size() - 1)) {
      const auto known = (*this)[slots_[slot]];
      if (known.size() == values.size() &&
          (values.empty() || std::memcmp(known.data(), values.data(), values.size_bytes()) == 0)) {
        return slots_[slot];
      }
    }
    values_.insert(values_.end(), values.begin(), values.end());
    begin_.push_back(values_.size());
    return slots_[slot] = size() - 1;
  }
  size_t size_bytes() const {
    return values_.size() * sizeof(T) + begin_.size() * sizeof(size_t) + slots_.size() * sizeof(uint32_t);
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;

  static uint64_t hash(std::span<const T> values) {
    static_assert(sizeof(T) % 4 == 0);
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (const T& value : values) {
      uint32_t words[sizeof(T) / 4];
      std::memcpy(words, &value, sizeof(T));
      for (const uint32_t word : words) h = (h ^ word) * 0xFF51AFD7ED558CCDu, h ^= h >> 29;
    }
    return h ^ (h >> 32);
  }

  void grow() {
    std::vector<uint32_t> slots(2 * slots_.size(), kFree);
    for (uint32_t id = 0; id < size(); ++id) {
      size_t slot = hash((*this)[id]) & (slots.size() - 1);
      while (slots[slot] != kFree) slot = (slot + 1) & (slots.size() - 1);
      slots[slot] = id;
    }
    slots_ = std::move(slots);
  }

  std::vector<uint32_t> slots_;  // a power of two, at most half full
  std::vector<T> values_;
  std::vector<size_t> begin_;  // [ids + 1]
};

}  // namespace oag
