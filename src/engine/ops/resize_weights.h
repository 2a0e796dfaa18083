#pragma once

#include <cstdint>
#include <vector>

#include "engine/graph/graph.h"

namespace oag {

// How one dim is resized: element i of the output is Σ_k weights[i][k] · input[places[i][k]].
struct ResizedDim {
  int64_t taps = 1;
  std::vector<int64_t> places;  // [new length][taps], all inside the input
  std::vector<double> weights;  // the same
  std::vector<char> outside;    // [new length]: the extrapolation value instead
  bool same = false;            // the output is the input
};

// Errors: kInvalidArgument, prefixed with node and operator, for an unknown mode.
void check_resize_attributes(const Node& node);

// Resize's attributes about coordinates and weights.
class ResizeRule {
 public:
  explicit ResizeRule(const Node& node);

  bool nearest() const { return mode_ == Mode::kNearest; }
  // `scale` may differ from new_length / length, which is rounded; the roi is a part of [0, 1].
  ResizedDim resize(int64_t length, int64_t new_length, double scale, double roi_start, double roi_end) const;

 private:
  enum class Mode { kNearest, kLinear, kCubic };
  enum class Transform { kHalfPixel, kHalfPixelSymmetric, kPytorch, kAlignCorners, kAsymmetric, kCrop };
  enum class Nearest { kPreferFloor, kPreferCeil, kFloor, kCeil };

  double place_of(int64_t i, int64_t length, int64_t new_length, double scale, double roi_start,
                  double roi_end) const;
  double nearest_to(double place) const;
  std::vector<double> weights_for(double ratio, double scale, int64_t taps) const;
  double cubic(double distance) const;

  Mode mode_;
  Transform transform_;
  Nearest nearest_;
  bool antialias_, exclude_outside_;
  double cubic_a_;
};

}  // namespace oag
