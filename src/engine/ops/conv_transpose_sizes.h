#pragma once

#include <vector>

#include "engine/ops/kernel.h"
#include "engine/ops/schema.h"
#include "engine/ops/sliding_window.h"

namespace oag {

// The windows of a ConvTranspose: what Conv's attributes say, and those that only transposed convolutions
// have.
class TransposedWindows {
 public:
  // Errors: kInvalidArgument through `context`.
  template <typename Context>
  TransposedWindows(const Context& context, const std::vector<int64_t>& kernel)
      : TransposedWindows(context.node(), kernel) {
    if (!wrong_.empty()) context.refuse("{}", wrong_);
  }

  Dim length(size_t d, const Dim& in) const;       // of the output
  WindowAxis settled(size_t d, int64_t in) const;  // with the padding that is taken off the output

 private:
  TransposedWindows(const Node& node, const std::vector<int64_t>& kernel);

  bool is_same() const {
    return windows_.auto_pad() == AutoPad::kSameUpper || windows_.auto_pad() == AutoPad::kSameLower;
  }
  Dim whole(size_t d, const Dim& in) const;  // length before padding is taken off

  Windows windows_;
  std::vector<int64_t> extra_, output_;
  std::string wrong_;
};

// A ConvTranspose of input 0 [N, C, spatial…] with input 1 [C, M / group, kernel…].
struct ConvTransposeSizes {
  // Errors: kInvalidArgument, prefixed with node and operator, when the inputs do not fit.
  explicit ConvTransposeSizes(const KernelContext& context);

  int64_t groups;
  std::vector<WindowAxis> axes;
  Dims out_dims;
};

}  // namespace oag
