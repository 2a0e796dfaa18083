// Comparisons and boolean logic with broadcasting: Equal Less LessOrEqual Greater GreaterOrEqual And Or Xor
// Not.
#include <string>

#include "engine/ops/elementwise.h"

namespace oag {
namespace {

// clang-format off
struct Equal { template <typename Wide> bool operator()(Wide a, Wide b) const { return a == b; } };
struct Less { template <typename Wide> bool operator()(Wide a, Wide b) const { return a < b; } };
struct LessOrEqual { template <typename Wide> bool operator()(Wide a, Wide b) const { return a <= b; } };
struct Greater { template <typename Wide> bool operator()(Wide a, Wide b) const { return a > b; } };
struct GreaterOrEqual { template <typename Wide> bool operator()(Wide a, Wide b) const { return a >= b; } };
struct And { uint64_t operator()(uint64_t a, uint64_t b) const { return a & b; } };
struct Or { uint64_t operator()(uint64_t a, uint64_t b) const { return a | b; } };
struct Xor { uint64_t operator()(uint64_t a, uint64_t b) const { return a ^ b; } };
struct Not { uint64_t operator()(uint64_t a) const { return a ^ 1; } };
// clang-format on

template <typename Op>
void logical_binary(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  const Tensor& out = context.allocate_output(0, DType::kBool, broadcast_dims(context, a.dims(), b.dims()));
  map_broadcast<uint64_t, uint64_t>(context.env(), a, b, out, Op{});
}

void equal_reference(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  if (a.dtype() != DType::kString) return numeric_binary<Equal>(context);
  const Tensor& out = context.allocate_output(0, DType::kBool, broadcast_dims(context, a.dims(), b.dims()));
  const StridedWalk walk(
      out.dims(), std::vector<Strides>{dense_strides(out.dims()), broadcast_strides(a.dims(), out.dims()),
                                       broadcast_strides(b.dims(), out.dims())});
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto place = [&](size_t operand) {
        return static_cast<size_t>(at[operand] + i * walk.step(operand));
      };
      const bool equal = a.values<std::string>()[place(1)] == b.values<std::string>()[place(2)];
      out.values<uint8_t>()[place(0)] = equal ? 1 : 0;
    }
  });
}

void not_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  map_elements<uint64_t>(context.env(), in, context.allocate_output(0, DType::kBool, in.dims()), Not{});
}

constexpr OpSchema condition(std::string_view op, int since_version, DTypeSet dtypes,
                             KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = since_version,
          .inputs = {{"A", "T", dtypes}, {"B", "T", dtypes}},
          .outputs = {{"C", "T1", {DType::kBool}}},
          .attributes = {},
          .infer = infer_broadcast_condition,
          .reference = reference};
}

}  // namespace

// C = whether A ∘ B, over the broadcast of both. Comparisons with NaN are false.
extern constinit const OpSchema kEqual =
    condition("Equal", 19, kPlainTypes | DTypeSet{DType::kString}, equal_reference);
extern constinit const OpSchema kLess = condition("Less", 13, kNumericTypes, numeric_binary<Less>);
extern constinit const OpSchema kLessOrEqual =
    condition("LessOrEqual", 16, kNumericTypes, numeric_binary<LessOrEqual>);
extern constinit const OpSchema kGreater = condition("Greater", 13, kNumericTypes, numeric_binary<Greater>);
extern constinit const OpSchema kGreaterOrEqual =
    condition("GreaterOrEqual", 16, kNumericTypes, numeric_binary<GreaterOrEqual>);
extern constinit const OpSchema kAnd = condition("And", 7, {DType::kBool}, logical_binary<And>);
extern constinit const OpSchema kOr = condition("Or", 7, {DType::kBool}, logical_binary<Or>);
extern constinit const OpSchema kXor = condition("Xor", 7, {DType::kBool}, logical_binary<Xor>);

extern constinit const OpSchema kNot = {
    .domain = "",
    .op = "Not",
    .since_version = 1,
    .inputs = {{"X", "T", {DType::kBool}}},
    .outputs = {{"Y", "T", {DType::kBool}}},
    .attributes = {},
    .infer = infer_same_type,
    .reference = not_reference,
};

}  // namespace oag
