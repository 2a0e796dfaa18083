#include "engine/ops/random_stream.h"

#include <cmath>
#include <numbers>

namespace oag {
namespace {

// 53 of 64 random bits as a multiple of 2^-53 below 1.
double unit_interval(uint32_t high, uint32_t low) {
  const uint64_t bits = (uint64_t{high} << 32 | low) >> 11;
  return std::ldexp(static_cast<double>(bits), -53);
}

}  // namespace

std::array<uint32_t, 4> RandomStream::words(uint64_t place) const {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  constexpr int kRounds = 10;
  auto key0 = static_cast<uint32_t>(key_), key1 = static_cast<uint32_t>(key_ >> 32);
  std::array<uint32_t, 4> x = {static_cast<uint32_t>(place), static_cast<uint32_t>(place >> 32), 0, 0};
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = kMultiplier0 * x[0], product1 = kMultiplier1 * x[2];
    x = {static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ key0, static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return x;
}

double RandomStream::uniform(uint64_t place) const {
  const auto x = words(place);
  return unit_interval(x[0], x[1]);
}

double RandomStream::normal(uint64_t place) const {
  const auto x = words(place);
  const double radius = std::sqrt(-2 * std::log(1 - unit_interval(x[0], x[1])));
  return radius * std::cos(2 * std::numbers::pi * unit_interval(x[2], x[3]));
}

}  // namespace oag
