// Operators of com.microsoft: shape rules that follow from decompositions, and what is refused.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/ops/serial_env.h"
#include "engine/ops/verify.h"

namespace oag {
namespace {

constexpr std::string_view kDomain = "com.microsoft";
const Dim kB = Dim::symbol("B"), kT = Dim::symbol("T");

// One node under construction; its inputs are graph inputs unless said otherwise.
struct ContribNode {
  ValueId input(DType dtype, std::optional<Shape> shape) {
    return graph.add_input("x", ValueType::tensor(dtype, std::move(shape)));
  }
  ValueId scale() { return input(DType::kF32, Shape{}); }

  // The types of the outputs as print_graph would show them, or what the node is refused for.
  std::string infer(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {},
                    size_t outputs = 1) {
    const auto made =
        graph.add_node(kDomain, op, std::move(inputs), std::move(attributes), outputs, "n").outputs;
    try {
      infer_types(graph);
    } catch (const Error& error) {
      return error.what();
    }
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

TEST(Contrib, ShapesFollowFromDecompositions) {
  ContribNode add;
  const auto bytes = [&](ContribNode& node, std::optional<Shape> shape, DType dtype = DType::kU8) {
    return node.input(dtype, std::move(shape));
  };
  EXPECT_EQ(add.infer("QLinearAdd", {bytes(add, Shape{kB, kT, 8}), add.scale(), bytes(add, Shape{}),
                                     bytes(add, Shape{kT, 1}), add.scale(), kNoValue, add.scale()}),
            "u8[B, T, 8]");
  ContribNode unknown;
  EXPECT_EQ(unknown.infer("QLinearSigmoid", {bytes(unknown, std::nullopt, DType::kI8), unknown.scale(),
                                             kNoValue, unknown.scale()}),
            "i8?");
  ContribNode pool;
  EXPECT_EQ(pool.infer("NhwcMaxPool", {bytes(pool, Shape{kB, 6, 7, 3})},
                       {{"kernel_shape", std::vector<int64_t>{2, 2}}}),
            "u8[B, 5, 6, 3]");
  ContribNode product;
  EXPECT_EQ(product.infer("DynamicQuantizeMatMul",
                          {product.input(DType::kF32, Shape{kB, kT, 4}),
                           bytes(product, Shape{4, 5}, DType::kI8), product.input(DType::kF32, Shape{5})}),
            "f32[B, T, 5]");
  ContribNode bounds;
  const auto i16 = [&] { return bounds.input(DType::kI16, Shape{1}); };
  EXPECT_EQ(bounds.infer("Range", {i16(), i16()}).substr(0, 4), "i16[");
}

TEST(Contrib, DimsThatDependOnDataAreTheNodesOwn) {
  ContribNode test;
  const ValueId x = test.input(DType::kF32, Shape{kT});
  test.graph.add_node(kDomain, "Unique", {x}, {}, 3, "first");
  test.infer("Unique", {x}, {}, 3);
  const auto& first = test.graph.value(test.graph.nodes[0].outputs[0]).type.shape;
  const auto& second = test.graph.value(test.graph.nodes[1].outputs[0]).type.shape;
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(*first == *second);
}

TEST(Contrib, QGemmIsQuantisedWhereItsOutputHasAZeroPoint) {
  for (const bool quantised : {false, true}) {
    ContribNode node;
    const auto bytes = [&](Shape shape) { return node.input(DType::kU8, std::move(shape)); };
    std::vector<ValueId> inputs = {bytes({kB, 4}), node.scale(), bytes({}), bytes({5, 4}),
                                   node.scale(),   bytes({}),    kNoValue};
    if (quantised) inputs.insert(inputs.end(), {node.scale(), bytes({})});
    EXPECT_EQ(node.infer("QGemm", inputs, {{"transB", int64_t{1}}}), quantised ? "u8[B, 5]" : "f32[B, 5]");
  }
  ContribNode half;
  const auto bytes = [&](Shape shape) { return half.input(DType::kU8, std::move(shape)); };
  EXPECT_EQ(half.infer("QGemm", {bytes({3, 4}), half.scale(), bytes({}), bytes({4, 5}), half.scale(),
                                 bytes({}), kNoValue, half.scale()}),
            "node n (com.microsoft.QGemm): it has one of y_scale and y_zero_point; both make its output "
            "quantised");
}

TEST(Contrib, DecompositionsRefuseWhatTheyCannotSay) {
  ContribNode gemm;
  const auto matrix = [](ContribNode& node) { return node.input(DType::kF32, Shape{3, 3}); };
  EXPECT_EQ(gemm.infer("FusedGemm", {matrix(gemm), matrix(gemm)}, {{"activation", std::string("Cosh")}}),
            "node n (com.microsoft.FusedGemm): its activation Cosh is not known");
  ContribNode conv;
  const auto image = [&] { return conv.input(DType::kF32, Shape{1, 1, 3, 3}); };
  EXPECT_EQ(conv.infer("FusedConv", {image(), image()}, {{"activation", std::string("Clip")}}),
            "node n (com.microsoft.FusedConv): Clip has 0 activation_params; it takes 2");
  ContribNode concat;
  const ValueId zero = concat.input(DType::kU8, Shape{});
  EXPECT_EQ(concat.infer("QLinearConcat", {concat.scale(), zero, concat.input(DType::kU8, Shape{2})},
                         {{"axis", int64_t{0}}}),
            "node n (com.microsoft.QLinearConcat): its 1 inputs after the first two are not in threes");
  ContribNode sigmoid;
  EXPECT_EQ(
      sigmoid.infer("QLinearSigmoid", {sigmoid.input(DType::kU8, Shape{2, 3}),
                                       sigmoid.input(DType::kF32, Shape{3}), kNoValue, sigmoid.scale()}),
      "node n (com.microsoft.QLinearSigmoid): input 1 must be one scale or zero point for all elements");
  ContribNode rotary;
  const ValueId cache = rotary.input(DType::kF32, Shape{9, 4});
  EXPECT_EQ(rotary.infer("MRotaryEmbedding",
                         {rotary.input(DType::kF32, Shape{1, 2, 8}),
                          rotary.input(DType::kI64, Shape{3, 1, 2}), cache, cache},
                         {{"mrope_section", std::vector<int64_t>{4}}}),
            "node n (com.microsoft.MRotaryEmbedding): mrope_section must be three lengths");
}

Tensor f32(Dims dims, float value = 1) {
  const std::vector<float> values(static_cast<size_t>(element_count(dims)), value);
  return Tensor::of<float>(DType::kF32, std::move(dims), values);
}
Tensor u8(Dims dims) {
  const std::vector<uint8_t> values(static_cast<size_t>(element_count(dims)), 1);
  return Tensor::of<uint8_t>(DType::kU8, std::move(dims), values);
}
Tensor i32(Dims dims, int32_t value) {
  const std::vector<int32_t> values(static_cast<size_t>(element_count(dims)), value);
  return Tensor::of<int32_t>(DType::kI32, std::move(dims), values);
}

// Runs the reference kernel on inputs of which the shape rule knows only the element types; undefined tensors
// are left out.
std::string run(std::string_view op, std::vector<Tensor> inputs, Attributes attributes = {},
                size_t count = 1) {
  try {
    Graph graph;
    std::vector<ValueId> ids;
    for (const Tensor& input : inputs)
      ids.push_back(input.defined() ? graph.add_input("x", ValueType::tensor(input.dtype(), std::nullopt))
                                    : kNoValue);
    graph.outputs = graph.add_node(kDomain, op, ids, std::move(attributes), count, "n").outputs;
    infer_types(graph);
    std::vector<Tensor> outputs(count);
    SerialEnv env;
    KernelContext context(graph.nodes[0], inputs, outputs, env);
    OperatorRegistry::builtin().find(kDomain, op)->reference(context);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string after_place(const std::string& message) {
  const size_t at = message.find("): ");
  return at == std::string::npos ? message : message.substr(at + 3);
}

TEST(Contrib, ExpertsRefuseWeightsThatDoNotFit) {
  const std::vector<Tensor> good = {f32({2, 4}), f32({2, 3}), f32({3, 5, 4}), Tensor(), f32({3, 4, 5})};
  EXPECT_EQ(run("MoE", good), "accepted");
  EXPECT_EQ(run("MoE", {f32({0, 4}), f32({0, 3}), good[2], Tensor(), good[4]}), "accepted");
  EXPECT_EQ(after_place(run("MoE", good, {{"k", int64_t{4}}})), "k is 4 of 3 experts");
  EXPECT_EQ(after_place(run("MoE", {good[0], f32({2, 2}), good[2], Tensor(), good[4]})),
            "input 1 [2, 2] must be [2, 3]");
  EXPECT_EQ(after_place(run("MoE", {good[0], good[1], good[2], f32({5}), good[4]})),
            "bias [5] must be [3, 5]");
  EXPECT_EQ(after_place(run("MoE", good, {{"activation_type", std::string("swiglu")}})),
            "swiglu with swiglu_fusion 0 needs the weights fc3");
  EXPECT_EQ(after_place(run("MoE", good, {{"activation_type", std::string("cosh")}})),
            "activation_type is cosh; it must be relu, gelu, silu, swiglu or identity");
  const std::vector<Tensor> packed = {f32({2, 32}), f32({2, 3}),    u8({3, 5, 16}), f32({3, 5}),
                                      Tensor(),     u8({3, 32, 3}), f32({3, 32})};
  EXPECT_EQ(after_place(run("QMoE", packed)),
            "weights of [3, 5, 32] and [3, 32, 6] do not fit each other and the input [2, 32]");
  EXPECT_EQ(after_place(run("QMoE", packed, {{"expert_weight_bits", int64_t{3}}})),
            "fc1_expert_weight_bits is 3; it must be 2, 4 or 8");
  EXPECT_EQ(after_place(run("QMoE", packed, {{"block_size", int64_t{16}}})),
            "scales [3, 5] must be [3, 5, 2]");
  EXPECT_EQ(after_place(run("QMoE", packed, {{"quant_type", std::string("fp8")}})),
            "quant_type is fp8; int is supported");
}

TEST(Contrib, FourBitWeightsAndMatricesAreChecked) {
  const Attributes bnb4 = {
      {"K", int64_t{16}}, {"N", int64_t{2}}, {"block_size", int64_t{16}}, {"quant_type", int64_t{1}}};
  EXPECT_EQ(run("MatMulBnb4", {f32({3, 16}), u8({16}), f32({2})}, bnb4), "accepted");
  EXPECT_EQ(after_place(run("MatMulBnb4", {f32({3, 16}), u8({15}), f32({2})}, bnb4)),
            "B [15] must have 16 bytes");
  EXPECT_EQ(after_place(run("MatMulBnb4", {f32({3, 8}), u8({16}), f32({2})}, bnb4)),
            "A [3, 8] must end in 16");
  EXPECT_EQ(after_place(run("Inverse", {f32({2, 3})})), "X [2, 3] must be [..., n, n]");
  EXPECT_EQ(run("Inverse", {f32({0, 3, 3})}), "accepted");
  EXPECT_EQ(run("Inverse", {f32({2, 2})}), "accepted");  // which has none: infinities
  EXPECT_EQ(after_place(run("CDist", {f32({2, 3}), f32({2, 4})})),
            "A [2, 3] and B [2, 4] must be matrices with one second dim");
  EXPECT_EQ(after_place(run("CDist", {f32({2, 3}), f32({2, 3})}, {{"metric", std::string("cosine")}})),
            "metric is cosine; euclidean and sqeuclidean are supported");
}

TEST(Contrib, CachesOfOtherFormatsAreRefused) {
  const Tensor row = f32({1, 1, 8});
  const auto attention = [&](const Tensor& past, Attributes attributes, const Tensor& scale = Tensor()) {
    attributes.insert({{"num_heads", int64_t{1}}, {"kv_num_heads", int64_t{1}}});
    return after_place(run("GroupQueryAttention",
                           {row, row, row, past, past, i32({1}, 4), i32({1}, 5), Tensor(), Tensor(), Tensor(),
                            Tensor(), Tensor(), scale, scale},
                           attributes, 3));
  };
  const Attributes window = {{"sliding_window_cache", int64_t{1}}, {"local_window_size", int64_t{4}}};
  EXPECT_EQ(attention(f32({1, 1, 4, 8}), window), "accepted");
  EXPECT_EQ(attention(f32({1, 1, 3, 8}), window), "a cache of 3 tokens is less than the window of 4");
  EXPECT_EQ(attention(Tensor(), window), "sliding_window_cache needs a past and a local_window_size");
  const Attributes packed = {{"kv_cache_bit_width", int64_t{4}},
                             {"k_quant_type", std::string("PER_TENSOR")},
                             {"v_quant_type", std::string("PER_TENSOR")}};
  EXPECT_EQ(attention(u8({1, 1, 4, 4}), packed, f32({1})), "accepted");
  EXPECT_EQ(attention(u8({1, 1, 4, 4}), packed, f32({2})), "input 12 must have 1 scales");
  EXPECT_EQ(attention(u8({1, 1, 4, 8}), packed, f32({1})), "the cache [1, 1, 4, 8] must be [1, 1, *, 4]");
  EXPECT_EQ(attention(f32({1, 1, 4, 8}), packed, f32({1})),
            "k_quant_type is PER_TENSOR, but the cache is f32");
}

}  // namespace
}  // namespace oag
