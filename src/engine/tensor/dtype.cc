#include "engine/tensor/dtype.h"

#include <array>
#include <string>

#include "base/error.h"
#include "engine/tensor/tensor.h"

namespace oag {
namespace {

constexpr std::array<DTypeInfo, static_cast<size_t>(DType::kCount)> kInfo = {{
    {"undefined", 1, 0, false},
    {"f32", 1, 4, false},
    {"f64", 1, 8, false},
    {"f16", 1, 2, false},
    {"bf16", 1, 2, false},
    {"f8e4m3fn", 1, 1, false},
    {"f8e4m3fnuz", 1, 1, false},
    {"f8e5m2", 1, 1, false},
    {"f8e5m2fnuz", 1, 1, false},
    {"f8e8m0", 1, 1, false},
    {"f4e2m1", 2, 1, false},
    {"i8", 1, 1, false},
    {"i16", 1, 2, false},
    {"i32", 1, 4, false},
    {"i64", 1, 8, false},
    {"u8", 1, 1, false},
    {"u16", 1, 2, false},
    {"u32", 1, 4, false},
    {"u64", 1, 8, false},
    {"i4", 2, 1, false},
    {"u4", 2, 1, false},
    {"i2", 4, 1, false},
    {"u2", 4, 1, false},
    {"bool", 1, 1, false},
    {"string", 1, sizeof(std::string), false},
    {"c64", 1, 8, false},
    {"c128", 1, 16, false},
    {"sequence", 1, sizeof(Tensor), false},
    {"optional", 1, sizeof(Tensor), false},
    {"map", 1, sizeof(Tensor), false},
    {"q4_0", 32, 18, true},
    {"q4_1", 32, 20, true},
    {"q5_0", 32, 22, true},
    {"q5_1", 32, 24, true},
    {"q8_0", 32, 34, true},
    {"q2_k", 256, 84, true},
    {"q3_k", 256, 110, true},
    {"q4_k", 256, 144, true},
    {"q5_k", 256, 176, true},
    {"q6_k", 256, 210, true},
    {"iq4_nl", 32, 18, true},
    {"iq4_xs", 256, 136, true},
    {"mxfp4", 32, 17, true},
}};

}  // namespace

const DTypeInfo& dtype_info(DType dtype) {
  return kInfo[static_cast<size_t>(dtype)];
}

bool is_float(DType dtype) {
  return dtype >= DType::kF32 && dtype <= DType::kF4E2M1;
}

bool is_integer(DType dtype) {
  return dtype >= DType::kI8 && dtype <= DType::kU2;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 1; i < kInfo.size(); ++i) {
    if (kInfo[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

size_t row_bytes(DType dtype, int64_t values) {
  const DTypeInfo& info = dtype_info(dtype);
  const bool padded = !info.is_block_format;  // sub-byte types round up to whole bytes, block formats may not
  if (values < 0 || (!padded && values % info.block_values != 0)) {
    fail(ErrorCode::kInvalidArgument, info.name, "a row of {} values is no multiple of its block of {}",
         values, info.block_values);
  }
  const auto blocks = (static_cast<size_t>(values) + info.block_values - 1) / info.block_values;
  size_t bytes = 0;
  if (__builtin_mul_overflow(blocks, size_t{info.block_bytes}, &bytes)) {
    fail(ErrorCode::kInvalidArgument, info.name, "{} values have more than 2^64 bytes", values);
  }
  return bytes;
}

}  // namespace oag
