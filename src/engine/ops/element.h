#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/tensor/dtype.h"
#include "engine/tensor/tensor.h"

namespace oag {

// Reference kernels compute in one of three types, each holding every value of the stored types it stands
// for: double for floats, int64_t for signed integers, uint64_t for unsigned ones and bool.
enum class WideKind { kFloat, kSigned, kUnsigned };

// Errors: kUnsupported for strings, containers, complex numbers and block formats.
WideKind wide_kind(DType dtype);

template <typename Wide>
bool is_nan(Wide value) {
  return std::isnan(static_cast<double>(value));
}

// Calls visitor(double{}), visitor(int64_t{}) or visitor(uint64_t{}): the wide type of `dtype` is that of the
// argument.
template <typename Visitor>
void visit_wide(DType dtype, Visitor&& visitor) {
  switch (wide_kind(dtype)) {
    case WideKind::kFloat: return std::forward<Visitor>(visitor)(double{});
    case WideKind::kSigned: return std::forward<Visitor>(visitor)(int64_t{});
    case WideKind::kUnsigned: return std::forward<Visitor>(visitor)(uint64_t{});
  }
}

// out[i] = element start + i * step of `tensor`, any float of 4 to 64 bits, any integer of 2 to 64 bits or
// bool. Conversions as store_elements.
template <typename Wide>
void load_elements(const Tensor& tensor, int64_t start, int64_t step, std::span<Wide> out);

// Element start + i * step of `tensor` = values[i]. Floats are rounded to nearest even, once; integers keep
// their low bits; floats become integers by truncation, NaN to 0, and saturate, of which the integers of
// 2 and 4 bits then keep their low bits; bool is "not 0"; floats of 8 and 4 bits saturate. Elements of types
// that share a byte must not be stored by two workers at a time.
template <typename Wide>
void store_elements(const Tensor& tensor, int64_t start, int64_t step, std::span<const Wide> values);

// Several elements share a byte: integers of 2 and 4 bits and E2M1.
inline bool is_packed(DType dtype) {
  return !is_block_format(dtype) && dtype_info(dtype).block_values > 1;
}
// The codes of a packed tensor, a byte each: u8 of the same dims. Packed elements are moved in this form.
Tensor unpack_codes(const Tensor& packed);
void pack_codes(const Tensor& codes, const Tensor& packed);

// A tensor of one element, 0 or the empty string, of a type that is not packed.
Tensor zero_element(DType dtype);

// All elements of an integer tensor, such as axes.
std::vector<int64_t> read_integers(const Tensor& tensor);

// A float that rounds to any narrower type as `value` would: rounded to odd, so that the second rounding is
// the only one.
float narrow_to_odd(double value);

}  // namespace oag
