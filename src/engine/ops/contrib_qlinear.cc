// Operators of com.microsoft on 8-bit integers with one scale and zero point for each array. All but the
// convolution are those of ai.onnx on the numbers meant, rounded to steps of the output's scale.
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/decomposition.h"

namespace oag {
namespace {

constexpr DTypeSet kByteTypes = {DType::kI8, DType::kU8};
constexpr DTypeSet kScaleTypes = {DType::kF32};

std::vector<ValueId> decompose_add(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId sum = into.add("Add", {add_dequantized(into, 0, 1, 2), add_dequantized(into, 3, 4, 5)});
  return {add_quantized(into, sum, 6, 7, into.dtype(0))};
}

std::vector<ValueId> decompose_mul(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId product = into.add("Mul", {add_dequantized(into, 0, 1, 2), add_dequantized(into, 3, 4, 5)});
  return {add_quantized(into, product, 6, 7, into.dtype(0))};
}

std::vector<ValueId> decompose_where(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId x = add_dequantized(into, 1, 2, 3), y = add_dequantized(into, 4, 5, 6);
  return {add_quantized(into, into.add("Where", {into.input(0), x, y}), 7, 8, into.dtype(1))};
}

std::vector<ValueId> decompose_sigmoid(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  return {add_quantized(into, into.add("Sigmoid", {add_dequantized(into, 0, 1, 2)}), 3, 4, into.dtype(0))};
}

std::vector<ValueId> decompose_leaky_relu(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId y = into.add("LeakyRelu", {add_dequantized(into, 0, 1, 2)}, node.attributes);
  return {add_quantized(into, y, 3, 4, into.dtype(0))};
}

// Below opset 13, Softmax took the dims from its axis on as one.
std::vector<ValueId> decompose_softmax(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const int64_t axis = node.int_attribute("axis", -1);
  ValueId y = add_dequantized(into, 0, 1, 2);
  if (node.int_attribute("opset") >= 13) {
    y = into.add("Softmax", {y}, {{"axis", axis}});
  } else {
    const ValueId flat = into.add("Softmax", {into.add("Flatten", {y}, {{"axis", axis}})});
    y = into.add("Reshape", {flat, into.add("Shape", {into.input(0)})}, {{"allowzero", int64_t{1}}});
  }
  return {add_quantized(into, y, 3, 4, into.dtype(0))};
}

std::vector<ValueId> decompose_concat(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const size_t given = node.inputs.size() - 2;
  if (given % 3 != 0) into.refuse("its {} inputs after the first two are not in threes", given);
  std::vector<ValueId> parts;
  for (size_t i = 2; i < node.inputs.size(); i += 3) parts.push_back(add_dequantized(into, i, i + 1, i + 2));
  return {add_quantized(into, into.add("Concat", parts, node.attributes), 0, 1, into.dtype(1))};
}

std::vector<ValueId> decompose_average_pool(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const bool last = node.int_attribute("channels_last", 0) != 0;
  const size_t rank = node.ints_attribute("kernel_shape").size() + 2;
  ValueId y = add_dequantized(into, 0, 1, 2);
  if (last) y = into.channels_second(y, rank);
  y = into.add("AveragePool", {y}, into.attributes_without({"channels_last"}));
  if (last) y = into.channels_last(y, rank);
  return {add_quantized(into, y, 3, 4, into.dtype(0))};
}

std::vector<ValueId> decompose_global_average_pool(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  ValueId y = add_dequantized(into, 0, 1, 2);
  if (node.int_attribute("channels_last", 0) == 0) {
    y = into.add("GlobalAveragePool", {y});
  } else {
    const ValueId one = into.integer("one", 1);
    const ValueId last = into.add("Sub", {into.add("Size", {into.add("Shape", {y})}), one});
    y = into.add("ReduceMean", {y, into.add("Range", {one, last, one})});
  }
  return {add_quantized(into, y, 3, 4, into.dtype(0))};
}

std::vector<ValueId> decompose_conv(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  std::vector<ValueId> inputs = node.inputs;
  const bool last = node.int_attribute("channels_last", 0) != 0;
  const auto rank = into.rank(0) ? into.rank(0) : into.rank(3);
  if (last && !rank) into.refuse("channels_last is 1, but neither x nor w has a known rank");
  if (last) inputs[0] = into.channels_second(inputs[0], *rank);
  const ValueId y = into.add("QLinearConv", inputs, into.attributes_without({"channels_last"}));
  return {last ? into.channels_last(y, *rank) : y};
}

constexpr FixedList<Parameter, 16> kBinaryInputs = {{"A", "T", kByteTypes},
                                                    {"A_scale", "", kScaleTypes},
                                                    {"A_zero_point", "T", kByteTypes, true},
                                                    {"B", "T", kByteTypes},
                                                    {"B_scale", "", kScaleTypes},
                                                    {"B_zero_point", "T", kByteTypes, true},
                                                    {"C_scale", "", kScaleTypes},
                                                    {"C_zero_point", "T", kByteTypes, true}};
constexpr FixedList<Parameter, 16> kUnaryInputs = {{"X", "T", kByteTypes},
                                                   {"X_scale", "", kScaleTypes},
                                                   {"X_zero_point", "T", kByteTypes, true},
                                                   {"Y_scale", "", kScaleTypes},
                                                   {"Y_zero_point", "T", kByteTypes, true}};
constexpr FixedList<Parameter, 16> kByteOutput = {{"Y", "T", kByteTypes}};

}  // namespace

extern constinit const OpSchema kMicrosoftQLinearAdd = {
    .domain = "com.microsoft",
    .op = "QLinearAdd",
    .since_version = 1,
    .inputs = kBinaryInputs,
    .outputs = kByteOutput,
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_add,
};

extern constinit const OpSchema kMicrosoftQLinearMul = {
    .domain = "com.microsoft",
    .op = "QLinearMul",
    .since_version = 1,
    .inputs = kBinaryInputs,
    .outputs = kByteOutput,
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_mul,
};

extern constinit const OpSchema kMicrosoftQLinearWhere = {
    .domain = "com.microsoft",
    .op = "QLinearWhere",
    .since_version = 1,
    .inputs = {{"condition", "", {DType::kBool}},
               {"X", "T", kByteTypes},
               {"x_scale", "", kScaleTypes},
               {"x_zero_point", "T", kByteTypes},
               {"Y", "T", kByteTypes},
               {"y_scale", "", kScaleTypes},
               {"y_zero_point", "T", kByteTypes},
               {"z_scale", "", kScaleTypes},
               {"z_zero_point", "T", kByteTypes}},
    .outputs = kByteOutput,
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_where,
};

extern constinit const OpSchema kMicrosoftQLinearSigmoid = {
    .domain = "com.microsoft",
    .op = "QLinearSigmoid",
    .since_version = 1,
    .inputs = kUnaryInputs,
    .outputs = kByteOutput,
    .attributes = {},
    .infer = infer_by_decomposition,
    .decompose = decompose_sigmoid,
};

extern constinit const OpSchema kMicrosoftQLinearLeakyRelu = {
    .domain = "com.microsoft",
    .op = "QLinearLeakyRelu",
    .since_version = 1,
    .inputs = kUnaryInputs,
    .outputs = kByteOutput,
    .attributes = {{"alpha", AttributeKind::kFloat}},
    .infer = infer_by_decomposition,
    .decompose = decompose_leaky_relu,
};

// As the Softmax of the opset that `opset` says.
extern constinit const OpSchema kMicrosoftQLinearSoftmax = {
    .domain = "com.microsoft",
    .op = "QLinearSoftmax",
    .since_version = 1,
    .inputs = kUnaryInputs,
    .outputs = kByteOutput,
    .attributes = {{"axis", AttributeKind::kInt}, {"opset", AttributeKind::kInt, true}},
    .infer = infer_by_decomposition,
    .decompose = decompose_softmax,
};

// After the output's scale and zero point an array, its scale and its zero point for each part.
extern constinit const OpSchema kMicrosoftQLinearConcat = {
    .domain = "com.microsoft",
    .op = "QLinearConcat",
    .since_version = 1,
    .inputs = {{"Y_scale", "", kScaleTypes},
               {"Y_zero_point", "T", kByteTypes},
               {"inputs", "", kByteTypes | kScaleTypes, false, true}},
    .outputs = kByteOutput,
    .attributes = {{"axis", AttributeKind::kInt, true}},
    .infer = infer_by_decomposition,
    .decompose = decompose_concat,
};

extern constinit const OpSchema kMicrosoftQLinearAveragePool = {
    .domain = "com.microsoft",
    .op = "QLinearAveragePool",
    .since_version = 1,
    .inputs = kUnaryInputs,
    .outputs = kByteOutput,
    .attributes = {{"auto_pad", AttributeKind::kString},
                   {"ceil_mode", AttributeKind::kInt},
                   {"channels_last", AttributeKind::kInt},
                   {"count_include_pad", AttributeKind::kInt},
                   {"kernel_shape", AttributeKind::kInts, true},
                   {"pads", AttributeKind::kInts},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_by_decomposition,
    .decompose = decompose_average_pool,
};

extern constinit const OpSchema kMicrosoftQLinearGlobalAveragePool = {
    .domain = "com.microsoft",
    .op = "QLinearGlobalAveragePool",
    .since_version = 1,
    .inputs = kUnaryInputs,
    .outputs = kByteOutput,
    .attributes = {{"channels_last", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_global_average_pool,
};

// QLinearConv of ai.onnx, whose x and y may have their channels last.
extern constinit const OpSchema kMicrosoftQLinearConv = {
    .domain = "com.microsoft",
    .op = "QLinearConv",
    .since_version = 1,
    .inputs = {{"x", "T1", kByteTypes},
               {"x_scale", "", kScaleTypes},
               {"x_zero_point", "T1", kByteTypes},
               {"w", "T2", kByteTypes},
               {"w_scale", "", kScaleTypes},
               {"w_zero_point", "T2", kByteTypes},
               {"y_scale", "", kScaleTypes},
               {"y_zero_point", "T3", kByteTypes},
               {"B", "T4", {DType::kI32}, true}},
    .outputs = {{"y", "T3", kByteTypes}},
    .attributes = {{"auto_pad", AttributeKind::kString},
                   {"channels_last", AttributeKind::kInt},
                   {"dilations", AttributeKind::kInts},
                   {"group", AttributeKind::kInt},
                   {"kernel_shape", AttributeKind::kInts},
                   {"pads", AttributeKind::kInts},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_by_decomposition,
    .decompose = decompose_conv,
};

}  // namespace oag
