#include "engine/ops/sliding_window.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

template <typename... Args>
[[noreturn]] void refuse(const Node& node, fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node.name, node.full_op()), "{}",
       fmt::format(format, std::forward<Args>(args)...));
}

// No real window is larger; products with lengths stay far from overflow.
constexpr int64_t kMost = int64_t{1} << 31;

// One entry for each spatial dim, `fallback` when the attribute is absent.
std::vector<int64_t> entries(const Node& node, std::string_view name, size_t count, int64_t fallback,
                             int64_t least) {
  std::vector<int64_t> values = node.ints_attribute(name);
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count)
    refuse(node, "{} {} must have {} entries, by the spatial dims", name, to_string(values), count);
  for (const int64_t value : values) {
    if (value < least || value > kMost)
      refuse(node, "{} {} has an entry outside {} … {}", name, to_string(values), least, kMost);
  }
  return values;
}

}  // namespace

AutoPad read_auto_pad(const Node& node) {
  const std::string text = node.string_attribute("auto_pad", "NOTSET");
  if (text == "NOTSET") return AutoPad::kNone;
  if (text == "VALID") return AutoPad::kValid;
  if (text == "SAME_UPPER") return AutoPad::kSameUpper;
  if (text == "SAME_LOWER") return AutoPad::kSameLower;
  refuse(node, "auto_pad is \"{}\"; it must be NOTSET, VALID, SAME_UPPER or SAME_LOWER", text);
}

void split_padding(AutoPad auto_pad, int64_t total, WindowAxis& axis) {
  axis.before = auto_pad == AutoPad::kSameLower ? total - total / 2 : total / 2;
  axis.after = total - axis.before;
}

Windows::Windows(const Node& node, const std::vector<int64_t>& kernel)
    : node_(node), auto_pad_(read_auto_pad(node)), ceil_(node.int_attribute("ceil_mode", 0) != 0) {
  const size_t rank = kernel.size();
  const auto strides = entries(node, "strides", rank, 1, 1),
             dilations = entries(node, "dilations", rank, 1, 1);
  std::vector<int64_t> pads(2 * rank, 0);
  if (auto_pad_ == AutoPad::kNone) pads = entries(node, "pads", 2 * rank, 0, 0);
  for (size_t i = 0; i < rank; ++i) {
    if (kernel[i] < 1 || kernel[i] > kMost)
      refuse(node, "the kernel {} has a length outside 1 … {}", to_string(kernel), kMost);
    axes_.push_back({kernel[i], strides[i], dilations[i], pads[i], pads[rank + i]});
  }
}

Dim Windows::count(size_t axis, const Dim& length) const {
  const WindowAxis& window = axes_[axis];
  const Dim stride = window.stride;
  if (auto_pad_ == AutoPad::kSameUpper || auto_pad_ == AutoPad::kSameLower) return ceil_div(length, stride);
  const Dim room = length + Dim(window.before + window.after - window.extent());
  if (room.is_constant() && room.constant() < 0) {
    refuse(node_, "a window of {} does not fit spatial dim {} of {} with {} of padding", window.extent(),
           axis, length.to_string(), window.before + window.after);
  }
  if (!ceil_ || auto_pad_ == AutoPad::kValid) return floor_div(room, stride) + Dim(1);
  // A window that would begin in the padding behind the last element is none.
  return min(ceil_div(room, stride) + Dim(1), ceil_div(length + Dim(window.before), stride));
}

WindowAxis Windows::settled(size_t axis, int64_t length) const {
  WindowAxis window = axes_[axis];
  if (auto_pad_ == AutoPad::kSameUpper || auto_pad_ == AutoPad::kSameLower) {
    const int64_t windows = (length + window.stride - 1) / window.stride;
    split_padding(auto_pad_, std::max<int64_t>(0, (windows - 1) * window.stride + window.extent() - length),
                  window);
  }
  return window;
}

void Windows::check_rank(size_t rank) const {
  if (rank != axes_.size() + 2)
    refuse(node_, "the input has {} dims; with {} spatial dims it must have {}", rank, axes_.size(),
           axes_.size() + 2);
}

Shape Windows::spatial_counts(const Shape& in) const {
  check_rank(in.size());
  Shape counts;
  for (size_t i = 0; i < axes_.size(); ++i) counts.push_back(count(i, in[i + 2]));
  return counts;
}

Dims Windows::spatial_counts(const Dims& in) const {
  Dims counts;
  for (const Dim& dim : spatial_counts(to_shape(in))) counts.push_back(dim.constant());
  return counts;
}

std::vector<WindowAxis> Windows::settled(const Dims& in) const {
  check_rank(in.size());
  std::vector<WindowAxis> windows;
  for (size_t i = 0; i < axes_.size(); ++i) windows.push_back(settled(i, in[i + 2]));
  return windows;
}

}  // namespace oag
