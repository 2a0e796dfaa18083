#include "engine/ops/conv_columns.h"

#include <algorithm>

namespace oag {
namespace {

// The element of a dim of `length` that tap `tap` of window `index` lies on, or -1.
int64_t covered(const WindowAxis& axis, int64_t length, int64_t index, int64_t tap) {
  const int64_t place = index * axis.stride - axis.before + tap * axis.dilation;
  return place >= 0 && place < length ? place : -1;
}

// The window whose tap `tap` lies on element `index`, or -1.
int64_t covering(const WindowAxis& axis, int64_t windows, int64_t index, int64_t tap) {
  const int64_t place = index + axis.before - tap * axis.dilation;
  if (place < 0 || place % axis.stride != 0) return -1;
  return place / axis.stride < windows ? place / axis.stride : -1;
}

}  // namespace

WindowColumns::WindowColumns(const Dims& x, const Dims& out_spatial, const std::vector<WindowAxis>& axes,
                             int64_t groups, bool transposed)
    : channels_(x[1] / groups),
      groups_(groups),
      in_(x.begin() + 2, x.end()),
      out_(out_spatial),
      axes_(axes),
      transposed_(transposed) {
  for (size_t d = 0; d < axes_.size(); ++d) {
    plane_ *= in_[d];
    taps_ *= axes_[d].kernel;
  }
}

int64_t WindowColumns::place(int64_t tap, int64_t position) const {
  int64_t place = 0, step = 1;
  for (size_t d = axes_.size(); d-- > 0;) {
    const int64_t index = position % out_[d], own_tap = tap % axes_[d].kernel;
    const int64_t at =
        transposed_ ? covering(axes_[d], in_[d], index, own_tap) : covered(axes_[d], in_[d], index, own_tap);
    if (at < 0) return -1;
    place += at * step;
    step *= in_[d];
    position /= out_[d];
    tap /= axes_[d].kernel;
  }
  return place;
}

void WindowColumns::fill(std::span<const double> values, const ColumnProduct::Piece& piece,
                         std::span<double> out) const {
  // Places within a channel's plane of the taps that the piece has, shared by its channels.
  const int64_t taps = std::min(taps_, piece.terms), first_tap = piece.terms < taps_ ? piece.k % taps_ : 0;
  std::vector<int64_t> places(static_cast<size_t>(taps * piece.count));
  for (int64_t i = 0; i < taps; ++i) {
    for (int64_t j = 0; j < piece.count; ++j)
      places[static_cast<size_t>(i * piece.count + j)] = place((first_tap + i) % taps_, piece.first + j);
  }
  const double* channels = values.data() + (piece.image * groups_ + piece.group) * channels_ * plane_;
  for (int64_t k = 0; k < piece.terms; ++k) {
    const int64_t c = (piece.k + k) / taps_, tap = (piece.k + k) % taps_;
    const int64_t* row = places.data() + (tap - first_tap + taps_) % taps_ * piece.count;
    const double* plane = channels + c * plane_;
    double* to = out.data() + k * piece.count;
    for (int64_t j = 0; j < piece.count; ++j) to[j] = row[j] < 0 ? 0.0 : plane[row[j]];
  }
}

}  // namespace oag
