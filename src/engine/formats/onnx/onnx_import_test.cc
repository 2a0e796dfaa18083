#include "engine/formats/onnx/onnx_import.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "engine/formats/onnx/onnx_test_model.h"
#include "engine/formats/onnx/onnx_write.h"

namespace oag {
namespace {

using testing::attribute;
using testing::data_path;
using testing::floats;
using testing::graph;
using testing::graph_attribute;
using testing::import;
using testing::node;
using testing::refusal;
using testing::value;

std::vector<std::string> operators(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.full_op());
  return names;
}

// The names of a node's or graph's values.
std::vector<std::string> names(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<std::string> texts;
  for (const ValueId id : ids) texts.push_back(id == kNoValue ? "-" : graph.value(id).name);
  return texts;
}

using Texts = std::vector<std::string>;

TEST(OnnxImport, MakesValuesOfNamesAndConstantsOfInitializers) {
  const OnnxModel model = import(testing::model({
      .nodes = {node("Add", {"x", "w"}, {"y"}), node("Clip", {"y", "", "w"}, {"z"})},
      .inputs = {value("x", {"N", "3", "", "-1"}), value("w", {"1"})},
      .outputs = {value("z")},
      .initializers = {floats("w", {2})},
  }));
  const Graph& made = model.graph;
  EXPECT_EQ(operators(made), (Texts{"Add", "Clip"}));
  EXPECT_EQ(names(made, made.inputs), Texts{"x"});  // an initializer is no input
  EXPECT_EQ(names(made, made.nodes[1].inputs), (Texts{"y", "-", "w"}));
  EXPECT_EQ(names(made, made.outputs), Texts{"z"});
  EXPECT_EQ(to_string(*made.value(made.inputs[0]).type.shape), "[N, 3, x#0, x#1]");
  EXPECT_EQ(made.value(made.nodes[0].inputs[1]).constant->values<float>()[0], 2);
  ASSERT_EQ(model.inputs.size(), 1u);
  EXPECT_EQ(model.opset_imports.at(""), 28);
  EXPECT_EQ(model.ir_version, 14);
}

TEST(OnnxImport, QuestionMarksAreNoNameOfADim) {
  const OnnxModel model = import(testing::model({
      .nodes = {node("Neg", {"x"}, {"y"})},
      .inputs = {value("x", {"?", "3", "?"})},
      .outputs = {value("y")},
  }));
  EXPECT_EQ(to_string(*model.graph.value(model.graph.inputs[0]).type.shape), "[x#0, 3, x#1]");
}

TEST(OnnxImport, RefusesAnOutputThatIsSaidToBeOfAnotherElementType) {
  const auto with_output = [](ProtoWriter output) {
    return testing::model({.nodes = {node("Shape", {"x"}, {"y"})},
                           .inputs = {value("x", {"2", "3"})},
                           .outputs = {std::move(output)}});
  };
  EXPECT_EQ(refusal(with_output(value("y", {"2"}))),
            "m: output y is said to be f32[2], but the graph makes i64[2]; export it anew");
  ProtoWriter untyped;
  untyped.text(1, "y");
  EXPECT_EQ(refusal(with_output(std::move(untyped))), "");
}

TEST(OnnxImport, ShowsNamesOfAnyLanguageAndNoControlCharacters) {
  const auto unknown = [](std::string_view name) {
    const std::string line = refusal(
        testing::model({.nodes = {node("Neg", {name}, {"y"})}, .inputs = {}, .outputs = {value("y")}}));
    const std::string_view before = "m: node that makes y (Neg): its input ";
    return line.substr(before.size(), line.find(" is no input") - before.size());
  };
  EXPECT_EQ(unknown("\xe8\xbe\x93\xe5\x85\xa5"), "\xe8\xbe\x93\xe5\x85\xa5");
  EXPECT_EQ(unknown("a\n\x1b[31m"), "a\\x0a\\x1b[31m");
  EXPECT_EQ(unknown("\xc3("), "\\xc3(");
  EXPECT_EQ(unknown("\xe8\xbe"), "\\xe8\\xbe");
}

TEST(OnnxImport, RefusesAPointerOfGitLfs) {
  EXPECT_EQ(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"),
            "m: is Git LFS's pointer to the model, not the model: fetch it with `git lfs pull`");
}

// A value of which the file says the name alone.
ProtoWriter name_of_value(std::string_view name) {
  ProtoWriter writer;
  writer.text(1, name);
  return writer;
}

// `depth` Loops in each other, of which the innermost makes the state longer in each round.
std::string nested_loops(int depth) {
  ProtoWriter axis = attribute("axis", 2);
  axis.integer(3, 0);
  ProtoWriter step = node("Concat", {"state", "x"}, {"next"}, {axis});
  for (int loop = 1; loop <= depth; ++loop) {
    const ProtoWriter body = graph({
        .nodes = {node("Identity", {"go"}, {"goes"}), std::move(step)},
        .inputs = {name_of_value("round"), name_of_value("go"), name_of_value("state")},
        .outputs = {name_of_value("goes"), name_of_value("next")},
        .name = "body",
    });
    const std::string_view begin = loop == depth ? "x" : "state";
    step = node("Loop", {"", "", begin}, {"next"}, {graph_attribute("body", body)});
  }
  return testing::model(
      {.nodes = {std::move(step)}, .inputs = {value("x", {"4"})}, .outputs = {name_of_value("next")}});
}

// What the types inside cost doubles with each loop around.
TEST(OnnxImport, RefusesLoopsThatAreNestedTooDeep) {
  EXPECT_EQ(refusal(nested_loops(10)), "");
  EXPECT_EQ(refusal(nested_loops(11)),
            "m: node that makes next (Loop): lies in 10 other loops, expected at most 9");
}

// Only the body's outputs are wanted: M and cond are both left out, and no empty names stand for them.
TEST(OnnxImport, ALoopMayEndItsInputsEarly) {
  const ProtoWriter body = graph({
      .nodes = {node("Less", {"round", "round"}, {"goes"})},
      .inputs = {name_of_value("round"), name_of_value("go")},
      .outputs = {name_of_value("goes"), name_of_value("round")},
      .name = "body",
  });
  const OnnxModel model = import(testing::model({
      .nodes = {node("Loop", {}, {"y"}, {graph_attribute("body", body)})},
      .inputs = {},
      .outputs = {name_of_value("y")},
  }));
  EXPECT_EQ(names(model.graph, model.graph.nodes[0].inputs), (Texts{"-", "-"}));
  EXPECT_EQ(model.graph.value(model.graph.outputs[0]).type.dtype, DType::kI64);
}

TEST(OnnxImport, PutsNodesInOrder) {
  const OnnxModel model = import(testing::model({
      .nodes = {node("Neg", {"b"}, {"c"}), node("Exp", {"x"}, {"a"}), node("Abs", {"a"}, {"b"})},
      .inputs = {value("x")},
      .outputs = {value("c")},
  }));
  EXPECT_EQ(operators(model.graph), (Texts{"Exp", "Abs", "Neg"}));
}

TEST(OnnxImport, RefusesNamesThatMeanNothingOrTwoThings) {
  const auto refusal_of = [](std::vector<ProtoWriter> nodes) {
    return refusal(
        testing::model({.nodes = std::move(nodes), .inputs = {value("x")}, .outputs = {value("y")}}));
  };
  EXPECT_EQ(refusal_of({node("Neg", {"q"}, {"y"})}),
            "m: node that makes y (Neg): its input q is no input, initializer or output of any node");
  EXPECT_EQ(refusal_of({node("Neg", {"x"}, {"z"})}),
            "m: output y of graph g is no input, initializer or output of any node");
  EXPECT_EQ(refusal_of({node("Neg", {"x"}, {"y"}), node("Abs", {"x"}, {"y"})}),
            "m: node that makes y (Abs): the name y is defined twice in graph g, expected once");
  EXPECT_EQ(refusal_of({node("Neg", {"z"}, {"y"}), node("Abs", {"y"}, {"z"})}),
            "m: node that makes y (Neg) waits for its own output, in a circle of nodes");
  EXPECT_EQ(refusal_of({node("Neg", {"x"}, {"y"}, {}, "ai.onnx.ml")}),
            "m: node that makes y (ai.onnx.ml.Neg): the model imports no opset of its domain \"ai.onnx.ml\"");
  EXPECT_EQ(refusal(""), "m: holds no graph; is this an ONNX model?");
}

TEST(OnnxImport, ConstantNodesBecomeConstants) {
  ProtoWriter texts = testing::attribute("value_strings", 8);
  texts.text(9, "a");
  texts.text(9, "b");
  const OnnxModel model = import(testing::model({
      .nodes = {node("Constant", {}, {"s"}, {texts}),
                node("Constant", {}, {"f"}, {testing::float_attribute("value_float", 0.5F)}),
                node("Own", {"s", "f"}, {"y"}, {}, "own")},
      .inputs = {},
      .outputs = {value("y")},
  }));
  ASSERT_EQ(model.graph.nodes.size(), 1u);
  const Node& own = model.graph.nodes[0];
  const Tensor& strings = *model.graph.value(own.inputs[0]).constant;
  EXPECT_EQ(strings.dims(), Dims{2});
  EXPECT_EQ(strings.values<std::string>()[1], "b");
  const Tensor& number = *model.graph.value(own.inputs[1]).constant;
  EXPECT_EQ(number.rank(), 0u);
  EXPECT_EQ(number.values<float>()[0], 0.5F);
}

// if (c) { if (c) { x + a } else { b } } else { b }, where w is a constant that only the inner graph uses.
std::string nested_ifs() {
  const ProtoWriter deep = graph({.nodes = {node("Sum", {"x", "a", "w"}, {"p"})},
                                  .inputs = {},
                                  .outputs = {value("p")},
                                  .name = "deep"});
  const auto pass_b = [](std::string_view name) {
    return graph({.nodes = {node("Identity", {"b"}, {"q"})},
                  .inputs = {},
                  .outputs = {value("q")},
                  .name = std::string(name)});
  };
  const ProtoWriter inner =
      node("If", {"c"}, {"r"},
           {graph_attribute("then_branch", deep), graph_attribute("else_branch", pass_b("e"))});
  const ProtoWriter outer = graph({.nodes = {inner}, .inputs = {}, .outputs = {value("r")}, .name = "outer"});
  return testing::model({
      .nodes = {node("If", {"c"}, {"y"},
                     {graph_attribute("then_branch", outer), graph_attribute("else_branch", pass_b("f"))}),
                node("Abs", {"x"}, {"a"}), node("Neg", {"x"}, {"b"})},
      .inputs = {value("x"), value("c")},
      .outputs = {value("y")},
      .initializers = {floats("w", {1})},
  });
}

TEST(OnnxImport, ClosesSubgraphsThroughEachLevel) {
  const OnnxModel model = import(nested_ifs());
  EXPECT_EQ(operators(model.graph), (Texts{"Abs", "Neg", "If"}));  // a node waits for what its graphs use
  const Node& node = model.graph.nodes[2];
  EXPECT_EQ(names(model.graph, node.inputs), (Texts{"c", "c", "x", "a", "b"}));
  EXPECT_EQ(node.int_attribute("captures"), 4);
  const Graph& outer = *std::get<GraphPtr>(node.attributes.at("then_branch"));
  const Graph& other = *std::get<GraphPtr>(node.attributes.at("else_branch"));
  EXPECT_EQ(names(outer, outer.inputs), (Texts{"c", "x", "a", "b"}));
  EXPECT_EQ(names(other, other.inputs), (Texts{"c", "x", "a", "b"}));
  EXPECT_EQ(names(outer, outer.nodes[0].inputs), (Texts{"c", "x", "a", "b"}));
  const Graph& deep = *std::get<GraphPtr>(outer.nodes[0].attributes.at("then_branch"));
  EXPECT_EQ(names(deep, deep.inputs), (Texts{"x", "a", "b"}));
  // Constants are copied in, not passed.
  EXPECT_EQ(names(deep, deep.nodes[0].inputs), (Texts{"x", "a", "w"}));
  EXPECT_TRUE(deep.value(deep.nodes[0].inputs[2]).constant);
}

TEST(OnnxImport, WrittenModelsAreReadAsTheyWere) {
  for (const OnnxModel& model : {import(nested_ifs()), import_onnx(data_path("functions.onnx"))}) {
    const std::string bytes = write_onnx(model.graph, {{"", 28}});
    EXPECT_EQ(bytes.find("captures"), std::string::npos);
    const OnnxModel again = import(bytes);
    EXPECT_EQ(names(again.graph, again.graph.inputs), names(model.graph, model.graph.inputs));
    EXPECT_EQ(operators(again.graph), operators(model.graph));
    // Attributes are written in order of name, so that captures may change places.
    const auto inputs_of = [](const Graph& graph, size_t i) {
      Texts inputs = names(graph, graph.nodes[i].inputs);
      std::ranges::sort(inputs);
      return inputs;
    };
    for (size_t i = 0; i < model.graph.nodes.size(); ++i)
      EXPECT_EQ(inputs_of(again.graph, i), inputs_of(model.graph, i));
  }
}

TEST(OnnxImport, FunctionsBecomeTheirBodiesAsOnnxInlinesThem) {
  const OnnxModel model = import_onnx(data_path("functions.onnx"));
  const Json expected = parse_json(read_file(data_path("functions.json")), "functions.json");
  std::vector<std::string> seen;
  const std::function<void(const Graph&)> collect = [&](const Graph& graph) {
    for (const Node& node : graph.nodes) {
      seen.push_back(node.full_op());
      for (const auto& [key, attribute] : node.attributes) {
        if (const auto* inner = std::get_if<GraphPtr>(&attribute)) collect(**inner);
      }
    }
  };
  collect(model.graph);
  std::ranges::sort(seen);
  EXPECT_EQ(Json(seen), expected["operators"]);
  EXPECT_EQ(names(model.graph, model.graph.outputs), (Texts{"a", "b"}));
  // Arguments of the calls and the default of the first.
  const auto constant = [&](const std::string& name) {
    return model.graph.value(model.graph.find_value(name).value()).constant->values<float>()[0];
  };
  EXPECT_EQ(constant("second/inner_4/scale"), -3.0F);
  EXPECT_EQ(constant("first/by"), 1.0F);
  EXPECT_EQ(constant("second/by"), 0.5F);
}

std::string calling(std::string_view name, const std::vector<ProtoWriter>& functions) {
  return testing::model(
      {.nodes = {node(name, {"x"}, {"y"}, {}, "own")}, .inputs = {value("x")}, .outputs = {value("y")}},
      functions);
}

TEST(OnnxImport, FunctionsMayPassInputsOnAndLeaveArgumentsOut) {
  const ProtoWriter body = node("Clip", {"x", "low"}, {"y"}, {testing::reference("to", "absent", 2)});
  const OnnxModel model =
      import(calling("f", {testing::function("f", {"x", "low"}, {"y"}, {"absent"}, {body})}));
  EXPECT_EQ(names(model.graph, model.graph.nodes[0].inputs), (Texts{"x", "-"}));
  EXPECT_TRUE(model.graph.nodes[0].attributes.empty());
  const OnnxModel same = import(calling("f", {testing::function("f", {"x"}, {"x"}, {}, {})}));
  EXPECT_EQ(operators(same.graph), Texts{"Identity"});
}

TEST(OnnxImport, RefusesFunctionsThatHaveNoEndOrGrowTooLarge) {
  const auto call = [](std::string_view op, std::string_view from, std::string_view to) {
    return node(op, {from}, {to}, {}, "own");
  };
  EXPECT_EQ(refusal(calling("f", {testing::function("f", {"x"}, {"y"}, {}, {call("g", "x", "y")}),
                                  testing::function("g", {"x"}, {"y"}, {}, {call("f", "x", "y")})})),
            "m: function f calls itself, which has no end");
  // 40 functions, each calling the next twice: 2^40 nodes.
  std::vector<ProtoWriter> functions;
  for (int i = 0; i < 40; ++i) {
    const std::string next = i == 39 ? "Neg" : "f" + std::to_string(i + 1);
    functions.push_back(testing::function("f" + std::to_string(i), {"x"}, {"y"}, {},
                                          {call(next, "x", "t"), call(next, "t", "y")}));
  }
  EXPECT_NE(refusal(calling("f0", functions)).find("stand for over 1048576 nodes"), std::string::npos);
}

TEST(OnnxImport, ReportsWhatAnAttributeHoldsWrong) {
  ProtoWriter wrong = testing::attribute("axis", 2);
  wrong.float_value(2, 1);
  const std::string line = refusal(testing::model(
      {.nodes = {node("Softmax", {"x"}, {"y"}, {wrong})}, .inputs = {value("x")}, .outputs = {value("y")}}));
  EXPECT_NE(line.find("attribute axis is said to be of type 2 and holds a value of type 1"),
            std::string::npos)
      << line;
}

}  // namespace
}  // namespace oag
