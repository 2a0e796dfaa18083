#pragma once

#include <string_view>
#include <vector>

#include "engine/ops/contrib_attention.h"

namespace oag {

// How GroupQueryAttention's cache of keys or of values holds its numbers: as they are, or as integers of 8 or
// 4 bits (a byte's low bits first, moved by 8) times a scale for all or for each head's channel.
class CacheFormat {
 public:
  // `kind` names the attribute that says which. Errors: kInvalidArgument through `context`.
  CacheFormat(const KernelContext& context, DType dtype, size_t scale_input, std::string_view kind,
              int64_t heads, int64_t width);

  int64_t stored_width() const { return bits_ == 4 ? width_ / 2 : width_; }
  // Codes, or numbers where the cache holds such.
  HeadArray read(const Tensor& cache) const;
  void store(const HeadArray& codes, const Tensor& cache) const;
  void to_codes(HeadArray& numbers) const;
  void to_numbers(HeadArray& codes) const;

 private:
  double scale(size_t place, size_t head) const;

  int64_t heads_, width_, bits_ = 0;
  std::vector<double> scales_;
};

// How many tokens of `had` a cache of `capacity` keeps that drops what lies before a window of `window`.
int64_t resident_tokens(int64_t had, int64_t capacity, int64_t window);

}  // namespace oag
