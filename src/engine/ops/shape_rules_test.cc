// Shape rules over symbolic dims. Expected shapes follow from the operators' definitions in ONNX.
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/ops/verify.h"

namespace oag {
namespace {

const Dim kT = Dim::symbol("T"), kB = Dim::symbol("B");

Tensor ints(std::vector<int64_t> values) {
  return Tensor::of<int64_t>(DType::kI64, {static_cast<int64_t>(values.size())}, values);
}

// A one-node graph under construction.
struct NodeTest {
  ValueId input(std::optional<Shape> shape, DType dtype = DType::kF32) {
    return graph.add_input("x", ValueType::tensor(dtype, std::move(shape)));
  }
  ValueId constant(std::vector<int64_t> values) { return graph.add_constant("c", ints(std::move(values))); }

  // Output types of the node, as print_graph would show them.
  std::string infer(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {},
                    size_t outputs = 1) {
    const auto made = graph.add_node("", op, std::move(inputs), std::move(attributes), outputs, "n").outputs;
    infer_types(graph);
    std::string text;
    for (const ValueId id : made) {
      const ValueType& type = graph.value(id).type;
      text += (text.empty() ? "" : " ") + std::string(dtype_name(type.dtype)) +
              (type.shape ? to_string(*type.shape) : "?");
    }
    return text;
  }

  Graph graph;
};

TEST(ShapeRules, BroadcastKeepsSymbolsAndTakesTheLargerRank) {
  NodeTest test;
  EXPECT_EQ(test.infer("Add", {test.input(Shape{kB, kT, 8}), test.input(Shape{kT, 1})}), "f32[B, T, 8]");
}

TEST(ShapeRules, ComparisonsGiveBool) {
  NodeTest test;
  EXPECT_EQ(test.infer("Less", {test.input(Shape{kT}), test.input(Shape{})}), "bool[T]");
}

TEST(ShapeRules, UnknownRankStaysUnknown) {
  NodeTest test;
  EXPECT_EQ(test.infer("Mul", {test.input(std::nullopt), test.input(Shape{kT})}), "f32?");
}

TEST(ShapeRules, ReshapeDividesTheProductOfSymbolicDims) {
  NodeTest test;
  EXPECT_EQ(test.infer("Reshape", {test.input(Shape{kT, 576}), test.constant({0, -1, 64})}), "f32[T, 9, 64]");
}

TEST(ShapeRules, ReshapeByDataKnowsOnlyTheRank) {
  NodeTest test;
  EXPECT_EQ(test.infer("Reshape", {test.input(Shape{kT, 4}), test.input(Shape{3}, DType::kI64)}),
            "f32[n.d0, n.d1, n.d2]");
}

TEST(ShapeRules, ReshapeAllowzeroTakesAZeroAsADim) {
  NodeTest test;
  EXPECT_EQ(
      test.infer("Reshape", {test.input(Shape{0, 4}), test.constant({4, 0})}, {{"allowzero", int64_t{1}}}),
      "f32[4, 0]");
}

TEST(ShapeRules, UnsqueezeAndSqueezeUndoEachOther) {
  NodeTest test;
  const ValueId axes = test.constant({0, -1});
  const ValueId wide = test.graph.add("", "Unsqueeze", {test.input(Shape{kT, 8}), axes});
  EXPECT_EQ(test.infer("Squeeze", {wide, axes}), "f32[T, 8]");
  EXPECT_EQ(to_string(*test.graph.value(wide).type.shape), "[1, T, 8, 1]");
}

TEST(ShapeRules, FlattenMultipliesDims) {
  NodeTest test;
  EXPECT_EQ(test.infer("Flatten", {test.input(Shape{kB, kT, 3, 4})}, {{"axis", int64_t{2}}}), "f32[B*T, 12]");
}

TEST(ShapeRules, ConcatAddsAlongItsAxis) {
  NodeTest test;
  EXPECT_EQ(
      test.infer("Concat", {test.input(Shape{kT, 8}), test.input(Shape{kT, 8}), test.input(Shape{3, 8})},
                 {{"axis", int64_t{0}}}),
      "f32[(3 + 2*T), 8]");
}

TEST(ShapeRules, SplitGivesEqualPartsOrThoseAsked) {
  NodeTest equal;
  EXPECT_EQ(equal.infer("Split", {equal.input(Shape{kT, 7})}, {{"axis", int64_t{1}}}, 3),
            "f32[T, 3] f32[T, 3] f32[T, 1]");
  NodeTest asked;
  EXPECT_EQ(
      asked.infer("Split", {asked.input(Shape{kT, 7}), asked.constant({5, 2})}, {{"axis", int64_t{1}}}, 2),
      "f32[T, 5] f32[T, 2]");
}

TEST(ShapeRules, SliceOfSymbolicDims) {
  const auto slice = [](int64_t start, int64_t end, int64_t step) {
    NodeTest test;
    return test.infer("Slice", {test.input(Shape{kT, 8}), test.constant({start}), test.constant({end}),
                                test.constant({0}), test.constant({step})});
  };
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max(), kBegin = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(slice(0, kEnd, 1), "f32[T, 8]");
  EXPECT_EQ(slice(0, 4, 1), "f32[min(4, T), 8]");
  EXPECT_EQ(slice(-1, kEnd, 1), "f32[min(1, T), 8]");
  EXPECT_EQ(slice(0, kEnd, 2), "f32[ceil(T/2), 8]");
  EXPECT_EQ(slice(-1, kBegin, -1), "f32[T, 8]");
}

TEST(ShapeRules, SliceOfConstantDimsIsExact) {
  NodeTest test;
  EXPECT_EQ(test.infer("Slice", {test.input(Shape{10, kT}), test.constant({8}), test.constant({-10}),
                                 test.constant({0}), test.constant({-3})}),
            "f32[3, T]");
}

TEST(ShapeRules, SliceByDataChangesOnlyItsAxes) {
  NodeTest test;
  const ValueId bound = test.input(Shape{1}, DType::kI64);
  EXPECT_EQ(test.infer("Slice", {test.input(Shape{kT, 8}), bound, bound, test.constant({1})}),
            "f32[T, n.d1]");
}

TEST(ShapeRules, GatherReplacesItsAxis) {
  NodeTest test;
  EXPECT_EQ(test.infer("Gather",
                       {test.input(Shape{1000, 64}, DType::kF16), test.input(Shape{kB, kT}, DType::kI64)}),
            "f16[B, T, 64]");
}

TEST(ShapeRules, GatherFromBlocksGivesF32) {
  NodeTest test;
  EXPECT_EQ(
      test.infer("Gather", {test.input(Shape{1000, 256}, DType::kQ4_K), test.input(Shape{kT}, DType::kI32)}),
      "f32[T, 256]");
}

TEST(ShapeRules, MatMulBroadcastsBatchesAndDropsVectorDims) {
  NodeTest matrices;
  EXPECT_EQ(matrices.infer("MatMul", {matrices.input(Shape{kB, 1, kT, 8}), matrices.input(Shape{4, 8, kT})}),
            "f32[B, 4, T, T]");
  NodeTest vectors;
  EXPECT_EQ(vectors.infer("MatMul", {vectors.input(Shape{8}), vectors.input(Shape{kB, 8, kT})}), "f32[B, T]");
}

TEST(ShapeRules, ReductionsKeepOrDropDims) {
  NodeTest keep;
  EXPECT_EQ(keep.infer("ReduceMean", {keep.input(Shape{kB, kT, 8}), keep.constant({-1})}), "f32[B, T, 1]");
  NodeTest drop;
  EXPECT_EQ(drop.infer("ReduceMean", {drop.input(Shape{kB, kT, 8}), drop.constant({-1})},
                       {{"keepdims", int64_t{0}}}),
            "f32[B, T]");
  NodeTest unknown;
  EXPECT_EQ(unknown.infer("ReduceSum", {unknown.input(Shape{kT, 8}), unknown.input(Shape{1}, DType::kI64)}),
            "f32[n.d0, n.d1]");
}

TEST(ShapeRules, RangeOfConstantsIsExactAndOfDataIsASymbol) {
  NodeTest exact;
  const auto scalar = [&](int64_t value) {
    return exact.graph.add_constant("s", ints({value}).reshaped({}));
  };
  EXPECT_EQ(exact.infer("Range", {scalar(3), scalar(10), scalar(2)}), "i64[4]");
  NodeTest data;
  const ValueId bound = data.input(Shape{}, DType::kI64);
  EXPECT_EQ(data.infer("Range", {bound, bound, bound}), "i64[n.count]");
}

TEST(ShapeRules, TileAndPadScaleAndGrowDims) {
  NodeTest tile;
  EXPECT_EQ(tile.infer("Tile", {tile.input(Shape{kT, 3}), tile.constant({2, 1})}), "f32[2*T, 3]");
  NodeTest pad;
  EXPECT_EQ(pad.infer("Pad", {pad.input(Shape{kT, 3}), pad.constant({1, 0, 2, -1})}), "f32[(3 + T), 2]");
}

TEST(ShapeRules, OptionalOutputsGetTypesToo) {
  NodeTest test;
  const ValueId scale = test.input(Shape{8});
  EXPECT_EQ(test.infer("LayerNormalization", {test.input(Shape{kT, 8}), scale}, {}, 3),
            "f32[T, 8] f32[T, 1] f32[T, 1]");
}

TEST(ShapeRules, DimsBeyond64BitsAreRefused) {
  NodeTest test;
  const int64_t huge = int64_t{1} << 40;
  EXPECT_THROW(test.infer("Reshape", {test.input(Shape{kT}), test.constant({huge, huge, -1})}), Error);
}

// What the verifier and the rules refuse, and that the line names the node.
struct Refusal {
  const char* name;
  const char* message;
  std::string (*infer)(NodeTest&);
};

class ShapeRefusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(ShapeRefusals, NameNodeAndShapes) {
  NodeTest test;
  try {
    ADD_FAILURE() << "accepted: " << GetParam().infer(test);
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_NE(line.find(GetParam().message), std::string::npos) << line;
    EXPECT_NE(line.find("node n ("), std::string::npos) << line;
  }
}

constexpr Refusal kRefusals[] = {
    {"Broadcast", "[2, 3] and [4] do not broadcast",
     [](NodeTest& t) { return t.infer("Add", {t.input(Shape{2, 3}), t.input(Shape{4})}); }},
    {"MixedTypes", "input B (%x_1) is i64, but T is f32",
     [](NodeTest& t) { return t.infer("Add", {t.input(Shape{2}), t.input(Shape{2}, DType::kI64)}); }},
    {"WrongType", "is i32, which the operator does not take",
     [](NodeTest& t) { return t.infer("Cos", {t.input(Shape{2}, DType::kI32)}); }},
    {"TooManyInputs", "has 2 inputs",
     [](NodeTest& t) { return t.infer("Cos", {t.input(Shape{2}), t.input(Shape{2})}); }},
    {"LackingInput", "has 1 inputs", [](NodeTest& t) { return t.infer("Add", {t.input(Shape{2})}); }},
    {"UnknownAttribute", "has an attribute beta",
     [](NodeTest& t) { return t.infer("Swish", {t.input(Shape{2})}, {{"beta", 1.0f}}); }},
    {"AttributeType", "its attribute axis is a float, expected an integer",
     [](NodeTest& t) { return t.infer("Softmax", {t.input(Shape{2})}, {{"axis", 1.0f}}); }},
    {"AttributeIsNoList", "its attribute perm is an integer, expected a list of integers",
     [](NodeTest& t) { return t.infer("Transpose", {t.input(Shape{2})}, {{"perm", int64_t{0}}}); }},
    {"SpareOutput", "has 2 outputs, its schema makes 1",
     [](NodeTest& t) { return t.infer("Neg", {t.input(Shape{2})}, {}, 2); }},
    {"DimsWithoutEndNameTheNode", "(Expand): shape: ",
     [](NodeTest& t) { return t.infer("Expand", {t.input(Shape{1}), t.constant({int64_t{1} << 62, 8})}); }},
    {"BytesWithoutEndNameTheNode", "(Expand): f32: ",
     [](NodeTest& t) { return t.infer("Expand", {t.input(Shape{1}), t.constant({int64_t{1} << 62})}); }},
    {"LackingAttribute", "required attribute to",
     [](NodeTest& t) { return t.infer("Cast", {t.input(Shape{2})}); }},
    {"CastCode", "to is 99",
     [](NodeTest& t) { return t.infer("Cast", {t.input(Shape{2})}, {{"to", int64_t{99}}}); }},
    {"UnknownOperator", "operator is not supported",
     [](NodeTest& t) { return t.infer("NoSuchOperator", {t.input(Shape{2})}); }},
    {"ReshapeCount", "[2, 3] cannot become [4, 2]",
     [](NodeTest& t) { return t.infer("Reshape", {t.input(Shape{2, 3}), t.constant({4, 2})}); }},
    {"ReshapeTwoUnknown", "other than one -1",
     [](NodeTest& t) { return t.infer("Reshape", {t.input(Shape{2, 3}), t.constant({-1, -1})}); }},
    {"ReshapeInferBesideZero", "infers a dim beside a 0",
     [](NodeTest& t) {
       return t.infer("Reshape", {t.input(Shape{0, 3}), t.constant({0, -1})}, {{"allowzero", int64_t{1}}});
     }},
    {"SqueezeWide", "dim 1 of [1, 3] is not 1",
     [](NodeTest& t) { return t.infer("Squeeze", {t.input(Shape{1, 3}), t.constant({1})}); }},
    {"UnsqueezeTwice", "name a dim twice",
     [](NodeTest& t) { return t.infer("Unsqueeze", {t.input(Shape{3}), t.constant({0, 0})}); }},
    {"Axis", "axis 2 is outside [-2, 2)",
     [](NodeTest& t) { return t.infer("Softmax", {t.input(Shape{2, 3})}, {{"axis", int64_t{2}}}); }},
    {"Permutation", "perm [0, 0] is no permutation",
     [](NodeTest& t) {
       return t.infer("Transpose", {t.input(Shape{2, 3})}, {{"perm", std::vector<int64_t>{0, 0}}});
     }},
    {"ConcatDims", "[2, 4] does not fit [2, 3]",
     [](NodeTest& t) {
       return t.infer("Concat", {t.input(Shape{2, 3}), t.input(Shape{2, 4})}, {{"axis", int64_t{0}}});
     }},
    {"SplitSum", "does not add up",
     [](NodeTest& t) { return t.infer("Split", {t.input(Shape{5}), t.constant({2, 2})}, {}, 2); }},
    {"SliceStep", "has a 0",
     [](NodeTest& t) {
       return t.infer(
           "Slice", {t.input(Shape{5}), t.constant({0}), t.constant({1}), t.constant({0}), t.constant({0})});
     }},
    {"MatMulDepth", "[2, 3] and [4, 2] differ",
     [](NodeTest& t) { return t.infer("MatMul", {t.input(Shape{2, 3}), t.input(Shape{4, 2})}); }},
    {"GatherBlockAxis", "gathered on axis 0",
     [](NodeTest& t) {
       return t.infer("Gather", {t.input(Shape{64, 256}, DType::kQ4_K), t.input(Shape{2}, DType::kI64)},
                      {{"axis", int64_t{1}}});
     }},
    {"AbsurdRank", "64 are the most",
     [](NodeTest& t) {
       return t.infer("Reshape", {t.input(Shape{2}), t.input(Shape{int64_t{1} << 40}, DType::kI64)});
     }},
    {"RotaryRank", "must be [batch, heads, tokens, d]",
     [](NodeTest& t) {
       return t.infer("RotaryEmbedding", {t.input(Shape{2, 8}), t.input(Shape{4, 4}), t.input(Shape{4, 4})});
     }},
    {"ScaleTooWide", "does not broadcast to x",
     [](NodeTest& t) {
       return t.infer("RMSNormalization", {t.input(Shape{2, 8}), t.input(Shape{3, 2, 8})});
     }},
};

INSTANTIATE_TEST_SUITE_P(All, ShapeRefusals, ::testing::ValuesIn(kRefusals),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace oag
