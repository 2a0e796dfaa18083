#include "engine/ops/fourier.h"

#include <bit>
#include <cmath>
#include <numbers>

namespace oag {
namespace {

using Complex = FourierTransform::Complex;

// e^(∓2πi part / whole)
Complex root_of_unity(uint64_t part, uint64_t whole, bool inverse) {
  const double angle = 2 * std::numbers::pi * static_cast<double>(part) / static_cast<double>(whole);
  return {std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle)};
}

// Each value to the place whose index has the same bits in reverse.
void reverse_bits(std::span<Complex> values) {
  size_t reversed = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i < reversed) std::swap(values[i], values[reversed]);
    size_t bit = values.size() >> 1;
    while ((reversed & bit) != 0) {
      reversed ^= bit;
      bit >>= 1;
    }
    reversed |= bit;
  }
}

}  // namespace

FourierTransform::FourierTransform(int64_t length, bool inverse) {
  const auto size = static_cast<uint64_t>(length);
  if (std::has_single_bit(size)) {
    for (uint64_t i = 0; i < size / 2; ++i) roots_.push_back(root_of_unity(i, size, inverse));
    return;
  }
  // kn = (k² + n² - (k - n)²) / 2 makes the sum a convolution with a chirp.
  for (uint64_t n = 0; n < size; ++n) roots_.push_back(root_of_unity(n * n % (2 * size), 2 * size, inverse));
  const uint64_t padded = std::bit_ceil(2 * size - 1);
  forwards_ = std::make_unique<FourierTransform>(static_cast<int64_t>(padded), false);
  backwards_ = std::make_unique<FourierTransform>(static_cast<int64_t>(padded), true);
  filter_.assign(padded, Complex());
  for (uint64_t n = 0; n < size; ++n) {
    const Complex value = std::conj(roots_[n]) / static_cast<double>(padded);
    filter_[n] = value;
    if (n > 0) filter_[padded - n] = value;
  }
  forwards_->run(filter_);
}

FourierTransform::~FourierTransform() = default;

void FourierTransform::run(std::span<Complex> values) const {
  forwards_ == nullptr ? run_power_of_two(values) : run_as_convolution(values);
}

void FourierTransform::run_power_of_two(std::span<Complex> values) const {
  reverse_bits(values);
  for (size_t half = 1; half < values.size(); half *= 2) {
    const size_t stride = values.size() / (2 * half);  // of the roots
    for (size_t block = 0; block < values.size(); block += 2 * half) {
      for (size_t i = 0; i < half; ++i) {
        const Complex even = values[block + i], odd = values[block + half + i] * roots_[i * stride];
        values[block + i] = even + odd;
        values[block + half + i] = even - odd;
      }
    }
  }
}

void FourierTransform::run_as_convolution(std::span<Complex> values) const {
  std::vector<Complex> padded(filter_.size());
  for (size_t i = 0; i < values.size(); ++i) padded[i] = values[i] * roots_[i];
  forwards_->run(padded);
  for (size_t i = 0; i < padded.size(); ++i) padded[i] *= filter_[i];
  backwards_->run(padded);
  for (size_t i = 0; i < values.size(); ++i) values[i] = padded[i] * roots_[i];
}

}  // namespace oag
