#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace oag {

// How rotary embedding pairs the elements of a head.
enum class RopePairing {
  kHalf,         // (j, j + R/2)
  kInterleaved,  // (2j, 2j + 1)
};

// How positions beyond those of the training are reached.
enum class RopeScalingKind { kNone, kLinear, kLlama3, kYarn };

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  double factor = 1.0;                   // the context grew by it; above 0
  double original_context = 0;           // tokens of the training; llama3 and YaRN need it
  double low_frequency_factor = 1;       // llama3: wavelengths above original / low are stretched whole,
  double high_frequency_factor = 4;      // below original / high not at all
  double beta_fast = 32, beta_slow = 1;  // YaRN: turns within the original context between which it blends
  bool truncate = true;                  // YaRN: the blend's ends are whole dims
  double attention_factor = 1.0;         // cos and sin are multiplied by it
};

// Angle per position of each pair, theta^(-2j / dims) for j < dims / 2 as `scaling` and `divisors` (one a
// pair, or none) change it. Sources: RoFormer (Su et al. 2021) section 3.4.2; YaRN (Peng et al. 2023)
// section 3.2; the reference code of Llama 3.1.
std::vector<float> rope_frequencies(int64_t dims, double theta, const RopeScaling& scaling,
                                    std::span<const float> divisors);

// What YaRN multiplies cos and sin by where a file does not say: 0.1 ln(factor) + 1.
double yarn_attention_factor(double factor);

}  // namespace oag
