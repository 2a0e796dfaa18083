#include "engine/formats/onnx/upgrade.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.h"
#include "engine/formats/onnx/upgrade_table.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

// A line of tests/data/onnx/versions.tsv, which tools/goldens/make_onnx_versions.py makes of ONNX's schemas.
struct SchemaHistory {
  std::string domain, op;
  std::vector<int64_t> versions;
  int64_t well_formed_from = 0;
};

int64_t number(const std::string& text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<SchemaHistory> read_histories() {
  std::ifstream file(OAG_SOURCE_DIR "/tests/data/onnx/versions.tsv");
  std::vector<SchemaHistory> all;
  for (std::string line, versions, from; std::getline(file, line);) {
    std::istringstream fields(line);
    SchemaHistory history;
    std::getline(fields, history.domain, '\t');
    std::getline(fields, history.op, '\t');
    std::getline(fields, versions, '\t');
    std::getline(fields, from, '\t');
    if (history.domain == "ai.onnx") history.domain.clear();
    history.well_formed_from = number(from);
    std::istringstream list(versions);
    for (std::string version; std::getline(list, version, ',');) history.versions.push_back(number(version));
    all.push_back(std::move(history));
  }
  return all;
}

TEST(UpgradeTable, KnowsEveryVersionOfEveryOperator) {
  const auto histories = read_histories();
  ASSERT_GT(histories.size(), 200u);
  for (const SchemaHistory& schema : histories) {
    SCOPED_TRACE(schema.domain + "." + schema.op);
    const OperatorHistory* known = find_history(schema.domain, schema.op);
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->newest, schema.versions.back());
    EXPECT_GE(known->current_from, schema.well_formed_from);
    EXPECT_TRUE(known->current_from == kNeverCurrent ||
                std::ranges::find(schema.versions, known->current_from) != schema.versions.end());
    EXPECT_EQ(known->upgrade != nullptr, known->current_from > schema.versions.front());
  }
}

TEST(UpgradeTable, HasNoOperatorsThatOnnxLacks) {
  const auto histories = read_histories();
  for (const std::string domain : {"", "ai.onnx.ml"}) {
    const auto table = operator_histories(domain);
    EXPECT_TRUE(std::ranges::is_sorted(table, {}, &OperatorHistory::op));
    EXPECT_EQ(std::ranges::count(histories, domain, &SchemaHistory::domain), std::ssize(table));
  }
}

TEST(UpgradeTable, LeadsToTheDefinitionsThatTheEngineHas) {
  for (const OpSchema* schema : OperatorRegistry::builtin().all()) {
    const OperatorHistory* known = find_history(schema->domain, schema->op);
    if (known != nullptr) EXPECT_EQ(known->newest, schema->since_version) << schema->op;
  }
}

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
      {"Add", 6, {image, floats(Shape{5})}, {{"broadcast", int64_t{1}}, {"axis", int64_t{2}}}, 1,
 R"()"},
      {"Add", 6, {kUnknown, kUnknown}, {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}}, 1,
 R"()"},
      {"Mul", 6, {kUnknown, kUnknown}, {{"broadcast", int64_t{1}}}, 1,
 R"()"},
      {"Relu", 5, {kUnknown}, {{"consumed_inputs", std::vector<int64_t>{0}}}, 1,
 R"()"},
      {"Cast", 5, {kUnknown}, {{"to", "DOUBLE"}}, 1,
 R"()"},
      {"Clip", 6, {kUnknown}, {{"max", 6.0f}}, 1,
 R"()"},
      {"Clip", 6, {image}, {{"min", 0.0f}}, 1,
 R"()"},
      {"PRelu", 6, {image, floats(Shape{4})}, {}, 1,
 R"()"},
      {"ReduceSum", 11, {kUnknown}, {{"axes", std::vector<int64_t>{1}}}, 1,
 R"()"},
      {"ReduceLogSum", 17, {ValueType::tensor(DType::kI32, std::nullopt)}, {}, 1,
 R"()"},
      {"Softmax", 12, {image}, {}, 1,
 R"()"},
      {"Softmax", 12, {image}, {{"axis", int64_t{3}}}, 1,
 R"()"},
      {"Squeeze", 11, {kUnknown}, {{"axes", std::vector<int64_t>{0}}}, 1,
 R"()"},
      {"Concat", 3, {kUnknown, kUnknown}, {}, 1,
 R"()"},
      {"Slice", 9, {kUnknown}, {{"starts", std::vector<int64_t>{1}}, {"ends", std::vector<int64_t>{2}}}, 1,
 R"()"},
      {"Split", 11, {kUnknown}, {{"axis", int64_t{1}}}, 2,
 R"()"},
      {"Pad", 10, {image}, {{"mode", "constant"}, {"pads", std::vector<int64_t>(8, 1)}, {"value", 2.0f}}, 1,
 R"()"},
      {"Tile", 1, {kUnknown, kUnknown, kUnknown}, {}, 1,
 R"()"},
      {"OneHot", 9, {kUnknown, kUnknown, kUnknown}, {}, 1,
 R"()"},
      {"Scatter", 11, {kUnknown, kUnknown, kUnknown}, {{"axis", int64_t{1}}}, 1,
 R"()"},
      {"TopK", 9, {kUnknown}, {{"k", int64_t{3}}}, 2,
 R"()"},
      {"Dropout", 6, {image}, {}, 1,
 R"()"},
      {"Dropout", 7, {kUnknown}, {{"ratio", 0.5f}}, 2,
 R"()"},
      {"DFT", 17, {kUnknown}, {}, 1,
 R"()"},
      {"GridSample", 16, {kUnknown, kUnknown}, {{"mode", "bicubic"}}, 1,
 R"()"},
      {"LSTM", 6, {kUnknown, kUnknown, kUnknown}, {{"hidden_size", int64_t{2}}, {"output_sequence", int64_t{1}}}, 2,
 R"()"},
      {"RoiAlign", 10, {kUnknown, kUnknown, kUnknown}, {}, 1,
 R"()"},
      {"BatchNormalization", 6, {kUnknown, kUnknown, kUnknown, kUnknown, kUnknown}, {{"is_test", int64_t{1}}, {"spatial", int64_t{1}}}, 1,
 R"()"},
      {"BatchNormalization", 9, {kUnknown, kUnknown, kUnknown, kUnknown, kUnknown}, {}, 5,
 R"()"},
      {"GroupNormalization", 18, {kUnknown, kUnknown, kUnknown}, {{"num_groups", int64_t{2}}}, 1,
 R"()"},
      {"Resize", 10, {kUnknown, kUnknown}, {}, 1,
 R"()"},
      {"Upsample", 7, {kUnknown}, {{"mode", "linear"}, {"scales", std::vector<float>{1, 1, 2, 2}}}, 1,
 R"()"},
      {"Resize", 11, {kUnknown, kUnknown, kUnknown, kUnknown}, {}, 1,
 R"()"},
  };
}

TEST(Upgrade, WritesOldNodesInNewestOperators) {
  for (const Golden& golden : goldens()) {
    EXPECT_EQ(upgraded(golden.op, golden.opset, golden.inputs, golden.attributes, golden.outputs), golden.expected)
        << golden.op << " of opset " << golden.opset;
  }
}

TEST(Upgrade, LeavesNodesOfOtherDomainsAlone) {
  EXPECT_EQ(upgraded("Softmax", 1, {kUnknown}, {{"axis", int64_t{1}}}, 1, "com.example"),
            "%y = com.example.Softmax(%x) {axis=1}\n");
  EXPECT_EQ(upgraded("NoSuchOperator", 5, {kUnknown}, {}), "%y = NoSuchOperator(%x)\n");
}

std::string refusal(std::string_view op, int64_t opset, const std::vector<ValueType>& inputs, Attributes attributes,
                    std::string_view domain = "") {
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
  EXPECT_EQ(refusal("GlobalLpPool", 1, {kUnknown}, {{"p", 2.5f}}),
            "n: GlobalLpPool of opset 1: attribute p is 2.5; the newest operator takes whole numbers from 1 on");
  EXPECT_EQ(refusal("LpPool", 1, {kUnknown}, {}),
            "n: LpPool of opset 1: attribute kernel_shape is absent; the newest operator demands it");
  EXPECT_EQ(refusal("Cast", 5, {kUnknown}, {{"to", "FLAOT"}}),
            "n: Cast of opset 5: attribute to is \"FLAOT\", which is no element type");
  EXPECT_EQ(refusal("Resize", 11, {kUnknown},
                    {{"coordinate_transformation_mode", "tf_half_pixel_for_nn"}, {"mode", "linear"}}),
            "n: Resize of opset 11: attribute coordinate_transformation_mode is tf_half_pixel_for_nn, which goes "
            "with nearest_mode floor or round_prefer_floor only; mode is linear, nearest_mode round_prefer_floor");
  EXPECT_EQ(refusal("Softmax", 9, {}, {}), "n: Softmax of opset 9 lacks its input 1");
  EXPECT_EQ(refusal("LabelEncoder", 1, {kUnknown}, {{"classes_strings", std::vector<std::string>{"a"}}}, "ai.onnx.ml"),
            "n: ai.onnx.ml.LabelEncoder of opset 1: the types of input and output are unknown; exactly one of the "
            "attributes default_int64 and default_string has to be there");
}

// The body of opset 8 knew nothing of the batch.
TEST(Upgrade, ScansABatchByAnOuterScan) {
  auto body = std::make_shared<Graph>("body");
  const ValueId state = body->add_input("s", floats(Shape{2})), element = body->add_input("e", floats(Shape{2}));
  body->outputs = {body->add("", "Add", {state, element}), body->add("", "Mul", {state, element})};
  Attributes attributes = {{"body", GraphPtr(body)}, {"num_scan_inputs", int64_t{1}}};
  const ValueType lengths = ValueType::tensor(DType::kI64, Shape{3});
  EXPECT_EQ(upgraded("Scan", 8, {lengths, kUnknown, kUnknown}, attributes, 2),
            R"()");
}

}  // namespace
}  // namespace oag
