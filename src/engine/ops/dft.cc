// DFT and STFT: spectra of signals, computed in double.
#include <algorithm>
#include <complex>
#include <optional>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/fourier.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

using Complex = FourierTransform::Complex;

constexpr int64_t kLongest = int64_t{1} << 30;
constexpr DTypeSet kLengthTypes = {DType::kI32, DType::kI64};

// One number, when it is given.
std::optional<int64_t> read_optional(const KernelContext& context, size_t i, std::string_view what) {
  if (!context.has_input(i)) return std::nullopt;
  const auto values = read_integers(context.input(i));
  if (values.size() != 1)
    context.refuse("{} must be one number, it is {}", what, to_string(context.input(i).dims()));
  return values[0];
}

template <typename Context>
void check_length(const Context& context, int64_t length, std::string_view what) {
  if (length < 1 || length > kLongest)
    context.refuse("{} is {}; it must be from 1 to {}", what, length, kLongest);
}

// The last dim holds real numbers (1) or complex ones (2) and is no axis of the signal.
template <typename Context>
size_t signal_axis(const Context& context, int64_t axis, size_t rank) {
  const auto place = static_cast<size_t>(normalize_axis(context, axis, rank));
  if (rank < 2 || place + 1 == rank) context.refuse("axis {} is none of the signal's of rank {}", axis, rank);
  return place;
}

struct Mode {
  explicit Mode(const Node& node, int64_t default_onesided)
      : inverse(node.int_attribute("inverse", 0) != 0),
        onesided(node.int_attribute("onesided", default_onesided) != 0) {}
  bool inverse, onesided;
};

void infer_dft(InferenceContext& context) {
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  const Mode mode(context.node(), 0);
  Shape out = context.shape(0);
  if (out.size() < 2) context.refuse("input {} must have rank 2 or more", to_string(out));
  out.back() = mode.inverse && mode.onesided ? 1 : 2;
  const auto axis = context.has_input(2) ? context.constant_ints(2) : std::vector<int64_t>{-2};
  if (!axis || axis->size() != 1) {
    for (size_t d = 0; d + 1 < out.size(); ++d) out[d] = context.fresh_dim("d" + std::to_string(d));
    return context.set_output(0, context.dtype(0), std::move(out));
  }
  Dim& length = out[signal_axis(context, (*axis)[0], out.size())];
  if (!context.has_input(1)) {
    if (mode.inverse && mode.onesided) length = Dim(2) * (length - Dim(1));
  } else {
    const auto given = context.constant_ints(1);
    if (given && given->size() == 1) check_length(context, (*given)[0], "dft_length");
    length = given && given->size() == 1 ? Dim((*given)[0]) : context.fresh_dim("dft_length");
  }
  if (mode.onesided && !mode.inverse) length = floor_div(length, 2) + Dim(1);
  context.set_output(0, context.dtype(0), std::move(out));
}

// `values` = the elements of `in` from `start` on, `step` apart, real or complex; 0 beyond the `count` that
// are there.
void load_signal(const Tensor& in, int64_t start, int64_t step, int64_t count, std::span<Complex> values) {
  const int64_t parts = in.dims().back();
  std::fill(values.begin(), values.end(), Complex());
  const auto used = std::min(values.size(), static_cast<size_t>(count));
  std::vector<double> part(used);
  load_elements<double>(in, start, step, part);
  for (size_t i = 0; i < used; ++i) values[i].real(part[i]);
  if (parts == 1) return;
  load_elements<double>(in, start + 1, step, part);
  for (size_t i = 0; i < used; ++i) values[i].imag(part[i]);
}

// The first `values` to `out` from `start` on, `step` apart; the imaginary parts too when out has them.
void store_spectrum(const Tensor& out, int64_t start, int64_t step, std::span<const Complex> values) {
  std::vector<double> part(values.size());
  std::transform(values.begin(), values.end(), part.begin(), [](Complex value) { return value.real(); });
  store_elements<double>(out, start, step, part);
  if (out.dims().back() == 1) return;
  std::transform(values.begin(), values.end(), part.begin(), [](Complex value) { return value.imag(); });
  store_elements<double>(out, start + 1, step, part);
}

// The second half of the spectrum of a real signal mirrors the first; what a real signal cannot have is
// dropped.
void complete_spectrum(std::span<Complex> values) {
  const size_t length = values.size();
  values[0].imag(0);
  if (length % 2 == 0) values[length / 2].imag(0);
  for (size_t k = length / 2 + 1; k < length; ++k) values[k] = std::conj(values[length - k]);
}

void dft_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Mode mode(context.node(), 0);
  const size_t axis = signal_axis(context, read_optional(context, 2, "axis").value_or(-2), in.rank());
  const int64_t parts = in.dims().back();
  if (parts != 1 && parts != 2) context.refuse("the last dim of {} must be 1 or 2", to_string(in.dims()));
  const bool to_real = mode.inverse && mode.onesided;
  const int64_t length =
      read_optional(context, 1, "dft_length").value_or(to_real ? 2 * (in.dim(axis) - 1) : in.dim(axis));
  check_length(context, length, "dft_length");
  Dims dims = in.dims();
  dims.back() = to_real ? 1 : 2;
  dims[axis] = mode.onesided && !mode.inverse ? length / 2 + 1 : length;
  const Tensor& out = context.allocate_output(0, in.dtype(), dims);
  if (out.count() == 0) return;
  // Lanes of numbers: the last dim of 1 or 2 is left out.
  const Lanes from(Dims(in.dims().begin(), in.dims().end() - 1), axis),
      to(Dims(dims.begin(), dims.end() - 1), axis);
  const FourierTransform transform(length, mode.inverse);
  context.env().parallel_for(from.count, 50 * length, [&](int64_t lane, int) {
    std::vector<Complex> values(static_cast<size_t>(length));
    const int64_t used = to_real ? std::min(from.length, length / 2 + 1) : from.length;
    load_signal(in, from.start(lane) * parts, from.step * parts, used, values);
    if (to_real) complete_spectrum(values);
    transform.run(values);
    if (mode.inverse) {
      for (Complex& value : values) value /= static_cast<double>(length);
    }
    values.resize(static_cast<size_t>(to.length));
    store_spectrum(out, to.start(lane) * dims.back(), to.step * dims.back(), values);
  });
}

void infer_stft(InferenceContext& context) {
  const Mode mode(context.node(), 1);
  const auto step = context.constant_ints(1), given = context.constant_ints(3);
  std::optional<Dim> length;
  if (given && given->size() == 1) {
    length = Dim((*given)[0]);
  } else if (!context.has_input(3) && context.has_shape(2) && context.shape(2).size() == 1) {
    length = context.shape(2)[0];
  } else if (!context.has_input(3) && !context.has_input(2) && context.has_shape(0) &&
             context.shape(0).size() == 3) {
    length = context.shape(0)[1];
  }
  if (context.has_shape(0) && context.shape(0).size() != 3)
    context.refuse("signal {} must be [batch, length, 1 or 2]", to_string(context.shape(0)));
  Shape out = {context.has_shape(0) ? context.shape(0)[0] : context.fresh_dim("batch"),
               context.fresh_dim("frames"), context.fresh_dim("bins"), 2};
  if (length) out[2] = mode.onesided ? floor_div(*length, 2) + Dim(1) : *length;
  if (length && step && step->size() == 1 && context.has_shape(0)) {
    check_length(context, (*step)[0], "frame_step");
    const Dim frames = floor_div(context.shape(0)[1] - *length, (*step)[0]) + Dim(1);
    if (!frames.is_constant() || frames.constant() >= 0) out[1] = frames;
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

void stft_reference(KernelContext& context) {
  const Tensor& signal = context.input(0);
  const Mode mode(context.node(), 1);
  if (signal.rank() != 3 || (signal.dim(2) != 1 && signal.dim(2) != 2))
    context.refuse("signal {} must be [batch, length, 1 or 2]", to_string(signal.dims()));
  const int64_t step = *read_optional(context, 1, "frame_step");
  check_length(context, step, "frame_step");
  const bool has_window = context.has_input(2);
  const int64_t window_length = has_window ? context.input(2).count() : signal.dim(1);
  const int64_t length = read_optional(context, 3, "frame_length").value_or(window_length);
  check_length(context, length, "frame_length");
  if (has_window && window_length != length)
    context.refuse("window has {} values for frames of {}", window_length, length);
  if (signal.dim(1) < length)
    context.refuse("signal of {} is shorter than a frame of {}", signal.dim(1), length);
  std::vector<double> window(static_cast<size_t>(length), 1.0);
  if (has_window) load_elements<double>(context.input(2), 0, 1, window);
  const int64_t frames = (signal.dim(1) - length) / step + 1, bins = mode.onesided ? length / 2 + 1 : length,
                parts = signal.dim(2);
  const Tensor& out = context.allocate_output(0, signal.dtype(), {signal.dim(0), frames, bins, 2});
  const FourierTransform transform(length, false);
  context.env().parallel_for(signal.dim(0) * frames, 50 * length, [&](int64_t i, int) {
    std::vector<Complex> values(static_cast<size_t>(length));
    const int64_t start = i / frames * signal.dim(1) + i % frames * step;
    load_signal(signal, start * parts, parts, length, values);
    std::transform(values.begin(), values.end(), window.begin(), values.begin(),
                   [](Complex value, double weight) { return value * weight; });
    transform.run(values);
    store_spectrum(out, i * bins * 2, 2, std::span<const Complex>(values).first(static_cast<size_t>(bins)));
  });
}

}  // namespace

// The transform along `axis` (-2) of numbers [..., 1] or [..., 2], cut or filled with 0 to dft_length;
// inverse: scaled by 1 / dft_length. onesided: of real signals only the first half is made, or taken by the
// inverse.
extern constinit const OpSchema kDFT = {
    .domain = "",
    .op = "DFT",
    .since_version = 20,
    .inputs = {{"input", "T1", kFloatTypes},
               {"dft_length", "T2", kLengthTypes, true},
               {"axis", "", {DType::kI64}, true}},
    .outputs = {{"output", "T1", kFloatTypes}},
    .attributes = {{"inverse", AttributeKind::kInt}, {"onesided", AttributeKind::kInt}},
    .infer = infer_dft,
    .reference = dft_reference,
};

// Transforms of frames of frame_length, each frame_step after the last, weighted by window: [batch, frames,
// bins, 2].
extern constinit const OpSchema kSTFT = {
    .domain = "",
    .op = "STFT",
    .since_version = 17,
    .inputs = {{"signal", "T1", kFloatTypes},
               {"frame_step", "T2", kLengthTypes},
               {"window", "T1", kFloatTypes, true},
               {"frame_length", "T2", kLengthTypes, true}},
    .outputs = {{"output", "T1", kFloatTypes}},
    .attributes = {{"onesided", AttributeKind::kInt}},
    .infer = infer_stft,
    .reference = stft_reference,
};

}  // namespace oag
