#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/tensor/float16.h"
#include "engine/tensor/quantize_fit.h"

// Blocks of 256 values whose groups' scales are themselves integers times one f16 unit. Integers and units
// are chosen in turn, always judged by the squared error of the values as they will be read.

namespace oag::quantize {

constexpr int kSuperValues = 256;

// The values of 16 groups, group by group in memory, to one lane each; groups that are missing read as zero.
template <int N>
OAG_INLINE void to_lanes(const float* values, int groups, float* x) {
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int j = 0; j < N; ++j) x[j * kLanes + lane] = lane < groups ? values[lane * N + j] : 0.0f;
  }
}

// The lanes of one super-block of kLanes lanes.
struct LaneRange {
  int begin, end;
};

inline float f16_rounded(float value) {
  return f32_from_f16(f16_from_f32(std::clamp(value, -65504.0f, 65504.0f)));
}

inline float sum(const float* lanes, LaneRange range) {
  float total = 0.0f;
  for (int lane = range.begin; lane < range.end; ++lane) total += lanes[lane];
  return total;
}

// The blocks of a row, as many at a time as lanes hold. Fit: choose(x, choice), which decides on scales, and
// find_levels(x, choice, levels). Format: kGroups, kBytes and pack(levels, lane, choice, out) that writes the
// super-block whose first group is in `lane`.
template <typename Format, typename Choice, typename Fit>
struct SuperBlockKernel {
  static constexpr int kValues = kSuperValues / Format::kGroups;  // per group
  static constexpr int kTogether = kLanes / Format::kGroups;      // super-blocks at a time

  template <int W>
  static OAG_INLINE void run(const float* values, size_t blocks, uint8_t* out) {
    alignas(64) float x[kValues * kLanes];
    for (size_t block = 0; block < blocks; block += kTogether) {
      const int count = static_cast<int>(std::min<size_t>(kTogether, blocks - block));
      to_lanes<kValues>(values + block * kSuperValues, count * Format::kGroups, x);
      Choice choice;
      Fit::template choose<W>(x, choice);
      uint8_t levels[kValues * kLanes];
      Fit::template find_levels<W>(x, choice, levels);
      for (int i = 0; i < count; ++i) {
        Format::pack(levels, i * Format::kGroups, choice,
                     out + (block + static_cast<size_t>(i)) * Format::kBytes);
      }
    }
  }

 protected:
  static OAG_INLINE LaneRange lanes_of(int super_block) {
    return {super_block * Format::kGroups, (super_block + 1) * Format::kGroups};
  }
};

// What was chosen for each lane, and the sums it leads to.
struct AffineChoice {
  alignas(64) float unit[kLanes], drop_unit[kLanes];
  alignas(64) float scale[kLanes], drop[kLanes];  // whole multiples of the units
  alignas(64) float error[kLanes], q1[kLanes], q2[kLanes], xq[kLanes];
  alignas(64) float x1[kLanes];  // sum of the values
};

// Format: kTop (largest level), kScaleTop (largest multiple), Grid.
template <typename Format>
class AffineKernel : public SuperBlockKernel<Format, AffineChoice, AffineKernel<Format>> {
  using Base = SuperBlockKernel<Format, AffineChoice, AffineKernel<Format>>;
  friend Base;
  using Base::kTogether, Base::kValues, Base::lanes_of;
  using Grid = typename Format::Grid;

  template <int W>
  static OAG_INLINE void choose(const float* x, AffineChoice& best) {
    alignas(64) float scale[kLanes], drop[kLanes];
    for (int lane = 0; lane < kLanes; lane += W) {
      const Spread<W> spread = spread_of<W, kValues>(x + lane);
      const AffineFit<W> fit = fit_affine<Grid, W, kValues, Format::kTop>(x + lane, spread);
      store<W>(best.x1 + lane, spread.mean * static_cast<float>(kValues));
      store<W>(scale + lane, fit.scale);
      store<W>(drop + lane, fit.drop);
    }
    for (int i = 0; i < kTogether; ++i) {
      const LaneRange range = lanes_of(i);
      const float top = *std::max_element(scale + range.begin, scale + range.end);
      const float drop_top = *std::max_element(drop + range.begin, drop + range.end);
      std::fill(best.unit + range.begin, best.unit + range.end, f16_rounded(top / Format::kScaleTop));
      std::fill(best.drop_unit + range.begin, best.drop_unit + range.end,
                f16_rounded(drop_top / Format::kScaleTop));
    }
    for (int lane = 0; lane < kLanes; lane += W) {
      const Floats<W> unit = load<W>(best.unit + lane), drop_unit = load<W>(best.drop_unit + lane);
      store<W>(best.scale + lane,
               round_into<W>(load<W>(scale + lane) * inverse<W>(unit), 0.0f, Format::kScaleTop));
      store<W>(best.drop + lane,
               round_into<W>(load<W>(drop + lane) * inverse<W>(drop_unit), 0.0f, Format::kScaleTop));
    }
    search<W>(x, best);
    for (int round = 0; round < Grid::kUnitRounds; ++round) {
      AffineChoice next = best;
      for (int i = 0; i < kTogether; ++i) fit_units(lanes_of(i), next);
      search<W>(x, next);
      for (int i = 0; i < kTogether; ++i) keep_better_block(lanes_of(i), next, best);
    }
  }

  // Each lane's best multiples within one step of those in `choice`.
  template <int W>
  static OAG_INLINE void search(const float* x, AffineChoice& choice) {
    for (int lane = 0; lane < kLanes; lane += W) {
      const Floats<W> unit = load<W>(choice.unit + lane), drop_unit = load<W>(choice.drop_unit + lane);
      const Floats<W> scale = load<W>(choice.scale + lane), drop = load<W>(choice.drop + lane);
      const Floats<W> zero{}, top = splat<W>(Format::kScaleTop);
      AffineMultiple<W> best = {scale, drop, splat<W>(0x1p126f), zero, zero, zero};
      for (float step = -Grid::kScaleSpread; step <= Grid::kScaleSpread; step += 1.0f) {
        for (float drop_step = -Grid::kDropSpread; drop_step <= Grid::kDropSpread; drop_step += 1.0f) {
          const Floats<W> s = least<W>(greatest<W>(scale + step, zero), top);
          const Floats<W> m = least<W>(greatest<W>(drop + drop_step, zero), top);
          keep_better<W>(best, try_multiple<W, kValues, Format::kTop>(x + lane, s, m, unit, drop_unit));
        }
      }
      store<W>(choice.scale + lane, best.scale);
      store<W>(choice.drop + lane, best.drop);
      store<W>(choice.error + lane, best.error);
      store<W>(choice.q1 + lane, best.q1);
      store<W>(choice.q2 + lane, best.q2);
      store<W>(choice.xq + lane, best.xq);
    }
  }

  // The least-squares units for the multiples and levels of a super-block: two linear equations.
  static OAG_INLINE void fit_units(LaneRange range, AffineChoice& choice) {
    double ss = 0, sm = 0, mm = 0, xs = 0, xm = 0;
    for (int lane = range.begin; lane < range.end; ++lane) {
      const double s = choice.scale[lane], m = choice.drop[lane];
      ss += s * s * choice.q2[lane];
      sm += s * m * choice.q1[lane];
      mm += m * m * kValues;
      xs += s * choice.xq[lane];
      xm += m * choice.x1[lane];
    }
    const double determinant = ss * mm - sm * sm;
    double unit = choice.unit[range.begin], drop_unit = choice.drop_unit[range.begin];
    if (determinant > 1e-9 * ss * mm) {
      unit = (xs * mm - sm * xm) / determinant;
      drop_unit = (sm * xs - ss * xm) / determinant;
    } else if (ss > 0) {
      unit = (xs + sm * drop_unit) / ss;
    }
    std::fill(choice.unit + range.begin, choice.unit + range.end, f16_rounded(static_cast<float>(unit)));
    std::fill(choice.drop_unit + range.begin, choice.drop_unit + range.end,
              f16_rounded(static_cast<float>(drop_unit)));
  }

  static OAG_INLINE void keep_better_block(LaneRange range, const AffineChoice& next, AffineChoice& best) {
    if (!(sum(next.error, range) < sum(best.error, range))) return;
    const auto copy = [range](const float* from, float* to) {
      std::copy(from + range.begin, from + range.end, to + range.begin);
    };
    copy(next.unit, best.unit);
    copy(next.drop_unit, best.drop_unit);
    copy(next.scale, best.scale);
    copy(next.drop, best.drop);
    copy(next.error, best.error);
    copy(next.q1, best.q1);
    copy(next.q2, best.q2);
    copy(next.xq, best.xq);
  }

  template <int W>
  static OAG_INLINE void find_levels(const float* x, const AffineChoice& choice, uint8_t* levels) {
    for (int lane = 0; lane < kLanes; lane += W) {
      const Floats<W> step = load<W>(choice.scale + lane) * load<W>(choice.unit + lane);
      const Floats<W> inverse_step = inverse<W>(step);
      const Floats<W> shift = load<W>(choice.drop + lane) * load<W>(choice.drop_unit + lane) * inverse_step;
      for (int j = 0; j < kValues; ++j) {
        alignas(64) float q[W];
        store<W>(q, round_into<W>(load<W>(x + j * kLanes + lane) * inverse_step + shift, 0.0f, Format::kTop));
        for (int i = 0; i < W; ++i) levels[j * kLanes + lane + i] = static_cast<uint8_t>(q[i]);
      }
    }
  }
};

struct ScaleChoice {
  alignas(64) float unit[kLanes];
  alignas(64) float multiple[kLanes];
  alignas(64) float error[kLanes], xl[kLanes], ll[kLanes];
};

// Format: kScaleLow and kScaleTop (range of the multiples), Levels (nearest and index), Grid.
template <typename Format>
class SymmetricKernel : public SuperBlockKernel<Format, ScaleChoice, SymmetricKernel<Format>> {
  using Base = SuperBlockKernel<Format, ScaleChoice, SymmetricKernel<Format>>;
  friend Base;
  using Base::kTogether, Base::kValues, Base::lanes_of;
  using Grid = typename Format::Grid;
  using Levels = typename Format::Levels;

  template <int W>
  static OAG_INLINE void choose(const float* x, ScaleChoice& best) {
    alignas(64) float scale[kLanes];
    for (int lane = 0; lane < kLanes; lane += W)
      store<W>(scale + lane, fit_scale<Levels, Grid, W, kValues>(x + lane));
    for (int i = 0; i < kTogether; ++i) {
      const LaneRange range = lanes_of(i);
      const auto smaller = [](float a, float b) { return std::fabs(a) < std::fabs(b); };
      const float extreme = *std::max_element(scale + range.begin, scale + range.end, smaller);
      std::fill(best.unit + range.begin, best.unit + range.end, f16_rounded(extreme / Format::kScaleLow));
    }
    for (int lane = 0; lane < kLanes; lane += W) {
      store<W>(best.multiple + lane,
               round_into<W>(load<W>(scale + lane) * inverse<W>(load<W>(best.unit + lane)), Format::kScaleLow,
                             Format::kScaleTop));
    }
    search<W>(x, best);
    for (int round = 0; round < Grid::kUnitRounds; ++round) {
      ScaleChoice next = best;
      for (int i = 0; i < kTogether; ++i) fit_unit(lanes_of(i), next);
      search<W>(x, next);
      for (int i = 0; i < kTogether; ++i) keep_better_block(lanes_of(i), next, best);
    }
  }

  template <int W>
  static OAG_INLINE void search(const float* x, ScaleChoice& choice) {
    for (int lane = 0; lane < kLanes; lane += W) {
      const Multiple<W> best = best_multiple<Levels, Grid, W, kValues>(x + lane, load<W>(choice.unit + lane),
                                                                       load<W>(choice.multiple + lane),
                                                                       Format::kScaleLow, Format::kScaleTop);
      store<W>(choice.multiple + lane, best.multiple);
      store<W>(choice.error + lane, best.error);
      store<W>(choice.xl + lane, best.xl);
      store<W>(choice.ll + lane, best.ll);
    }
  }

  static OAG_INLINE void fit_unit(LaneRange range, ScaleChoice& choice) {
    double xl = 0, ll = 0;
    for (int lane = range.begin; lane < range.end; ++lane) {
      const double multiple = choice.multiple[lane];
      xl += multiple * choice.xl[lane];
      ll += multiple * multiple * choice.ll[lane];
    }
    if (!(ll > 0)) return;
    std::fill(choice.unit + range.begin, choice.unit + range.end, f16_rounded(static_cast<float>(xl / ll)));
  }

  static OAG_INLINE void keep_better_block(LaneRange range, const ScaleChoice& next, ScaleChoice& best) {
    if (!(sum(next.error, range) < sum(best.error, range))) return;
    const auto copy = [range](const float* from, float* to) {
      std::copy(from + range.begin, from + range.end, to + range.begin);
    };
    copy(next.unit, best.unit);
    copy(next.multiple, best.multiple);
    copy(next.error, best.error);
    copy(next.xl, best.xl);
    copy(next.ll, best.ll);
  }

  template <int W>
  static OAG_INLINE void find_levels(const float* x, const ScaleChoice& choice, uint8_t* levels) {
    for (int lane = 0; lane < kLanes; lane += W) {
      const Floats<W> inverse_scale =
          inverse<W>(load<W>(choice.multiple + lane) * load<W>(choice.unit + lane));
      for (int j = 0; j < kValues; ++j) {
        alignas(64) float index[W];
        store<W>(index, Levels::template index<W>(load<W>(x + j * kLanes + lane) * inverse_scale));
        for (int i = 0; i < W; ++i) levels[j * kLanes + lane + i] = static_cast<uint8_t>(index[i]);
      }
    }
  }
};

}  // namespace oag::quantize
