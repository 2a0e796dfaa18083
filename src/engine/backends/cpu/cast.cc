// Cast between f32, f64, f16, bf16, i64, i32, i8, u8 and bool, as the reference kernel does: floats round to
// nearest even; floats to integers truncate and saturate, NaN is 0; integers keep their low bits.
#include <algorithm>
#include <limits>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/tensor/float16.h"

namespace oag::cpu {
namespace {

constexpr int64_t kPiece = 4096;  // elements of a tile

// How elements are stored, where T is not enough to tell.
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};
struct Bool {
  uint8_t byte;
};

// Calls visit(T{}) for the element type; false when it is none of those above.
template <typename Visit>
bool visit_type(DType dtype, Visit&& visit) {
  switch (dtype) {
    case DType::kF32: visit(float{}); return true;
    case DType::kF64: visit(double{}); return true;
    case DType::kF16: visit(F16{}); return true;
    case DType::kBF16: visit(BF16{}); return true;
    case DType::kI64: visit(int64_t{}); return true;
    case DType::kI32: visit(int32_t{}); return true;
    case DType::kI8: visit(int8_t{}); return true;
    case DType::kU8: visit(uint8_t{}); return true;
    case DType::kBool: visit(Bool{}); return true;
    default: return false;
  }
}

Refusal accept(const KernelQuery& query) {
  const auto nothing = [](auto) {};
  if (!visit_type(query.dtype(0), nothing)) return "the input's type has no fast conversion";
  const auto to = dtype_from_onnx(query.node.int_attribute("to"));
  if (!to || !visit_type(*to, nothing)) return "the output's type has no fast conversion";
  // 16 bits are made of f32, which must hold the value, or be as far out of their range.
  const bool twice =
      (query.dtype(0) == DType::kF64 && (*to == DType::kF16 || *to == DType::kBF16)) ||
      ((query.dtype(0) == DType::kI64 || query.dtype(0) == DType::kI32) && *to == DType::kBF16);
  return twice ? "it would be rounded twice" : Refusal{};
}

// The value, in a type that computes.
template <typename T>
auto widened(T value) {
  if constexpr (std::is_same_v<T, F16>) {
    return f32_from_f16(value.bits);
  } else if constexpr (std::is_same_v<T, BF16>) {
    return f32_from_bf16(value.bits);
  } else if constexpr (std::is_same_v<T, Bool>) {
    return static_cast<uint8_t>(value.byte != 0);
  } else {
    return value;
  }
}

template <typename To, typename From>
To truncated(From value) {
  using Limits = std::numeric_limits<To>;
  if (!(value > static_cast<From>(Limits::min()))) return value != value ? To{0} : Limits::min();
  if (value >= static_cast<From>(Limits::max())) return Limits::max();
  return static_cast<To>(value);
}

template <typename To, typename From>
To converted(From value) {
  if constexpr (std::is_same_v<To, Bool>) {
    return Bool{static_cast<uint8_t>(value != From{0})};
  } else if constexpr (std::is_same_v<To, F16>) {
    return F16{f16_from_f32(static_cast<float>(value))};
  } else if constexpr (std::is_same_v<To, BF16>) {
    return BF16{bf16_from_f32(static_cast<float>(value))};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return truncated<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

template <typename From, typename To>
void convert_all(const KernelContext& context, const Tensor& out) {
  const From* from = context.input(0).values<From>().data();
  To* to = out.values<To>().data();
  const int64_t count = out.count();
  context.env().parallel_for((count + kPiece - 1) / kPiece, kPiece / 2, [&](int64_t piece, int) {
    const int64_t end = std::min(count, (piece + 1) * kPiece);
    for (int64_t i = piece * kPiece; i < end; ++i) to[i] = converted<To>(widened(from[i]));
  });
}

void run(const KernelContext& context, const MicroKernels&) {
  const DType dtype = dtype_from_onnx(context.node().int_attribute("to")).value_or(DType::kUndefined);
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, dtype, in.dims());
  visit_type(in.dtype(), [&](auto from) {
    visit_type(dtype, [&](auto to) { convert_all<decltype(from), decltype(to)>(context, out); });
  });
}

}  // namespace

extern constinit const KernelImpl kCast = {"", "Cast", "cast", accept, make_kernel<run>};

}  // namespace oag::cpu
