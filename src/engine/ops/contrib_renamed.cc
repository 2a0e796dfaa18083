// Operators of com.microsoft that ai.onnx has too, by this or another name.
#include <utility>
#include <vector>

#include "engine/ops/decomposition.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

constexpr DTypeSet kIndexTypes = {DType::kI32, DType::kI64};
constexpr DTypeSet kByteTypes = {DType::kI8, DType::kU8};
constexpr DTypeSet kQuantizedTypes = {DType::kI8,  DType::kU8, DType::kI16,
                                      DType::kU16, DType::kI4, DType::kU4};
constexpr DTypeSet kRealTypes = {DType::kF32, DType::kF16, DType::kBF16};
constexpr DTypeSet kRangeTypes = {DType::kF32, DType::kF64, DType::kI16, DType::kI32, DType::kI64};

// With the same inputs and attributes.
std::vector<ValueId> decompose_same(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  return {into.add(node.op, node.inputs, node.attributes)};
}

std::vector<ValueId> decompose_expand_dims(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId axis = into.add("Cast", {into.input(1)}, {{"to", onnx_from_dtype(DType::kI64)}});
  return {
      into.add("Unsqueeze", {into.input(0), into.add("Reshape", {axis, into.integers("one_axis", {1})})})};
}

std::vector<ValueId> decompose_gather_nd(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  ValueId indices = into.input(1);
  if (into.dtype(1) != DType::kI64)
    indices = into.add("Cast", {indices}, {{"to", onnx_from_dtype(DType::kI64)}});
  return {into.add("GatherND", {into.input(0), indices})};
}

ValueId add_scalar(Decomposition& into, ValueId value) {
  return into.add("Reshape", {value, into.integers("no_dims", {})});
}

// Its bounds may have one dim.
std::vector<ValueId> decompose_range(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId delta =
      into.has_input(2) ? add_scalar(into, into.input(2)) : into.number("delta", into.dtype(0), 1);
  return {into.add("Range", {add_scalar(into, into.input(0)), add_scalar(into, into.input(1)), delta})};
}

// Pads may be [1, 2 · rank], their value [1].
std::vector<ValueId> decompose_pad(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId pads = into.add("Reshape", {into.input(1), into.integers("flat", {-1})});
  const ValueId value = into.has_input(2) ? add_scalar(into, into.input(2)) : kNoValue;
  return {into.add("Pad", {into.input(0), pads, value}, node.attributes)};
}

// In the order of their first appearance.
std::vector<ValueId> decompose_unique(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const auto made = into.add_many("Unique", node.inputs, {{"sorted", int64_t{0}}}, 4);
  return {made[0], made[2], made[3]};
}

std::vector<ValueId> decompose_nhwc_max_pool(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const size_t rank = node.ints_attribute("kernel_shape").size() + 2;
  const ValueId pooled = into.add("MaxPool", {into.channels_second(into.input(0), rank)}, node.attributes);
  return {into.channels_last(pooled, rank)};
}

std::vector<ValueId> decompose_transpose_matmul(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  return {into.add("FusedMatMul", node.inputs, node.attributes, "com.microsoft")};
}

}  // namespace

extern constinit const OpSchema kMicrosoftTrilu = {
    .domain = "com.microsoft",
    .op = "Trilu",
    .since_version = 1,
    .inputs = {{"X", "T", kPlainTypes}, {"k", "", {DType::kI64}, true}},
    .outputs = {{"Y", "T", kPlainTypes}},
    .attributes = {{"upper", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_same,
};

extern constinit const OpSchema kMicrosoftQuantizeLinear = {
    .domain = "com.microsoft",
    .op = "QuantizeLinear",
    .since_version = 1,
    .inputs = {{"x", "T1", kRealTypes},
               {"y_scale", "T1", kRealTypes},
               {"y_zero_point", "T2", kQuantizedTypes, true}},
    .outputs = {{"y", "T2", kQuantizedTypes}},
    .attributes = {{"axis", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_same,
};

extern constinit const OpSchema kMicrosoftDequantizeLinear = {
    .domain = "com.microsoft",
    .op = "DequantizeLinear",
    .since_version = 1,
    .inputs = {{"x", "T1", kQuantizedTypes | DTypeSet{DType::kI32}},
               {"x_scale", "T2", kRealTypes},
               {"x_zero_point", "T1", kQuantizedTypes | DTypeSet{DType::kI32}, true}},
    .outputs = {{"y", "T2", kRealTypes}},
    .attributes = {{"axis", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_same,
};

// Unsqueeze at one axis.
extern constinit const OpSchema kMicrosoftExpandDims = {
    .domain = "com.microsoft",
    .op = "ExpandDims",
    .since_version = 1,
    .inputs = {{"X", "T", kMovableTypes}, {"axis", "", {DType::kI32}}},
    .outputs = {{"Y", "T", kMovableTypes}},
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_expand_dims,
};

extern constinit const OpSchema kMicrosoftGatherND = {
    .domain = "com.microsoft",
    .op = "GatherND",
    .since_version = 1,
    .inputs = {{"data", "T", kMovableTypes}, {"indices", "", kIndexTypes}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_gather_nd,
};

extern constinit const OpSchema kMicrosoftRange = {
    .domain = "com.microsoft",
    .op = "Range",
    .since_version = 1,
    .inputs = {{"start", "T", kRangeTypes}, {"limit", "T", kRangeTypes}, {"delta", "T", kRangeTypes, true}},
    .outputs = {{"Y", "T", kRangeTypes}},
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_range,
};

extern constinit const OpSchema kMicrosoftPad = {
    .domain = "com.microsoft",
    .op = "Pad",
    .since_version = 1,
    .inputs = {{"data", "T", kFloatTypes}, {"pads", "", {DType::kI64}}, {"value", "T", kFloatTypes, true}},
    .outputs = {{"output", "T", kFloatTypes}},
    .attributes = {{"mode", AttributeKind::kString}},
    .infer = infer_by_decomposition,
    .decompose = decompose_pad,
};

extern constinit const OpSchema kMicrosoftUnique = {
    .domain = "com.microsoft",
    .op = "Unique",
    .since_version = 1,
    .inputs = {{"x", "T", kPlainTypes | DTypeSet{DType::kString}}},
    .outputs = {{"y", "T", kPlainTypes | DTypeSet{DType::kString}},
                {"idx", "", {DType::kI64}},
                {"counts", "", {DType::kI64}}},
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_unique,
};

// MaxPool whose x and y have their channels last.
extern constinit const OpSchema kMicrosoftNhwcMaxPool = {
    .domain = "com.microsoft",
    .op = "NhwcMaxPool",
    .since_version = 1,
    .inputs = {{"x", "T", kByteTypes}},
    .outputs = {{"y", "T", kByteTypes}},
    .attributes = {{"auto_pad", AttributeKind::kString},
                   {"ceil_mode", AttributeKind::kInt},
                   {"dilations", AttributeKind::kInts},
                   {"kernel_shape", AttributeKind::kInts, true},
                   {"pads", AttributeKind::kInts},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_by_decomposition,
    .decompose = decompose_nhwc_max_pool,
};

// FusedMatMul's name in older models.
extern constinit const OpSchema kMicrosoftTransposeMatMul = {
    .domain = "com.microsoft",
    .op = "TransposeMatMul",
    .since_version = 1,
    .inputs = {{"A", "T", kFloatTypes}, {"B", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {{"alpha", AttributeKind::kFloat},
                   {"transA", AttributeKind::kInt},
                   {"transB", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_transpose_matmul,
};

}  // namespace oag
