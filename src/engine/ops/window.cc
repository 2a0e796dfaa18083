// Tables for spectra: BlackmanWindow HannWindow HammingWindow MelWeightMatrix.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

constexpr int64_t kDefaultType = 1;  // f32

DType output_type(const InferenceContext& context) {
  const int64_t code = context.node().int_attribute("output_datatype", kDefaultType);
  const auto dtype = dtype_from_onnx(code);
  if (!dtype || !kNumericTypes.contains(*dtype))
    context.refuse("output_datatype is {}, which is no number", code);
  return *dtype;
}

DType output_type(const KernelContext& context) {
  return dtype_from_onnx(context.node().int_attribute("output_datatype", kDefaultType)).value_or(DType::kF32);
}

template <typename Context>
void check_size(const Context& context, int64_t size, std::string_view what) {
  if (size < 0) context.refuse("{} is {}", what, size);
}

void infer_window(InferenceContext& context) {
  Dim size = context.fresh_dim("size");
  if (const auto given = context.constant_ints(0); given && given->size() == 1) {
    check_size(context, (*given)[0], "size");
    size = (*given)[0];
  }
  context.set_output(0, output_type(context), Shape{size});
}

int64_t read_scalar(const KernelContext& context, size_t i, std::string_view what) {
  const auto values = read_integers(context.input(i));
  if (values.size() != 1)
    context.refuse("{} must be one number, it is {}", what, to_string(context.input(i).dims()));
  return values[0];
}

// a0 - a1 cos(2πn / N) + a2 cos(4πn / N), N being the size (periodic) or one less.
struct Cosines {
  double a0, a1, a2;
};
constexpr Cosines kHann = {0.5, 0.5, 0}, kHamming = {25.0 / 46, 21.0 / 46, 0}, kBlackman = {0.42, 0.5, 0.08};

template <const Cosines& kCosines>
void window_reference(KernelContext& context) {
  const int64_t size = read_scalar(context, 0, "size");
  check_size(context, size, "size");
  const bool periodic = context.node().int_attribute("periodic", 1) != 0;
  const Tensor& out = context.allocate_output(0, output_type(context), {size});
  const auto period = static_cast<double>(periodic ? size : size - 1);
  for (int64_t n = 0; n < size; ++n) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(n) / period;
    const double value =
        period == 0 ? 1.0 : kCosines.a0 - kCosines.a1 * std::cos(angle) + kCosines.a2 * std::cos(2 * angle);
    store_elements<double>(out, n, 1, {&value, 1});
  }
}

Dim known_scalar(const InferenceContext& context, size_t i, std::string_view what) {
  const auto given = context.constant_ints(i);
  if (!given || given->size() != 1) return context.fresh_dim(what);
  check_size(context, (*given)[0], what);
  return (*given)[0];
}

void infer_mel_weight_matrix(InferenceContext& context) {
  const Dim bins = floor_div(known_scalar(context, 1, "dft_length"), 2) + Dim(1);
  context.set_output(0, output_type(context), Shape{bins, known_scalar(context, 0, "num_mel_bins")});
}

double read_hertz(const KernelContext& context, size_t i, std::string_view what) {
  if (context.input(i).count() != 1) context.refuse("{} must be one number", what);
  double value = 0;
  load_elements<double>(context.input(i), 0, 1, {&value, 1});
  if (!(value >= 0) || std::isinf(value)) context.refuse("{} is {}; it must be a frequency", what, value);
  return value;
}

// The corners of the triangles, in bins of the spectrum: `count` + 2 steps of equal width on the mel scale.
std::vector<int64_t> corners(int64_t count, int64_t dft_length, int64_t sample_rate, double low,
                             double high) {
  constexpr double kScale = 2595.0, kBreak = 700.0;
  const auto mel = [](double hertz) { return kScale * std::log10(1 + hertz / kBreak); };
  const double step = (mel(high) - mel(low)) / static_cast<double>(count + 2);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < count + 2; ++i) {
    const double hertz = kBreak * (std::pow(10.0, (mel(low) + static_cast<double>(i) * step) / kScale) - 1);
    places.push_back(static_cast<int64_t>(
        std::floor(static_cast<double>(dft_length + 1) * hertz / static_cast<double>(sample_rate))));
  }
  return places;
}

void mel_weight_matrix_reference(KernelContext& context) {
  const int64_t columns = read_scalar(context, 0, "num_mel_bins"),
                dft_length = read_scalar(context, 1, "dft_length"),
                sample_rate = read_scalar(context, 2, "sample_rate");
  check_size(context, columns, "num_mel_bins");
  check_size(context, dft_length, "dft_length");
  if (sample_rate <= 0) context.refuse("sample_rate is {}", sample_rate);
  const double low = read_hertz(context, 3, "lower_edge_hertz"),
               high = read_hertz(context, 4, "upper_edge_hertz");
  if (high > 1e12) context.refuse("upper_edge_hertz is {}", high);
  const int64_t rows = dft_length / 2 + 1;
  const Tensor& out = context.allocate_output(0, output_type(context), {rows, columns});
  std::fill(out.bytes().begin(), out.bytes().end(), std::byte{0});
  const std::vector<int64_t> places = corners(columns, dft_length, sample_rate, low, high);
  const auto put = [&](int64_t row, int64_t column, int64_t part, int64_t whole) {
    if (row >= rows) return;  // above half the sample rate
    const double value = static_cast<double>(part) / static_cast<double>(whole);
    store_elements<double>(out, row * columns + column, 1, {&value, 1});
  };
  for (int64_t i = 0; i < columns; ++i) {
    const int64_t left = places[static_cast<size_t>(i)], center = places[static_cast<size_t>(i) + 1],
                  right = places[static_cast<size_t>(i) + 2];
    if (center == left) put(center, i, 1, 1);
    for (int64_t row = left; row <= std::min(center, rows) && center > left; ++row)
      put(row, i, row - left, center - left);
    for (int64_t row = center; row < std::min(right, rows); ++row) put(row, i, right - row, right - center);
  }
}

constexpr DTypeSet kSizeTypes = {DType::kI32, DType::kI64};

constexpr OpSchema window(std::string_view op, KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 17,
          .inputs = {{"size", "T1", kSizeTypes}},
          .outputs = {{"output", "T2", kNumericTypes}},
          .attributes = {{"output_datatype", AttributeKind::kInt}, {"periodic", AttributeKind::kInt}},
          .infer = infer_window,
          .reference = reference};
}

}  // namespace

// Window functions of `size` values; periodic (1) or symmetric.
extern constinit const OpSchema kHannWindow = window("HannWindow", window_reference<kHann>);
extern constinit const OpSchema kHammingWindow = window("HammingWindow", window_reference<kHamming>);
extern constinit const OpSchema kBlackmanWindow = window("BlackmanWindow", window_reference<kBlackman>);

// Triangular filters [dft_length / 2 + 1, num_mel_bins] between two frequencies, equally wide on the scale
// mel(f) = 2595 log10(1 + f / 700), with peaks of 1.
extern constinit const OpSchema kMelWeightMatrix = {
    .domain = "",
    .op = "MelWeightMatrix",
    .since_version = 17,
    .inputs = {{"num_mel_bins", "T1", kSizeTypes},
               {"dft_length", "T1", kSizeTypes},
               {"sample_rate", "T1", kSizeTypes},
               {"lower_edge_hertz", "T2", kFloatTypes},
               {"upper_edge_hertz", "T2", kFloatTypes}},
    .outputs = {{"output", "T3", kNumericTypes}},
    .attributes = {{"output_datatype", AttributeKind::kInt}},
    .infer = infer_mel_weight_matrix,
    .reference = mel_weight_matrix_reference,
};

}  // namespace oag
