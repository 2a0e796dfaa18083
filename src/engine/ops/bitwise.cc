// Operators on bit patterns: BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot BitCast.
#include <string>

#include "engine/ops/elementwise.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

// clang-format off
struct BitAnd { template <typename Integer> Integer operator()(Integer a, Integer b) const { return a & b; } };
struct BitOr { template <typename Integer> Integer operator()(Integer a, Integer b) const { return a | b; } };
struct BitXor { template <typename Integer> Integer operator()(Integer a, Integer b) const { return a ^ b; } };
struct BitNot { template <typename Integer> Integer operator()(Integer a) const { return ~a; } };
// clang-format on

template <typename Op>
void integer_binary(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  const Tensor& out = context.allocate_output(0, a.dtype(), broadcast_dims(context, a.dims(), b.dims()));
  const Op op = make_op<Op>(context);
  if (wide_kind(a.dtype()) == WideKind::kSigned)
    return map_broadcast<int64_t, int64_t>(context.env(), a, b, out, op);
  map_broadcast<uint64_t, uint64_t>(context.env(), a, b, out, op);
}

void not_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  // Low bits are what is stored, so signed integers may be handled as unsigned ones.
  map_elements<uint64_t>(context.env(), in, context.allocate_output(0, in.dtype(), in.dims()), BitNot{});
}

// Amounts below 0 or past the type's bits leave nothing but, of negative numbers shifted right, the sign.
struct BitShift {
  explicit BitShift(const KernelContext& context)
      : left(context.node().string_attribute("direction", "") == "LEFT"),
        bits(8 * static_cast<uint64_t>(dtype_info(context.input(0).dtype()).block_bytes)) {}
  int64_t operator()(int64_t value, int64_t amount) const {
    const bool inside = static_cast<uint64_t>(amount) < bits;
    if (left) return inside ? static_cast<int64_t>(static_cast<uint64_t>(value) << amount) : 0;
    return inside ? value >> amount : value < 0 ? -1 : 0;
  }
  uint64_t operator()(uint64_t value, uint64_t amount) const {
    if (amount >= bits) return 0;
    return left ? value << amount : value >> amount;
  }
  bool left;
  uint64_t bits;
};

void infer_bit_shift(InferenceContext& context) {
  const std::string direction = context.node().string_attribute("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    context.refuse("direction is \"{}\"; it must be \"LEFT\" or \"RIGHT\"", direction);
  infer_broadcast(context);
}

uint32_t element_bits(DType dtype) {
  return 8 * dtype_info(dtype).block_bytes / dtype_info(dtype).block_values;
}

constexpr DTypeSet kBitTypes = kPlainTypes | kFloat8Types | kComplexTypes |
                               DTypeSet{DType::kF4E2M1, DType::kI4, DType::kU4, DType::kI2, DType::kU2};

template <typename Context>
DType bit_cast_target(const Context& context, DType from) {
  const int64_t code = context.node().int_attribute("to");
  const auto dtype = dtype_from_onnx(code);
  if (!dtype || !kBitTypes.contains(*dtype)) context.refuse("to is {}, which is no type of fixed size", code);
  if (element_bits(*dtype) != element_bits(from)) {
    context.refuse("{} has {} bits, {} has {}", dtype_name(from), element_bits(from), dtype_name(*dtype),
                   element_bits(*dtype));
  }
  return *dtype;
}

void infer_bit_cast(InferenceContext& context) {
  context.set_output(0, bit_cast_target(context, context.dtype(0)), context.type(0).shape);
}

void bit_cast_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, bit_cast_target(context, in.dtype()), in.dims());
  std::copy(in.bytes().begin(), in.bytes().end(), out.data());
}

constexpr OpSchema binary(std::string_view op, KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 18,
          .inputs = {{"A", "T", kIntegerTypes}, {"B", "T", kIntegerTypes}},
          .outputs = {{"C", "T", kIntegerTypes}},
          .attributes = {},
          .infer = infer_broadcast,
          .reference = reference};
}

}  // namespace

// C = A ∘ B bit by bit, over the broadcast of both.
extern constinit const OpSchema kBitwiseAnd = binary("BitwiseAnd", integer_binary<BitAnd>);
extern constinit const OpSchema kBitwiseOr = binary("BitwiseOr", integer_binary<BitOr>);
extern constinit const OpSchema kBitwiseXor = binary("BitwiseXor", integer_binary<BitXor>);

extern constinit const OpSchema kBitwiseNot = {
    .domain = "",
    .op = "BitwiseNot",
    .since_version = 18,
    .inputs = {{"X", "T", kIntegerTypes}},
    .outputs = {{"Y", "T", kIntegerTypes}},
    .attributes = {},
    .infer = infer_same_type,
    .reference = not_reference,
};

// X shifted by Y bits to the LEFT or to the RIGHT, which copies the sign of signed numbers.
extern constinit const OpSchema kBitShift = {
    .domain = "",
    .op = "BitShift",
    .since_version = 28,
    .inputs = {{"X", "T", kIntegerTypes}, {"Y", "T", kIntegerTypes}},
    .outputs = {{"Z", "T", kIntegerTypes}},
    .attributes = {{"direction", AttributeKind::kString, true}},
    .infer = infer_bit_shift,
    .reference = integer_binary<BitShift>,
};

// The same bits as elements of another type of the same size.
extern constinit const OpSchema kBitCast = {
    .domain = "",
    .op = "BitCast",
    .since_version = 26,
    .inputs = {{"input", "T1", kBitTypes}},
    .outputs = {{"output", "T2", kBitTypes}},
    .attributes = {{"to", AttributeKind::kInt, true}},
    .infer = infer_bit_cast,
    .reference = bit_cast_reference,
};

}  // namespace oag
