#include "llm/vision/smart_resize.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace oag {
namespace {

constexpr double kMaxAspect = 200.0;
constexpr int kMaxSide = 1'000'000;

double half_to_even(double value) {
  const double floor = std::floor(value);
  const double rest = value - floor;
  const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(floor, 2.0) != 0.0);
  return up ? floor + 1.0 : floor;
}

}  // namespace

// Double arithmetic in the reference's order: sizes near a boundary depend on it.
ImageSize smart_resize(int height, int width, const ResizeBudget& budget, std::string_view where) {
  if (height < 1 || width < 1)
    fail(ErrorCode::kInvalidArgument, where, "the picture has {}x{} pixels", width, height);
  const double factor = budget.factor;
  double h = height, w = width;
  if (h < factor || w < factor) {
    const double scale = std::max(factor / h, factor / w);
    h = std::trunc(h * scale);
    w = std::trunc(w * scale);
  }
  if (std::max(h, w) / std::min(h, w) > kMaxAspect)
    fail(ErrorCode::kInvalidArgument, where,
         "the picture has {}x{} pixels; one side may be at most {} times the other", width, height,
         kMaxAspect);

  const double frames = budget.frames;
  double to_h = half_to_even(h / factor) * factor;
  double to_w = half_to_even(w / factor) * factor;
  if (frames * to_h * to_w > static_cast<double>(budget.max_pixels)) {
    const double beta = std::sqrt(frames * h * w / static_cast<double>(budget.max_pixels));
    to_h = std::max(factor, std::floor(h / beta / factor) * factor);
    to_w = std::max(factor, std::floor(w / beta / factor) * factor);
  } else if (frames * to_h * to_w < static_cast<double>(budget.min_pixels)) {
    const double beta = std::sqrt(static_cast<double>(budget.min_pixels) / (frames * h * w));
    to_h = std::ceil(h * beta / factor) * factor;
    to_w = std::ceil(w * beta / factor) * factor;
  }
  if (std::max(to_h, to_w) > kMaxSide)
    fail(ErrorCode::kInvalidArgument, where,
         "the picture of {}x{} pixels would become {:.0f}x{:.0f}: min_pixels is too large", width, height,
         to_w, to_h);
  return {static_cast<int>(to_h), static_cast<int>(to_w)};
}

}  // namespace oag
