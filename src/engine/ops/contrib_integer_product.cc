// Products of quantised matrices of com.microsoft: DynamicQuantizeMatMul MatMulIntegerToFloat MatMulInteger16
// QGemm.
#include <utility>
#include <vector>

#include "engine/ops/decomposition.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

constexpr DTypeSet kByteTypes = {DType::kI8, DType::kU8};
constexpr DTypeSet kScaleTypes = {DType::kF32};

ValueId add_cast(Decomposition& into, ValueId value, DType dtype) {
  return into.add("Cast", {value}, {{"to", onnx_from_dtype(dtype)}});
}

// Whole sums times the product of both scales, plus the bias where there is one.
ValueId add_scaled(Decomposition& into, ValueId sums, ValueId a_scale, ValueId b_scale, ValueId bias) {
  const ValueId scaled =
      into.add("Mul", {add_cast(into, sums, DType::kF32), into.add("Mul", {a_scale, b_scale})});
  return bias == kNoValue ? scaled : into.add("Add", {scaled, bias});
}

std::vector<ValueId> decompose_matmul_to_float(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const DType dtype = into.dtype(2);
  const auto in_f32 = [&](size_t i) {
    return dtype == DType::kF32 || !into.has_input(i) ? into.input(i)
                                                      : add_cast(into, into.input(i), DType::kF32);
  };
  const ValueId sums =
      into.add("MatMulInteger", {into.input(0), into.input(1), into.input(4), into.input(5)});
  const ValueId y = add_scaled(into, sums, in_f32(2), in_f32(3), in_f32(6));
  return {dtype == DType::kF32 ? y : add_cast(into, y, dtype)};
}

std::vector<ValueId> decompose_dynamic_matmul(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const auto a = into.add_many("DynamicQuantizeLinear", {into.input(0)}, {}, 3);
  const ValueId sums = into.add("MatMulInteger", {a[0], into.input(1), a[2], into.input(3)});
  return {add_scaled(into, sums, a[1], into.input(2), into.input(4))};
}

std::vector<ValueId> decompose_matmul16(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  return {into.add("MatMul",
                   {add_cast(into, into.input(0), DType::kI32), add_cast(into, into.input(1), DType::kI32)})};
}

enum QGemmInput : size_t { kA, kAScale, kAZero, kB, kBScale, kBZero, kC, kYScale, kYZero };

ValueId matrix(Decomposition& into, size_t i, bool transposed) {
  if (into.rank(i).value_or(2) != 2)
    into.refuse("input {} has {} dims; it must be a matrix", i, *into.rank(i));
  if (!transposed) return into.input(i);
  return into.add("Transpose", {into.input(i)}, {{"perm", std::vector<int64_t>{1, 0}}});
}

std::vector<ValueId> decompose_qgemm(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  if (into.has_input(kYScale) != into.has_input(kYZero))
    into.refuse("it has one of y_scale and y_zero_point; both make its output quantised");
  ValueId sums = into.add("MatMulInteger", {matrix(into, kA, node.int_attribute("transA", 0) != 0),
                                            matrix(into, kB, node.int_attribute("transB", 0) != 0),
                                            into.input(kAZero), into.input(kBZero)});
  if (into.has_input(kC)) sums = into.add("Add", {sums, into.input(kC)});
  ValueId a_scale = into.input(kAScale);
  const float alpha = node.float_attribute("alpha", 1);
  if (alpha != 1) a_scale = into.add("Mul", {a_scale, into.number("alpha", DType::kF32, alpha)});
  const ValueId y = add_scaled(into, sums, a_scale, into.input(kBScale), kNoValue);
  return {into.has_input(kYZero) ? add_quantized(into, y, kYScale, kYZero, into.dtype(kYZero)) : y};
}

}  // namespace

// (A - a_zero_point) · (B - b_zero_point) · a_scale · b_scale + bias. Of B's scale and zero point there may
// be one for each column.
extern constinit const OpSchema kMicrosoftMatMulIntegerToFloat = {
    .domain = "com.microsoft",
    .op = "MatMulIntegerToFloat",
    .since_version = 1,
    .inputs = {{"A", "T1", kByteTypes},
               {"B", "T2", kByteTypes},
               {"a_scale", "T3", {DType::kF32, DType::kF16}},
               {"b_scale", "T3", {DType::kF32, DType::kF16}},
               {"a_zero_point", "T1", kByteTypes, true},
               {"b_zero_point", "T2", kByteTypes, true},
               {"bias", "T3", {DType::kF32, DType::kF16}, true}},
    .outputs = {{"Y", "T3", {DType::kF32, DType::kF16}}},
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_matmul_to_float,
};

// The same of an A that is quantised first, as DynamicQuantizeLinear does.
extern constinit const OpSchema kMicrosoftDynamicQuantizeMatMul = {
    .domain = "com.microsoft",
    .op = "DynamicQuantizeMatMul",
    .since_version = 1,
    .inputs = {{"A", "T1", kScaleTypes},
               {"B", "T2", kByteTypes},
               {"b_scale", "T1", kScaleTypes},
               {"b_zero_point", "T2", kByteTypes, true},
               {"bias", "T1", kScaleTypes, true}},
    .outputs = {{"Y", "T1", kScaleTypes}},
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_dynamic_matmul,
};

// A · B in i32, which wraps around.
extern constinit const OpSchema kMicrosoftMatMulInteger16 = {
    .domain = "com.microsoft",
    .op = "MatMulInteger16",
    .since_version = 1,
    .inputs = {{"A", "T1", {DType::kI16}}, {"B", "T2", {DType::kI16}}},
    .outputs = {{"Y", "T3", {DType::kI32}}},
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_matmul16,
};

// alpha · a_scale · b_scale · (A · B less their zero points + C): f32, or quantised again where y_zero_point
// is given.
extern constinit const OpSchema kMicrosoftQGemm = {
    .domain = "com.microsoft",
    .op = "QGemm",
    .since_version = 1,
    .inputs = {{"A", "TA", kByteTypes},
               {"a_scale", "", kScaleTypes},
               {"a_zero_point", "TA", kByteTypes},
               {"B", "TB", kByteTypes},
               {"b_scale", "", kScaleTypes},
               {"b_zero_point", "TB", kByteTypes},
               {"C", "", {DType::kI32}, true},
               {"y_scale", "", kScaleTypes, true},
               {"y_zero_point", "", kByteTypes, true}},
    .outputs = {{"Y", "", kByteTypes | kScaleTypes}},
    .attributes = {{"alpha", AttributeKind::kFloat},
                   {"transA", AttributeKind::kInt},
                   {"transB", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_qgemm,
};

}  // namespace oag
