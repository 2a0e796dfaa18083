#include "llm/models/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace oag {
namespace {

double llama3_frequency(double frequency, const RopeScaling& scaling) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double low = scaling.low_frequency_factor, high = scaling.high_frequency_factor;
  if (wavelength < scaling.original_context / high) return frequency;
  if (wavelength > scaling.original_context / low) return frequency / scaling.factor;
  const double smooth = (scaling.original_context / wavelength - low) / (high - low);
  return (1 - smooth) * frequency / scaling.factor + smooth * frequency;
}

// The pair that turns `turns` times within the original context.
double yarn_pair(double turns, int64_t dims, double theta, const RopeScaling& scaling) {
  return static_cast<double>(dims) * std::log(scaling.original_context / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(theta));
}

// How much of a pair's frequency is stretched: 0 up to pair `low`, 1 from `high` on.
struct YarnRamp {
  double low, high;

  YarnRamp(int64_t dims, double theta, const RopeScaling& scaling)
      : low(yarn_pair(scaling.beta_fast, dims, theta, scaling)),
        high(yarn_pair(scaling.beta_slow, dims, theta, scaling)) {
    if (scaling.truncate) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, static_cast<double>(dims - 1));
    if (high == low) high += 0.001;
  }
  double at(int64_t pair) const {
    return std::clamp((static_cast<double>(pair) - low) / (high - low), 0.0, 1.0);
  }
};

}  // namespace

double yarn_attention_factor(double factor) {
  return factor <= 1 ? 1.0 : 0.1 * std::log(factor) + 1.0;
}

std::vector<float> rope_frequencies(int64_t dims, double theta, const RopeScaling& scaling,
                                    std::span<const float> divisors) {
  std::vector<float> frequencies(static_cast<size_t>(dims / 2));
  for (int64_t j = 0; j < dims / 2; ++j) {
    const auto at = static_cast<size_t>(j);
    double frequency = std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(dims));
    switch (scaling.kind) {
      case RopeScalingKind::kNone: break;
      case RopeScalingKind::kLinear: frequency /= scaling.factor; break;
      case RopeScalingKind::kLlama3: frequency = llama3_frequency(frequency, scaling); break;
      case RopeScalingKind::kYarn: {
        const double stretched = YarnRamp(dims, theta, scaling).at(j);
        frequency *= stretched / scaling.factor + (1 - stretched);
        break;
      }
    }
    frequencies[at] = static_cast<float>(divisors.empty() ? frequency : frequency / divisors[at]);
  }
  return frequencies;
}

}  // namespace oag
