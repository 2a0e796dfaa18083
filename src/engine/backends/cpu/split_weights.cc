#include "engine/backends/cpu/split_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "engine/backends/cpu/packed_weights.h"
#include "engine/tensor/float16.h"

namespace oag::cpu {

namespace baseline {
void split_dot(const SplitPanel& panel, const uint8_t* tile, int tokens, float* y);
extern const bool kSplitSigned;
}  // namespace baseline
namespace avx2 {
void split_dot(const SplitPanel& panel, const uint8_t* tile, int tokens, float* y);
extern const bool kSplitSigned;
}  // namespace avx2
namespace avx512 {
void split_dot(const SplitPanel& panel, const uint8_t* tile, int tokens, float* y);
extern const bool kSplitSigned;
}  // namespace avx512
namespace neon {
void split_dot(const SplitPanel& panel, const uint8_t* tile, int tokens, float* y);
extern const bool kSplitSigned;
}  // namespace neon

namespace {

constexpr int kMostVector = 64;  // bytes

const BlockFormat& q8_0_of(const MicroKernels& micro) {
  return *std::find_if(std::begin(micro.formats), std::end(micro.formats),
                       [](const BlockFormat& format) { return format.dtype == DType::kQ8_0; });
}

// What one set of instructions brings: its product, and what turns its packed levels into unsigned ones.
struct SplitKernels {
  SplitDot dot;
  uint8_t flip;
};
SplitKernels kernels_of(const MicroKernels& micro) {
  const std::string_view isa = micro.isa;
#if defined(__x86_64__)
  if (isa == "avx2") return {avx2::split_dot, avx2::kSplitSigned ? uint8_t{0x80} : uint8_t{0}};
  if (isa == "avx512") return {avx512::split_dot, avx512::kSplitSigned ? uint8_t{0x80} : uint8_t{0}};
#elif defined(__aarch64__)
  if (isa == "neon") return {neon::split_dot, neon::kSplitSigned ? uint8_t{0x80} : uint8_t{0}};
#endif
  return {baseline::split_dot, baseline::kSplitSigned ? uint8_t{0x80} : uint8_t{0}};
}

int64_t panels_of(const MicroKernels& micro, const Tensor& stored) {
  return (stored.dim(0) + micro.lanes - 1) / micro.lanes;
}

}  // namespace

size_t SplitWeights::size_bytes(const MicroKernels& micro, const Tensor& stored) {
  const int64_t panel = stored.dim(1) / 32 * (split_high_bytes(micro.lanes) + split_low_bytes(micro.lanes));
  const int64_t bytes =
      panels_of(micro, stored) * (panel + micro.lanes * static_cast<int64_t>(sizeof(float)));
  return static_cast<size_t>((bytes + 63) / 64 * 64);
}

SplitWeights::SplitWeights(const MicroKernels& micro, const Tensor& stored, KernelEnv& env,
                           std::span<std::byte> memory)
    : dot_(kernels_of(micro).dot),
      lanes_(micro.lanes),
      rows_(stored.dim(0)),
      inputs_(stored.dim(1)),
      panels_(panels_of(micro, stored)),
      high_(reinterpret_cast<uint8_t*>(memory.data())),
      low_(high_ + panels_ * (inputs_ / 32) * split_high_bytes(lanes_)),
      errors_(reinterpret_cast<float*>(low_ + panels_ * (inputs_ / 32) * split_low_bytes(lanes_))) {
  constexpr int64_t kPanelsPerTile = 8;
  const BlockFormat& format = q8_0_of(micro);
  const uint8_t flip = kernels_of(micro).flip;
  const auto* from = reinterpret_cast<const uint8_t*>(stored.data());
  const auto stride = static_cast<int64_t>(row_bytes(stored.dtype(), inputs_));
  const int64_t packed_bytes = record_bytes(format, lanes_) * (inputs_ / 32);
  const int64_t scratch_bytes =
      (lanes_ * (inputs_ + 8 * padded(inputs_ / 32)) + packed_bytes + 127) / 64 * 64;
  auto* scratch =
      reinterpret_cast<uint8_t*>(env.workspace(static_cast<size_t>(scratch_bytes * env.workers())));
  const int64_t tiles = (panels_ + kPanelsPerTile - 1) / kPanelsPerTile;
  env.parallel_for(tiles, kPanelsPerTile * lanes_ * inputs_, [&](int64_t tile, int worker) {
    uint8_t* packed = scratch + worker * scratch_bytes;
    uint8_t* rest = packed + (packed_bytes + 63) / 64 * 64;
    for (int64_t p = tile * kPanelsPerTile; p < std::min(panels_, (tile + 1) * kPanelsPerTile); ++p) {
      const int64_t row = p * lanes_;
      micro.pack_panel(format, from + row * stride, stride,
                       static_cast<int>(std::min<int64_t>(lanes_, rows_ - row)), inputs_, rest, packed);
      for (int64_t b = 0; b < inputs_ / 32; ++b) {
        uint8_t* levels = packed + b * record_bytes(format, lanes_);
        for (int64_t i = 0; i < 32 * lanes_; ++i) levels[i] ^= flip;
      }
      split_panel(packed, p);
    }
    const auto begin = static_cast<size_t>(tile * kPanelsPerTile * lanes_ * stride);
    const auto size = static_cast<size_t>(kPanelsPerTile * lanes_ * stride);
    stored.buffer()->drop_pages(stored.bytes().subspan(begin, std::min(size, stored.size_bytes() - begin)));
  });
}

// `packed` has unsigned levels. The error of an estimate, for activations x (as quantised) of 2-norm 1:
// - the lower bits count as 3.5: off by at most ‖scale · (bits - 3.5)‖ (Cauchy-Schwarz);
// - both sums are rounded: at most (2B + 4) · 2^-24 · Σ|terms| each for B blocks, where a block's terms are
// at most
//   383 · scale · ‖x_block‖₁ (255 of the levels, 128 of what makes them unsigned), and ‖x_block‖₁ <= √32
//   ‖x_block‖₂.
void SplitWeights::split_panel(const uint8_t* packed, int64_t panel) {
  const int64_t vector = 4 * lanes_, blocks = inputs_ / 32;
  uint8_t* high = high_ + panel * blocks * split_high_bytes(lanes_);
  uint8_t* low = low_ + panel * blocks * split_low_bytes(lanes_);
  double offsets[kMostVector / 4] = {}, scales[kMostVector / 4] = {};  // of each lane, squared
  for (int64_t b = 0; b < blocks; ++b) {
    const uint8_t* numbers = packed + 8 * vector;
    std::memset(high, 0, static_cast<size_t>(5 * vector));
    std::memset(low, 0, static_cast<size_t>(3 * vector));
    std::memcpy(high + 5 * vector, numbers, static_cast<size_t>(2 * lanes_));
    uint16_t squares[kMostVector] = {};  // of twice the offset from 3.5
    for (int step = 0; step < 8; ++step) {
      const uint8_t* levels = packed + step * vector;
      uint8_t *nibbles = high + step % 4 * vector, *pairs = low + step / 4 * vector;
      const int nibble = step < 4 ? 0 : 4, pair = 2 * (step % 4);
      // One simple loop for each plane: these compile to vectors.
      for (int64_t i = 0; i < vector; ++i) nibbles[i] |= static_cast<uint8_t>((levels[i] >> 4) << nibble);
      for (int64_t i = 0; i < vector; ++i)
        high[4 * vector + i] |= static_cast<uint8_t>((levels[i] >> 3 & 1) << step);
      for (int64_t i = 0; i < vector; ++i) pairs[i] |= static_cast<uint8_t>((levels[i] & 3) << pair);
      for (int64_t i = 0; i < vector; ++i)
        low[2 * vector + i] |= static_cast<uint8_t>((levels[i] >> 2 & 1) << step);
      for (int64_t i = 0; i < vector; ++i) {
        const auto offset = static_cast<int16_t>(2 * (levels[i] & 7) - 7);
        squares[i] = static_cast<uint16_t>(squares[i] + offset * offset);
      }
    }
    for (int lane = 0; lane < lanes_; ++lane) {
      uint16_t bits;
      std::memcpy(&bits, numbers + 2 * lane, sizeof bits);
      const double scale = f32_from_f16(bits);
      const uint16_t* four = squares + 4 * lane;
      offsets[lane] += scale * scale * (four[0] + four[1] + four[2] + four[3]) / 4;
      scales[lane] += scale * scale;
    }
    packed += 8 * vector + 2 * lanes_;
    high += split_high_bytes(lanes_);
    low += split_low_bytes(lanes_);
  }
  const double rounding = 2 * static_cast<double>(2 * blocks + 4) * 0x1p-24 * 383 * std::sqrt(32.0);
  for (int lane = 0; lane < lanes_; ++lane) {
    errors_[panel * lanes_ + lane] =
        static_cast<float>((std::sqrt(offsets[lane]) + rounding * std::sqrt(scales[lane])) * 1.00001);
  }
}

void SplitWeights::run(int64_t panel, bool both, const uint8_t* tile, int tokens, float* y) const {
  const int64_t blocks = inputs_ / 32;
  const SplitPanel at = {high_ + panel * blocks * split_high_bytes(lanes_),
                         both ? low_ + panel * blocks * split_low_bytes(lanes_) : nullptr, inputs_};
  dot_(at, tile, tokens, y);
}

float activation_norm(const uint8_t* tile, int tokens, int t, int64_t inputs) {
  double total = 0;
  for (int64_t b = 0; b < inputs / 32; ++b, tile += kActivationBytes * tokens) {
    int squared = 0;
    for (int step = 0; step < 8; ++step) {
      for (int i = 0; i < 4; ++i) {
        const int q = static_cast<int8_t>(tile[(step * tokens + t) * 4 + i]);
        squared += q * q;
      }
    }
    float scale;
    std::memcpy(&scale, tile + 32 * tokens + 4 * t, sizeof scale);
    total += static_cast<double>(scale) * scale * squared;
  }
  return static_cast<float>(std::sqrt(total) * 1.00001);
}

}  // namespace oag::cpu
