#include "llm/vision/resize.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace oag {
namespace {

constexpr int kFractionBits = 22;  // 32 less 8 of a sample and 2 for weights past 1 and their sign
constexpr int32_t kHalf = 1 << (kFractionBits - 1);
constexpr double kRadius = 2.0;       // of the cubic kernel
constexpr int64_t kRowsPerTile = 16;  // rows of one call of the parallel loop
constexpr int kColumnBlock = 1024;    // sums of the second pass that stay in the first cache

// The input samples [first[i], first[i] + count[i]) and their weights [outputs, stride] that make output i.
struct AxisFilter {
  int stride = 0;
  std::vector<int32_t> first;
  std::vector<int32_t> count;
  std::vector<int32_t> weights;
};

// Keys, "Cubic convolution interpolation for digital image processing", with a = -0.5.
double cubic_weight(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

// Toward zero after adding a half, as Pillow does: below zero the result is clamped anyway.
int rounded(double value) {
  const double raised = value + 0.5;
  return static_cast<int>(raised);
}

// The order of operations is part of the result: a weight that rounds otherwise changes pixels.
AxisFilter make_filter(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kRadius * filter_scale;
  const double inverse = 1.0 / filter_scale;
  AxisFilter filter;
  filter.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  filter.first.resize(static_cast<size_t>(out));
  filter.count.resize(static_cast<size_t>(out));
  filter.weights.resize(static_cast<size_t>(out) * filter.stride);
  std::vector<double> exact(static_cast<size_t>(filter.stride));
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(0, rounded(center - support));
    const int count = std::min(in, rounded(center + support)) - first;
    double sum = 0.0;
    for (int k = 0; k < count; ++k) {
      exact[k] = cubic_weight((k + first - center + 0.5) * inverse);
      sum += exact[k];
    }
    int32_t* weights = filter.weights.data() + static_cast<size_t>(i) * filter.stride;
    for (int k = 0; k < count; ++k) {
      const double weight = sum != 0.0 ? exact[k] / sum : exact[k];
      weights[k] = static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kFractionBits));
    }
    filter.first[i] = first;
    filter.count[i] = count;
  }
  return filter;
}

uint8_t to_sample(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

void filter_row(const uint8_t* row, const AxisFilter& filter, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x) {
    const int32_t* weights = filter.weights.data() + static_cast<size_t>(x) * filter.stride;
    const uint8_t* pixel = row + size_t{3} * filter.first[x];
    const int count = filter.count[x];
    int32_t red = kHalf, green = kHalf, blue = kHalf;
    for (int k = 0; k < count; ++k, pixel += 3) {
      red += pixel[0] * weights[k];
      green += pixel[1] * weights[k];
      blue += pixel[2] * weights[k];
    }
    *out++ = to_sample(red);
    *out++ = to_sample(green);
    *out++ = to_sample(blue);
  }
}

// Row y of the second pass: weighted sums of whole rows of `row_bytes`.
void filter_column(const uint8_t* rows, size_t row_bytes, const AxisFilter& filter, int y, uint8_t* out) {
  const int32_t* weights = filter.weights.data() + static_cast<size_t>(y) * filter.stride;
  const uint8_t* top = rows + row_bytes * filter.first[y];
  std::array<int32_t, kColumnBlock> sums;
  for (size_t start = 0; start < row_bytes; start += kColumnBlock) {
    const size_t size = std::min<size_t>(kColumnBlock, row_bytes - start);
    std::fill_n(sums.begin(), size, kHalf);
    for (int k = 0; k < filter.count[y]; ++k) {
      const uint8_t* row = top + row_bytes * k + start;
      const int32_t weight = weights[k];
      for (size_t i = 0; i < size; ++i) sums[i] += row[i] * weight;
    }
    for (size_t i = 0; i < size; ++i) out[start + i] = to_sample(sums[i]);
  }
}

// Calls work(y) for each row, some rows at a time.
void for_rows(int rows, ParallelFor parallel_for, FunctionRef<void(int)> work) {
  const int64_t tiles = (rows + kRowsPerTile - 1) / kRowsPerTile;
  parallel_for(tiles, [&](int64_t tile) {
    const int64_t end = std::min<int64_t>(rows, (tile + 1) * kRowsPerTile);
    for (int64_t y = tile * kRowsPerTile; y < end; ++y) work(static_cast<int>(y));
  });
}

RgbImage blank(int width, int height) {
  return {width, height, std::vector<uint8_t>(size_t{3} * width * height)};
}

RgbImage resize_width(const RgbImage& image, int width, ParallelFor parallel_for) {
  RgbImage resized = blank(width, image.height);
  const AxisFilter filter = make_filter(image.width, width);
  for_rows(image.height, parallel_for, [&](int y) {
    filter_row(image.pixels.data() + size_t{3} * image.width * y, filter, width,
               resized.pixels.data() + size_t{3} * width * y);
  });
  return resized;
}

RgbImage resize_height(const RgbImage& image, int height, ParallelFor parallel_for) {
  RgbImage resized = blank(image.width, height);
  const AxisFilter filter = make_filter(image.height, height);
  const size_t row_bytes = size_t{3} * image.width;
  for_rows(height, parallel_for, [&](int y) {
    filter_column(image.pixels.data(), row_bytes, filter, y, resized.pixels.data() + row_bytes * y);
  });
  return resized;
}

// Pillow 13's rule; rounding between the passes makes the order visible.
bool height_goes_first(const RgbImage& image, int width, int height) {
  const int fewer_rows = image.height - height;
  return fewer_rows > 0 && fewer_rows > 2 * (image.width - width);
}

}  // namespace

RgbImage resize_bicubic(const RgbImage& image, int width, int height, ParallelFor parallel_for) {
  if (width == image.width && height == image.height) return image;
  if (width == image.width) return resize_height(image, height, parallel_for);
  if (height == image.height) return resize_width(image, width, parallel_for);
  if (height_goes_first(image, width, height))
    return resize_width(resize_height(image, height, parallel_for), width, parallel_for);
  return resize_height(resize_width(image, width, parallel_for), height, parallel_for);
}

}  // namespace oag
