#include "engine/tensor/quantize.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "engine/tensor/quantize_families.h"

namespace oag {
namespace {

quantize::Kernel find_kernel(DType to) {
  const int lanes = quantize::lanes_of_this_processor();
  if (const quantize::Kernel kernel = quantize::legacy_kernel(to, lanes)) return kernel;
  if (const quantize::Kernel kernel = quantize::k_kernel(to, lanes)) return kernel;
  return quantize::table_kernel(to, lanes);
}

// The bits of the smallest magnitude that is too large.
uint32_t first_too_large(DType to) {
  switch (to) {
    case DType::kF32:
    case DType::kMXFP4: return 0x7f800000u;
    case DType::kBF16: return 0x7f7f8000u;  // rounds to 2^128
    case DType::kF16: return std::bit_cast<uint32_t>(65520.0f);
    default: return std::bit_cast<uint32_t>(65504.0f) + 1;  // the f16 scales
  }
}

}  // namespace

bool can_quantize_to(DType to) {
  return find_kernel(to) != nullptr;
}

void quantize_rows(DType to, std::span<const float> values, int64_t row_length, std::span<std::byte> out) {
  const DTypeInfo& info = dtype_info(to);
  const quantize::Kernel kernel = find_kernel(to);
  if (kernel == nullptr) {
    fail(ErrorCode::kUnsupported, info.name,
         "cannot be written; types that can: f32 f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k "
         "iq4_nl iq4_xs mxfp4");
  }
  const size_t blocks = values.size() / info.block_values;
  if (row_length < 1 || row_length % info.block_values != 0 ||
      values.size() % static_cast<size_t>(row_length) != 0 || out.size() / info.block_bytes != blocks ||
      out.size() % info.block_bytes != 0) {
    fail(ErrorCode::kInvalidArgument, info.name,
         "{} values in rows of {} do not belong to {} bytes: expected whole rows of whole blocks, {} values "
         "in {} bytes",
         values.size(), row_length, out.size(), info.block_values, info.block_bytes);
  }
  kernel(values.data(), blocks, reinterpret_cast<uint8_t*>(out.data()));
}

std::optional<size_t> find_unstorable(DType to, std::span<const float> values) {
  const uint32_t limit = first_too_large(to);
  const auto too_large = [limit](float value) {
    return (std::bit_cast<uint32_t>(value) & 0x7fffffffu) >= limit;
  };
  constexpr size_t kPiece = 4096;  // one answer per piece leaves the inner loop without branches
  for (size_t begin = 0; begin < values.size(); begin += kPiece) {
    const std::span<const float> piece = values.subspan(begin, std::min(kPiece, values.size() - begin));
    uint32_t any = 0;
    for (const float value : piece) any |= too_large(value) ? 1u : 0u;
    if (any == 0) continue;
    for (size_t i = 0; i < piece.size(); ++i) {
      if (too_large(piece[i])) return begin + i;
    }
  }
  return std::nullopt;
}

}  // namespace oag
