// Against the sum that defines the transform.
#include "engine/ops/fourier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace oag {
namespace {

using Complex = FourierTransform::Complex;

std::vector<Complex> signal(size_t length) {
  std::vector<Complex> values;
  for (size_t n = 0; n < length; ++n)
    values.emplace_back(std::sin(0.7 * static_cast<double>(n * n)), std::cos(1.3 * static_cast<double>(n)));
  return values;
}

std::vector<Complex> by_definition(const std::vector<Complex>& values, bool inverse) {
  std::vector<Complex> result;
  const size_t length = values.size();
  for (size_t k = 0; k < length; ++k) {
    Complex sum;
    for (size_t n = 0; n < length; ++n) {
      const double angle =
          2 * std::numbers::pi * static_cast<double>(k * n % length) / static_cast<double>(length);
      sum += values[n] * std::polar(1.0, inverse ? angle : -angle);
    }
    result.push_back(sum);
  }
  return result;
}

TEST(FourierTest, EveryLengthAgreesWithTheDefinition) {
  for (const size_t length : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 12u, 16u, 17u, 31u, 64u, 97u, 100u, 255u}) {
    for (const bool inverse : {false, true}) {
      std::vector<Complex> values = signal(length);
      const std::vector<Complex> wanted = by_definition(values, inverse);
      FourierTransform(static_cast<int64_t>(length), inverse).run(values);
      for (size_t k = 0; k < length; ++k)
        ASSERT_LT(std::abs(values[k] - wanted[k]), 1e-11 * static_cast<double>(length)) << length << " " << k;
    }
  }
}

}  // namespace
}  // namespace oag
