#pragma once

#include <cmath>

#include "engine/tensor/float16.h"
#include "engine/tensor/quantize_lanes.h"

// Least-squares fits of block scales. Every lane holds one group of N values that share a scale, x[j *
// kLanes] being value j of the first lane. The sum of squared errors is what is made small, each weighted by
// the value's size where Grid::kWeighed says so.

namespace oag::quantize {

// ---------------------------------------------------------------------------------------------------------
// Symmetric formats: value = scale * level, the levels being a fixed set (Levels).

// The integers kLow..kHigh.
template <int kLow, int kHigh>
struct IntegerLevels {
  static constexpr float kReach = static_cast<float>(-kLow);  // the level of largest magnitude
  template <int W>
  static OAG_INLINE Floats<W> nearest(Floats<W> x) {
    return round_into<W>(x, static_cast<float>(kLow), static_cast<float>(kHigh));
  }
  // What is stored for the nearest level.
  template <int W>
  static OAG_INLINE Floats<W> index(Floats<W> x) {
    return nearest<W>(x) - static_cast<float>(kLow);
  }
};

template <int W>
struct ScaleFit {
  Floats<W> scale;
  Floats<W> gain;  // how much smaller the squared error is than that of a zero scale
};

// Sums of value * level and level * level.
template <int W>
struct LevelSums {
  Floats<W> xl, ll;
};

template <typename Levels, typename Grid, int W, int N>
OAG_INLINE LevelSums<W> sums_for(const float* x, Floats<W> inverse_scale) {
  LevelSums<W> sums{};
  for (int j = 0; j < N; ++j) {
    const Floats<W> value = load<W>(x + j * kLanes);
    const Floats<W> level = Levels::template nearest<W>(value * inverse_scale);
    if constexpr (Grid::kWeighed) {
      const Floats<W> weighed = greatest<W>(value, -value) * level;
      sums.xl += value * weighed;
      sums.ll += level * weighed;
    } else {
      sums.xl += value * level;
      sums.ll += level * level;
    }
  }
  return sums;
}

// The least-squares scale for the levels that `inverse_scale` picks.
template <typename Levels, typename Grid, int W, int N>
OAG_INLINE ScaleFit<W> scale_for(const float* x, Floats<W> inverse_scale) {
  const auto [xl, ll] = sums_for<Levels, Grid, W, N>(x, inverse_scale);
  const Floats<W> scale = ratio<W>(xl, ll);
  return {scale, scale * xl};
}

// The best of `Grid`, which lists where the extreme value comes to lie, in units of Levels::kReach and with
// both signs tried, followed by kRounds of choosing levels and scale in turn.
template <typename Levels, typename Grid, int W, int N>
OAG_INLINE Floats<W> fit_scale(const float* x) {
  Floats<W> extreme{};
  for (int j = 0; j < N; ++j) {
    const Floats<W> value = load<W>(x + j * kLanes);
    extreme = greatest<W>(extreme, greatest<W>(value, -value));
  }
  const Floats<W> unit = inverse<W>(extreme) * Levels::kReach;
  ScaleFit<W> best{};
  for (const float reach : Grid::kReaches) {
    const ScaleFit<W> up = scale_for<Levels, Grid, W, N>(x, unit * reach);
    const ScaleFit<W> down = scale_for<Levels, Grid, W, N>(x, unit * -reach);
    const ScaleFit<W> better = {up.gain > down.gain ? up.scale : down.scale, greatest<W>(up.gain, down.gain)};
    best.scale = better.gain > best.gain ? better.scale : best.scale;
    best.gain = greatest<W>(better.gain, best.gain);
  }
  for (int round = 0; round < Grid::kRounds; ++round) {
    const ScaleFit<W> again = scale_for<Levels, Grid, W, N>(x, inverse<W>(best.scale));
    best.scale = again.gain > best.gain ? again.scale : best.scale;
    best.gain = greatest<W>(again.gain, best.gain);
  }
  return best.scale;
}

// The integer multiple of `unit` that serves each lane best, out of those within Grid::kSpread of `multiple`.
// `xl` and `ll` are the sums of value * level and level * level that it leads to.
template <int W>
struct Multiple {
  Floats<W> multiple, error, xl, ll;  // error: less the sum of squared values
};

template <typename Levels, typename Grid, int W, int N>
OAG_INLINE Multiple<W> best_multiple(const float* x, Floats<W> unit, Floats<W> multiple, float lo, float hi) {
  Multiple<W> best{};
  for (int step = -Grid::kSpread; step <= Grid::kSpread; ++step) {
    const Floats<W> tried =
        least<W>(greatest<W>(multiple + static_cast<float>(step), splat<W>(lo)), splat<W>(hi));
    const Floats<W> scale = tried * unit;
    const auto [xl, ll] = sums_for<Levels, Grid, W, N>(x, inverse<W>(scale));
    const Floats<W> error = scale * (scale * ll - (xl + xl));
    const auto better = error < best.error;
    best.multiple = better ? tried : best.multiple;
    best.xl = better ? xl : best.xl;
    best.ll = better ? ll : best.ll;
    best.error = better ? error : best.error;
  }
  return best;
}

// ---------------------------------------------------------------------------------------------------------
// Asymmetric formats: value = scale * q - drop, q in 0..kTop, scale and drop at least zero.

template <int W>
struct AffineFit {
  Floats<W> scale, drop, error;  // error: less the sum of squared distances from the mean
};

template <int W>
struct Spread {
  Floats<W> low, high, mean;
};

template <int W, int N>
OAG_INLINE Spread<W> spread_of(const float* x) {
  Spread<W> s = {load<W>(x), load<W>(x), load<W>(x)};
  for (int j = 1; j < N; ++j) {
    const Floats<W> value = load<W>(x + j * kLanes);
    s.low = least<W>(s.low, value);
    s.high = greatest<W>(s.high, value);
    s.mean += value;
  }
  s.mean *= 1.0f / N;
  return s;
}

// The least-squares scale and drop for the levels that (x + drop) * inverse_scale picks.
template <int W, int N, int kTop>
OAG_INLINE AffineFit<W> affine_for(const float* x, Floats<W> mean, Floats<W> drop, Floats<W> inverse_scale) {
  Floats<W> q1{}, q2{}, xq{};
  const Floats<W> shift = drop * inverse_scale;
  for (int j = 0; j < N; ++j) {
    const Floats<W> value = load<W>(x + j * kLanes);
    const Floats<W> q = round_into<W>(value * inverse_scale + shift, 0.0f, kTop);
    q1 += q;
    q2 += q * q;
    xq += (value - mean) * q;
  }
  constexpr float kCount = N;
  const Floats<W> free_scale = ratio<W>(kCount * xq, kCount * q2 - q1 * q1);
  const Floats<W> free_drop = free_scale * q1 * (1.0f / kCount) - mean;
  // A drop below zero cannot be stored: then the line goes through zero.
  const Floats<W> whole = xq + mean * q1;
  const Floats<W> bound_scale = ratio<W>(whole, q2);
  const auto bound = free_drop < 0.0f;
  return {bound ? bound_scale : free_scale, bound ? Floats<W>{} : free_drop,
          bound ? kCount * mean * mean - bound_scale * whole : -free_scale * xq};
}

// The best of Grid::kCuts, how many levels are cut off below and above the values' range (less than zero:
// left unused), then Grid::kRounds of choosing levels and line in turn.
template <typename Grid, int W, int N, int kTop>
OAG_INLINE AffineFit<W> fit_affine(const float* x, const Spread<W>& spread) {
  const Floats<W> low = least<W>(spread.low, Floats<W>{});
  const Floats<W> range = spread.high - low;
  AffineFit<W> best = {Floats<W>{}, greatest<W>(-spread.mean, Floats<W>{}), splat<W>(0x1p126f)};
  for (const auto& cut : Grid::kCuts) {
    const float levels = kTop + cut[0] + cut[1];
    const Floats<W> inverse_scale = inverse<W>(range * (1.0f / levels));
    const Floats<W> drop = -(low + range * (cut[0] / levels));
    const AffineFit<W> tried = affine_for<W, N, kTop>(x, spread.mean, drop, inverse_scale);
    const auto better = tried.error < best.error;
    best.scale = better ? tried.scale : best.scale;
    best.drop = better ? tried.drop : best.drop;
    best.error = better ? tried.error : best.error;
  }
  for (int round = 0; round < Grid::kRounds; ++round) {
    const AffineFit<W> tried = affine_for<W, N, kTop>(x, spread.mean, best.drop, inverse<W>(best.scale));
    const auto better = tried.error < best.error;
    best.scale = better ? tried.scale : best.scale;
    best.drop = better ? tried.drop : best.drop;
    best.error = better ? tried.error : best.error;
  }
  return best;
}

template <int W>
struct AffineMultiple {
  Floats<W> scale, drop;  // whole multiples of the units
  Floats<W> error;        // sum of squared errors
  Floats<W> q1, q2, xq;   // sums of q, q * q and value * q
};

// Sums for the line scale * unit * q - drop * drop_unit.
template <int W, int N, int kTop>
OAG_INLINE AffineMultiple<W> try_multiple(const float* x, Floats<W> scale, Floats<W> drop, Floats<W> unit,
                                          Floats<W> drop_unit) {
  AffineMultiple<W> tried = {scale, drop, {}, {}, {}, {}};
  const Floats<W> step = scale * unit;
  const Floats<W> offset = drop * drop_unit;
  const Floats<W> inverse_step = inverse<W>(step);
  const Floats<W> shift = offset * inverse_step;
  for (int j = 0; j < N; ++j) {
    const Floats<W> value = load<W>(x + j * kLanes);
    const Floats<W> q = round_into<W>(value * inverse_step + shift, 0.0f, kTop);
    const Floats<W> off = step * q - offset - value;
    tried.error += off * off;
    tried.q1 += q;
    tried.q2 += q * q;
    tried.xq += value * q;
  }
  return tried;
}

template <int W>
OAG_INLINE void keep_better(AffineMultiple<W>& best, const AffineMultiple<W>& tried) {
  const auto better = tried.error < best.error;
  best.scale = better ? tried.scale : best.scale;
  best.drop = better ? tried.drop : best.drop;
  best.error = better ? tried.error : best.error;
  best.q1 = better ? tried.q1 : best.q1;
  best.q2 = better ? tried.q2 : best.q2;
  best.xq = better ? tried.xq : best.xq;
}

}  // namespace oag::quantize
