#pragma once

#include <cstdint>
#include <vector>

#include "engine/graph/graph.h"

namespace oag {

// A window along one spatial dim: `kernel` taps, `dilation` apart, moved by `stride`, over a dim that is
// padded.
struct WindowAxis {
  int64_t kernel = 1, stride = 1, dilation = 1;
  int64_t before = 0, after = 0;  // padding
  int64_t extent() const { return (kernel - 1) * dilation + 1; }
};

enum class AutoPad { kNone, kValid, kSameUpper, kSameLower };

// The windows of a convolution or pooling, as its attributes give them: strides, dilations, pads, auto_pad
// and ceil_mode. Errors: kInvalidArgument, prefixed with node and operator.
class Windows {
 public:
  // `kernel` has one length for each spatial dim, all above 0.
  Windows(const Node& node, const std::vector<int64_t>& kernel);

  size_t rank() const { return axes_.size(); }
  AutoPad auto_pad() const { return auto_pad_; }
  const std::vector<WindowAxis>& axes() const { return axes_; }

  // How many windows there are along a dim of `length`.
  Dim count(size_t axis, const Dim& length) const;
  // The window with the padding that auto_pad gives it on a dim of `length`.
  WindowAxis settled(size_t axis, int64_t length) const;

  // count for the dims of `in` behind the first two: [N, C, spatial…].
  Shape spatial_counts(const Shape& in) const;
  Dims spatial_counts(const Dims& in) const;
  std::vector<WindowAxis> settled(const Dims& in) const;

 private:
  void check_rank(size_t rank) const;

  const Node& node_;
  std::vector<WindowAxis> axes_;
  AutoPad auto_pad_ = AutoPad::kNone;
  bool ceil_ = false;
};

// `total` padding split in two; the odd one goes to the end, or to the start for kSameLower.
void split_padding(AutoPad auto_pad, int64_t total, WindowAxis& axis);

// The attribute auto_pad. Errors: kInvalidArgument for another word.
AutoPad read_auto_pad(const Node& node);

}  // namespace oag
