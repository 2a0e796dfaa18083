#include "engine/ops/resize_weights.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "base/error.h"

namespace oag {
namespace {

// The number of attribute `key`'s word among `words`.
template <size_t kCount>
int64_t word(const Node& node, std::string_view key, std::string_view fallback,
             const std::string_view (&words)[kCount]) {
  const std::string text = node.string_attribute(key, fallback);
  const auto found = std::find(std::begin(words), std::end(words), text);
  if (found == std::end(words)) {
    fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node.name, node.full_op()),
         "{} is \"{}\", which is none of its words", key, text);
  }
  return found - std::begin(words);
}

// In the order of the enumerations of ResizeRule.
constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};
constexpr std::string_view kTransforms[] = {"half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                            "align_corners", "asymmetric",           "tf_crop_and_resize"};
constexpr std::string_view kNearestModes[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

constexpr double kFarthest = 1e15;  // places beyond are clamped: they are whole and fit an integer

}  // namespace

void check_resize_attributes(const Node& node) {
  const ResizeRule rule(node);
}

ResizeRule::ResizeRule(const Node& node)
    : mode_(static_cast<Mode>(word(node, "mode", "nearest", kModes))),
      transform_(
          static_cast<Transform>(word(node, "coordinate_transformation_mode", "half_pixel", kTransforms))),
      nearest_(static_cast<Nearest>(word(node, "nearest_mode", "round_prefer_floor", kNearestModes))),
      antialias_(node.int_attribute("antialias", 0) != 0),
      exclude_outside_(node.int_attribute("exclude_outside", 0) != 0),
      cubic_a_(node.float_attribute("cubic_coeff_a", -0.75f)) {}

double ResizeRule::place_of(int64_t i, int64_t length, int64_t new_length, double scale, double roi_start,
                            double roi_end) const {
  const auto x = static_cast<double>(i), last = static_cast<double>(length - 1);
  const double exact_length = scale * static_cast<double>(length);  // before it was rounded
  switch (transform_) {
    case Transform::kHalfPixel: return (x + 0.5) / scale - 0.5;
    case Transform::kHalfPixelSymmetric: {
      const double adjustment = static_cast<double>(new_length) / exact_length;
      return static_cast<double>(length) / 2 * (1 - adjustment) + (x + 0.5) / scale - 0.5;
    }
    case Transform::kPytorch: return new_length > 1 ? (x + 0.5) / scale - 0.5 : 0.0;
    case Transform::kAlignCorners: return exact_length == 1 ? 0.0 : x * last / (exact_length - 1);
    case Transform::kAsymmetric: return x / scale;
    case Transform::kCrop: {
      const double part = (roi_end - roi_start) * last;
      return roi_start * last + (exact_length == 1 ? part / 2 : x * part / (exact_length - 1));
    }
  }
  return 0;
}

double ResizeRule::nearest_to(double place) const {
  const double low = std::floor(place), ratio = place - low;
  if (ratio == 0) return low;
  switch (nearest_) {
    case Nearest::kPreferFloor: return ratio <= 0.5 ? low : low + 1;
    case Nearest::kPreferCeil: return ratio < 0.5 ? low : low + 1;
    case Nearest::kFloor: return low;
    case Nearest::kCeil: return low + 1;
  }
  return low;
}

// Keys' kernel (IEEE Trans. ASSP 29, 1981, equation 4).
double ResizeRule::cubic(double distance) const {
  const double x = std::abs(distance), a = cubic_a_;
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// Weights of `taps` neighbours of a place that lies `ratio` behind the middle one on its left. A filter that
// shrinks with antialias is stretched by 1 / scale.
std::vector<double> ResizeRule::weights_for(double ratio, double scale, int64_t taps) const {
  std::vector<double> weights(static_cast<size_t>(taps));
  double sum = 0;
  for (int64_t k = 0; k < taps; ++k) {
    const double distance = (static_cast<double>(k + 1 - taps / 2) - ratio) * scale;
    weights[static_cast<size_t>(k)] =
        mode_ == Mode::kCubic ? cubic(distance) : std::max(0.0, 1 - std::abs(distance));
    sum += weights[static_cast<size_t>(k)];
  }
  if (scale < 1) {
    for (double& weight : weights) weight /= sum;
  }
  return weights;
}

ResizedDim ResizeRule::resize(int64_t length, int64_t new_length, double scale, double roi_start,
                              double roi_end) const {
  ResizedDim dim;
  dim.same = scale == 1 && length == new_length && roi_start == 0 && roi_end == 1;
  const double filter_scale = antialias_ ? std::min(scale, 1.0) : 1.0;
  if (!nearest()) {
    const double reach = (mode_ == Mode::kCubic ? 2.0 : 1.0) / filter_scale;
    // More taps than twice the dim has elements would all be its ends.
    const double most = 2.0 * static_cast<double>(length) + 4.0;
    dim.taps = 2 * static_cast<int64_t>(std::clamp(std::ceil(reach), 1.0, std::max(most, 2.0)));
  }
  for (int64_t i = 0; i < new_length; ++i) {
    double place =
        dim.same ? static_cast<double>(i) : place_of(i, length, new_length, scale, roi_start, roi_end);
    const bool outside =
        transform_ == Transform::kCrop && !(place >= 0 && place <= static_cast<double>(length - 1));
    dim.outside.push_back(outside ? 1 : 0);
    place = std::isnan(place) ? 0.0 : std::clamp(place, -kFarthest, kFarthest);
    if (nearest()) {
      dim.places.push_back(std::clamp<int64_t>(static_cast<int64_t>(nearest_to(place)), 0, length - 1));
      dim.weights.push_back(1);
      continue;
    }
    const double base = std::ceil(place) - 1;  // a whole place counts as 1 behind its left neighbour
    std::vector<double> weights = weights_for(place - base, filter_scale, dim.taps);
    double inside = 0;
    for (int64_t k = 0; k < dim.taps; ++k) {
      const int64_t at = static_cast<int64_t>(base) + k + 1 - dim.taps / 2;
      if (exclude_outside_ && (at < 0 || at >= length)) weights[static_cast<size_t>(k)] = 0;
      inside += weights[static_cast<size_t>(k)];
      dim.places.push_back(std::clamp<int64_t>(at, 0, length - 1));
    }
    for (const double weight : weights)
      dim.weights.push_back(exclude_outside_ && inside != 0 ? weight / inside : weight);
  }
  return dim;
}

}  // namespace oag
