#pragma once

#include <complex>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace oag {

// Discrete Fourier transforms of one length, in double: Σ x[n] e^(∓2πi kn / N), unscaled. Powers of two by
// Cooley-Tukey, other lengths as a convolution of such a length (Bluestein 1970). Immutable once made.
class FourierTransform {
 public:
  using Complex = std::complex<double>;

  // length from 1 on; inverse: the exponent's sign is +. Cost: O(length) memory.
  FourierTransform(int64_t length, bool inverse);
  ~FourierTransform();
  FourierTransform(const FourierTransform&) = delete;
  FourierTransform& operator=(const FourierTransform&) = delete;

  // In place; values.size() is the length. O(N log N).
  void run(std::span<Complex> values) const;

 private:
  void run_power_of_two(std::span<Complex> values) const;
  void run_as_convolution(std::span<Complex> values) const;

  std::vector<Complex> roots_;  // of unity, half a turn; of other lengths the chirp e^(∓πi n² / N)
  std::unique_ptr<FourierTransform> forwards_, backwards_;  // of the convolution; null for powers of two
  std::vector<Complex> filter_;                             // the transformed conjugate chirp, scaled
};

}  // namespace oag
