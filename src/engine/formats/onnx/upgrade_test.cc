#include "engine/formats/onnx/upgrade.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "base/error.h"

namespace oag {
namespace {

ValueType floats(std::optional<Shape> shape) {
  return ValueType::tensor(DType::kF32, std::move(shape));
}

// What the operator becomes, as text, of inputs of these types.
std::string upgraded(std::string_view op, int64_t opset, const std::vector<ValueType>& inputs,
                     Attributes attributes, size_t outputs = 1, std::string_view domain = "") {
  Graph graph("g");
  Node node{std::string(domain), std::string(op), "n", {}, {}, std::move(attributes)};
  for (const ValueType& type : inputs) node.inputs.push_back(graph.add_input("x", type));
  for (size_t i = 0; i < outputs; ++i) node.outputs.push_back(graph.add_value("y"));
  graph.outputs = node.outputs;
  append_upgraded(graph, std::move(node), opset);
  std::string text = print_graph(graph), lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    const bool is_node = line.starts_with("  ") && line.find(" = ") != std::string::npos;
    if (is_node) lines += line.substr(2, line.find("  : ") - 2) + "\n";
  }
  return lines;
}

struct Golden {
  std::string_view op;
  int64_t opset;
  std::vector<ValueType> inputs;
  Attributes attributes;
  size_t outputs;
  std::string expected;
};

const ValueType kUnknown = {};

std::vector<Golden> goldens() {
  const ValueType image = floats(Shape{1, 4, 5, 6});
  return {
      {"Add",
       6,
       {image, floats(Shape{5})},
       {{"broadcast", int64_t{1}}, {"axis", int64_t{2}}},
       1,
       R"(%n.Unsqueeze = Unsqueeze(%x_1, %n.axes)
%y = Add(%x, %n.Unsqueeze)
)"},
      {"Add",
       6,
       {kUnknown, kUnknown},
       {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}},
       1,
       R"(%n.Shape = Shape(%x)
%n.Shape_1 = Shape(%n.Shape)
%n.Sub = Sub(%n.Shape_1, %n.axis)
%n.Shape_2 = Shape(%x_1)
%n.Shape_3 = Shape(%n.Shape_2)
%n.Sub_1 = Sub(%n.Sub, %n.Shape_3)
%n.Max = Max(%n.Sub_1, %n.none)
%n.Shape_4 = Shape(%x_1)
%n.ConstantOfShape = ConstantOfShape(%n.Max) {value=<i64 [1]>}
%n.Concat = Concat(%n.Shape_4, %n.ConstantOfShape) {axis=0}
%n.Reshape = Reshape(%x_1, %n.Concat) {allowzero=1}
%y = Add(%x, %n.Reshape)
)"},
      {"Mul",
       6,
       {kUnknown, kUnknown},
       {{"broadcast", int64_t{1}}},
       1,
       R"(%y = Mul(%x, %x_1)
)"},
      {"Relu",
       5,
       {kUnknown},
       {{"consumed_inputs", std::vector<int64_t>{0}}},
       1,
       R"(%y = Relu(%x)
)"},
      {"Cast",
       5,
       {kUnknown},
       {{"to", "DOUBLE"}},
       1,
       R"(%y = Cast(%x) {to=11}
)"},
      {"Clip",
       6,
       {kUnknown},
       {{"max", 6.0f}},
       1,
       R"(%n.CastLike = CastLike(%n.max, %x)
%y = Clip(%x, -, %n.CastLike)
)"},
      {"Clip",
       6,
       {image},
       {{"min", 0.0f}},
       1,
       R"(%y = Clip(%x, %n.min)
)"},
      {"PRelu",
       6,
       {image, floats(Shape{4})},
       {},
       1,
       R"(%n.Unsqueeze = Unsqueeze(%x_1, %n.axes)
%y = PRelu(%x, %n.Unsqueeze)
)"},
      {"ReduceSum",
       11,
       {kUnknown},
       {{"axes", std::vector<int64_t>{1}}},
       1,
       R"(%y = ReduceSum(%x, %n.axes)
)"},
      {"ReduceLogSum",
       17,
       {ValueType::tensor(DType::kI32, std::nullopt)},
       {},
       1,
       R"(%n.Cast = Cast(%x) {to=11}
%n.ReduceLogSum = ReduceLogSum(%n.Cast)
%y = CastLike(%n.ReduceLogSum, %x)
)"},
      {"Softmax",
       12,
       {image},
       {},
       1,
       R"(%n.Flatten = Flatten(%x) {axis=1}
%n.Softmax = Softmax(%n.Flatten) {axis=-1}
%n.Shape = Shape(%x)
%y = Reshape(%n.Softmax, %n.Shape) {allowzero=1}
)"},
      {"Softmax",
       12,
       {image},
       {{"axis", int64_t{3}}},
       1,
       R"(%y = Softmax(%x) {axis=-1}
)"},
      {"Squeeze",
       11,
       {kUnknown},
       {{"axes", std::vector<int64_t>{0}}},
       1,
       R"(%y = Squeeze(%x, %n.axes)
)"},
      {"Concat",
       3,
       {kUnknown, kUnknown},
       {},
       1,
       R"(%y = Concat(%x, %x_1) {axis=1}
)"},
      {"Slice",
       9,
       {kUnknown},
       {{"starts", std::vector<int64_t>{1}}, {"ends", std::vector<int64_t>{2}}},
       1,
       R"(%y = Slice(%x, %n.starts, %n.ends, %n.axes)
)"},
      {"Split",
       11,
       {kUnknown},
       {{"axis", int64_t{1}}},
       2,
       R"(%y, %y_1 = Split(%x) {axis=1, num_outputs=2}
)"},
      {"Pad",
       10,
       {image},
       {{"mode", "constant"}, {"pads", std::vector<int64_t>(8, 1)}, {"value", 2.0f}},
       1,
       R"(%y = Pad(%x, %n.pads, %n.value) {mode="constant"}
)"},
      {"Tile",
       1,
       {kUnknown, kUnknown, kUnknown},
       {},
       1,
       R"(%n.Cast = Cast(%x_1) {to=7}
%n.Reshape = Reshape(%n.Cast, %n.vector)
%n.Cast_1 = Cast(%x_2) {to=7}
%n.Reshape_1 = Reshape(%n.Cast_1, %n.vector)
%n.Shape = Shape(%x)
%n.Shape_1 = Shape(%n.Shape)
%n.ConstantOfShape = ConstantOfShape(%n.Shape_1) {value=<i64 [1]>}
%n.ScatterElements = ScatterElements(%n.ConstantOfShape, %n.Reshape_1, %n.Reshape) {axis=0}
%y = Tile(%x, %n.ScatterElements)
)"},
      {"OneHot",
       9,
       {kUnknown, kUnknown, kUnknown},
       {},
       1,
       R"(%n.Cast = Cast(%x) {to=7}
%n.Cast_1 = Cast(%x_1) {to=7}
%n.Reshape = Reshape(%n.Cast_1, %n.scalar)
%n.Less = Less(%n.Cast, %n.zero)
%n.Where = Where(%n.Less, %n.Reshape, %n.Cast)
%y = OneHot(%n.Where, %x_1, %x_2)
)"},
      {"Scatter",
       11,
       {kUnknown, kUnknown, kUnknown},
       {{"axis", int64_t{1}}},
       1,
       R"(%y = ScatterElements(%x, %x_1, %x_2) {axis=1}
)"},
      {"TopK",
       9,
       {kUnknown},
       {{"k", int64_t{3}}},
       2,
       R"(%y, %y_1 = TopK(%x, %n.k)
)"},
      {"Dropout",
       6,
       {image},
       {},
       1,
       R"(%y = Dropout(%x, %n.ratio, %n.training_mode)
)"},
      {"Dropout",
       7,
       {kUnknown},
       {{"ratio", 0.5f}},
       2,
       R"(%y, %n.output = Dropout(%x)
%y_1 = CastLike(%n.output, %x)
)"},
      {"DFT",
       17,
       {kUnknown},
       {},
       1,
       R"(%y = DFT(%x, -, %n.axis)
)"},
      {"GridSample",
       16,
       {kUnknown, kUnknown},
       {{"mode", "bicubic"}},
       1,
       R"(%y = GridSample(%x, %x_1) {mode="cubic"}
)"},
      {"LSTM",
       6,
       {kUnknown, kUnknown, kUnknown},
       {{"hidden_size", int64_t{2}}, {"output_sequence", int64_t{1}}},
       2,
       R"(%y, %y_1 = LSTM(%x, %x_1, %x_2) {hidden_size=2}
)"},
      {"RoiAlign",
       10,
       {kUnknown, kUnknown, kUnknown},
       {},
       1,
       R"(%y = RoiAlign(%x, %x_1, %x_2) {coordinate_transformation_mode="output_half_pixel"}
)"},
      {"BatchNormalization",
       6,
       {kUnknown, kUnknown, kUnknown, kUnknown, kUnknown},
       {{"is_test", int64_t{1}}, {"spatial", int64_t{1}}},
       1,
       R"(%y = BatchNormalization(%x, %x_1, %x_2, %x_3, %x_4)
)"},
      {"BatchNormalization",
       9,
       {kUnknown, kUnknown, kUnknown, kUnknown, kUnknown},
       {},
       5,
       R"(%n.BatchNormalization, %n.BatchNormalization.1, %n.BatchNormalization.2 = BatchNormalization(%x, %x_1, %x_2, %x_3, %x_4) {training_mode=1}
%n.BatchNormalization_1, %n.BatchNormalization.1_1, %n.BatchNormalization.2_1 = BatchNormalization(%x, %x_1, %x_2, %x_3, %x_4) {momentum=0, training_mode=1}
%y = Identity(%n.BatchNormalization)
%y_1 = Identity(%n.BatchNormalization.1)
%y_2 = Identity(%n.BatchNormalization.2)
%y_3 = Identity(%n.BatchNormalization.1_1)
%y_4 = Identity(%n.BatchNormalization.2_1)
)"},
      {"GroupNormalization",
       18,
       {kUnknown, kUnknown, kUnknown},
       {{"num_groups", int64_t{2}}},
       1,
       R"(%n.Shape = Shape(%x) {end=2, start=1}
%n.Div = Div(%n.Shape, %n.num_groups)
%n.Concat = Concat(%n.one, %n.Div) {axis=0}
%n.Unsqueeze = Unsqueeze(%x_1, %n.axes)
%n.Expand = Expand(%n.Unsqueeze, %n.Concat)
%n.Reshape = Reshape(%n.Expand, %n.channels)
%n.Unsqueeze_1 = Unsqueeze(%x_2, %n.axes_1)
%n.Expand_1 = Expand(%n.Unsqueeze_1, %n.Concat)
%n.Reshape_1 = Reshape(%n.Expand_1, %n.channels_1)
%y = GroupNormalization(%x, %n.Reshape, %n.Reshape_1) {num_groups=2}
)"},
      {"Resize",
       10,
       {kUnknown, kUnknown},
       {},
       1,
       R"(%n.Min = Min(%x_1, %n.one)
%n.Resize = Resize(%x, -, %n.Min) {coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="ceil"}
%n.Max = Max(%x_1, %n.one)
%y = Resize(%n.Resize, -, %n.Max) {coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="floor"}
)"},
      {"Upsample",
       7,
       {kUnknown},
       {{"mode", "linear"}, {"scales", std::vector<float>{1, 1, 2, 2}}},
       1,
       R"(%y = Resize(%x, -, %n.scales) {coordinate_transformation_mode="asymmetric", mode="linear"}
)"},
      {"Resize",
       11,
       {kUnknown, kUnknown, kUnknown, kUnknown},
       {},
       1,
       R"(%y = Resize(%x, -, -, %x_3)
)"},
  };
}

TEST(Upgrade, WritesOldNodesInNewestOperators) {
  for (const Golden& golden : goldens()) {
    EXPECT_EQ(upgraded(golden.op, golden.opset, golden.inputs, golden.attributes, golden.outputs),
              golden.expected)
        << golden.op << " of opset " << golden.opset;
  }
}

TEST(Upgrade, LeavesNodesOfOtherDomainsAlone) {
  EXPECT_EQ(upgraded("Softmax", 1, {kUnknown}, {{"axis", int64_t{1}}}, 1, "com.example"),
            "%y = com.example.Softmax(%x) {axis=1}\n");
  EXPECT_EQ(upgraded("NoSuchOperator", 5, {kUnknown}, {}), "%y = NoSuchOperator(%x)\n");
}

std::string refusal(std::string_view op, int64_t opset, const std::vector<ValueType>& inputs,
                    Attributes attributes, std::string_view domain = "") {
  try {
    return "no error: " + upgraded(op, opset, inputs, std::move(attributes), 1, domain);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Upgrade, RefusesOpsetsThatItDoesNotKnow) {
  EXPECT_EQ(refusal("Relu", 29, {kUnknown}, {}),
            "n: opset 29 of ai.onnx is newer than the newest known, 28: export the model with at most that");
  EXPECT_EQ(refusal("Scaler", 6, {kUnknown}, {}, "ai.onnx.ml"),
            "n: opset 6 of ai.onnx.ml is newer than the newest known, 5: export the model with at most that");
  EXPECT_EQ(refusal("Relu", 0, {kUnknown}, {}), "n: opset 0 of ai.onnx; they begin at 1");
}

TEST(Upgrade, NamesWhatNoNewestOperatorSays) {
  EXPECT_EQ(
      refusal("GlobalLpPool", 1, {kUnknown}, {{"p", 2.5f}}),
      "n: GlobalLpPool of opset 1: attribute p is 2.5; the newest operator takes whole numbers from 1 on");
  EXPECT_EQ(refusal("LpPool", 1, {kUnknown}, {}),
            "n: LpPool of opset 1: attribute kernel_shape is absent; the newest operator demands it");
  EXPECT_EQ(refusal("Cast", 5, {kUnknown}, {{"to", "FLAOT"}}),
            "n: Cast of opset 5: attribute to is \"FLAOT\", which is no element type");
  EXPECT_EQ(
      refusal("Resize", 11, {kUnknown},
              {{"coordinate_transformation_mode", "tf_half_pixel_for_nn"}, {"mode", "linear"}}),
      "n: Resize of opset 11: attribute coordinate_transformation_mode is tf_half_pixel_for_nn, which goes "
      "with nearest_mode floor or round_prefer_floor only; mode is linear, nearest_mode round_prefer_floor");
  EXPECT_EQ(refusal("Add", 6, {kUnknown, kUnknown},
                    {{"axis", std::numeric_limits<int64_t>::min()}, {"broadcast", int64_t{1}}}),
            "n: Add of opset 6: attribute axis is -9223372036854775808");
  EXPECT_EQ(refusal("Softmax", 9, {}, {}), "n: Softmax of opset 9 lacks its input 1");
  EXPECT_EQ(
      refusal("Upsample", 7, {kUnknown}, {}),
      "n: Upsample of opset 7: neither a second input nor attribute scales or height_scale gives its scales");
  EXPECT_EQ(
      refusal("LabelEncoder", 1, {kUnknown}, {{"classes_strings", std::vector<std::string>{"a"}}},
              "ai.onnx.ml"),
      "n: ai.onnx.ml.LabelEncoder of opset 1: the types of input and output are unknown; exactly one of the "
      "attributes default_int64 and default_string has to be there");
}

// The body of opset 8 knew nothing of the batch.
TEST(Upgrade, ScansABatchByAnOuterScan) {
  auto body = std::make_shared<Graph>("body");
  const ValueId state = body->add_input("s", floats(Shape{2})),
                element = body->add_input("e", floats(Shape{2}));
  body->outputs = {body->add("", "Add", {state, element}), body->add("", "Mul", {state, element})};
  Attributes attributes = {{"body", GraphPtr(body)}, {"num_scan_inputs", int64_t{1}}};
  const ValueType lengths = ValueType::tensor(DType::kI64, Shape{3});
  EXPECT_EQ(upgraded("Scan", 8, {lengths, kUnknown, kUnknown}, attributes, 2),
            R"(%y, %y_1 = Scan(%x, %x_1, %x_2) {body=<graph body.batch>, captures=0, num_scan_inputs=3}
%Unsqueeze_0 = Unsqueeze(%length, %zero)
%Shape_1 = Shape(%input_1) {end=1, start=0}
%Sub_2 = Sub(%Shape_1, %Unsqueeze_0)
%Concat_3 = Concat(%zero, %Sub_2) {axis=0}
%Slice_4 = Slice(%input_1, %zero, %Unsqueeze_0, %zero)
%Scan_5, %Scan_5.1 = Scan(%input, %Slice_4) {body=<graph body>, captures=0, num_scan_inputs=1}
%Pad_6 = Pad(%Scan_5.1, %Concat_3, -, %zero)
%Add_0 = Add(%s, %e)
%Mul_1 = Mul(%s, %e)
)");
}

}  // namespace
}  // namespace oag
