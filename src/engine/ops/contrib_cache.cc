#include "engine/ops/contrib_cache.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace oag {
namespace {

constexpr int64_t kHalfByteZero = 8;

}  // namespace

CacheFormat::CacheFormat(const KernelContext& context, DType dtype, size_t scale_input, std::string_view kind,
                         int64_t heads, int64_t width)
    : heads_(heads), width_(width) {
  const std::string said = context.node().string_attribute(kind, "NONE");
  const bool quantised = dtype == DType::kI8 || dtype == DType::kU8;
  if (quantised != (said != "NONE"))
    context.refuse("{} is {}, but the cache is {}", kind, said, dtype_name(dtype));
  if (!quantised) return;
  if (said != "PER_TENSOR" && said != "PER_CHANNEL")
    context.refuse("{} is {}; it must be NONE, PER_TENSOR or PER_CHANNEL", kind, said);
  bits_ = context.node().int_attribute("kv_cache_bit_width", 0);
  const int64_t wanted = dtype == DType::kI8 ? 8 : 4;
  if (bits_ != wanted)
    context.refuse("kv_cache_bit_width is {}; a cache of {} needs {}", bits_, dtype_name(dtype), wanted);
  if (bits_ == 4 && width % 2 != 0) context.refuse("heads of {} values do not fill whole bytes", width);
  const int64_t count = said == "PER_TENSOR" ? 1 : heads * width;
  if (!context.has_input(scale_input) || context.input(scale_input).count() != count)
    context.refuse("input {} must have {} scales", scale_input, count);
  scales_.resize(static_cast<size_t>(count));
  load_elements<double>(context.input(scale_input), 0, 1, scales_);
}

HeadArray CacheFormat::read(const Tensor& cache) const {
  if (bits_ != 4) return heads_of_array(cache);
  HeadArray codes(cache.dim(0), cache.dim(1), cache.dim(2), width_);
  const auto bytes = cache.values<uint8_t>();
  for (size_t i = 0; i < codes.values.size(); ++i) {
    const int64_t code = i % 2 == 0 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
    codes.values[i] = static_cast<double>(code - kHalfByteZero);
  }
  return codes;
}

void CacheFormat::store(const HeadArray& codes, const Tensor& cache) const {
  if (bits_ != 4) return store_heads(codes, cache);
  const auto bytes = cache.values<uint8_t>();
  const auto half = [&](size_t i) { return static_cast<int64_t>(codes.values[i]) + kHalfByteZero; };
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<uint8_t>(half(2 * i) | half(2 * i + 1) << 4);
}

void CacheFormat::to_codes(HeadArray& numbers) const {
  if (bits_ == 0) return;
  const double most = bits_ == 8 ? 127 : 7;
  const auto head = static_cast<size_t>(numbers.tokens * width_);
  for (size_t i = 0; i < numbers.values.size(); ++i) {
    const double code = std::nearbyint(numbers.values[i] / scale(i, head));
    numbers.values[i] = std::isnan(code) ? 0 : std::clamp(code, -most - 1, most);
  }
}

void CacheFormat::to_numbers(HeadArray& codes) const {
  if (bits_ == 0) return;
  const auto head = static_cast<size_t>(codes.tokens * width_);
  for (size_t i = 0; i < codes.values.size(); ++i) codes.values[i] *= scale(i, head);
}

double CacheFormat::scale(size_t place, size_t head) const {
  if (scales_.size() == 1) return scales_[0];
  const auto width = static_cast<size_t>(width_);
  return scales_[place / head % static_cast<size_t>(heads_) * width + place % width];
}

int64_t resident_tokens(int64_t had, int64_t capacity, int64_t window) {
  if (had <= capacity) return had;
  const int64_t slack = capacity - window + 1;  // what is dropped at once
  return had - slack * ((had - capacity + slack - 1) / slack);
}

}  // namespace oag
