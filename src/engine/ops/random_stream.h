#pragma once

#include <array>
#include <cstdint>

namespace oag {

// Independent random numbers for each of 2^64 places, by the counter-based generator Philox 4x32-10 (Salmon
// et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a value depends on the key and its place
// alone, so that workers share no state. Immutable.
class RandomStream {
 public:
  explicit RandomStream(uint64_t key) : key_(key) {}

  std::array<uint32_t, 4> words(uint64_t place) const;
  // In [0, 1), a multiple of 2^-53.
  double uniform(uint64_t place) const;
  // Mean 0, variance 1 (Box and Muller).
  double normal(uint64_t place) const;

 private:
  uint64_t key_;
};

}  // namespace oag
