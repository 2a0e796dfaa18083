// Data that no shape rule can refuse, and the exact results of corner cases. Expected values follow from the
// operators' definitions in ONNX.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "engine/ops/element.h"
#include "engine/ops/float8.h"
#include "engine/ops/serial_env.h"
#include "engine/ops/verify.h"
#include "engine/tensor/float16.h"

namespace oag {
namespace {

template <typename T>
Tensor make(DType dtype, Dims dims, std::vector<T> values) {
  return Tensor::of<T>(dtype, std::move(dims), values);
}
Tensor i64(std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return make<int64_t>(DType::kI64, {count}, std::move(values));
}
Tensor i32(std::vector<int32_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return make<int32_t>(DType::kI32, {count}, std::move(values));
}
Tensor f32(Dims dims, std::vector<float> values) {
  return make<float>(DType::kF32, std::move(dims), std::move(values));
}

// Runs one node on inputs of which the shape rule knows only the element types and ranks.
std::vector<Tensor> run(std::string_view op, std::vector<Tensor> inputs, Attributes attributes = {},
                        size_t output_count = 1) {
  Graph graph;
  std::vector<ValueId> ids;
  for (const Tensor& input : inputs) {
    Shape shape;
    for (size_t d = 0; d < input.rank(); ++d)
      shape.push_back(Dim::symbol("s" + std::to_string(ids.size()) + std::to_string(d)));
    if (is_block_format(input.dtype())) shape = to_shape(input.dims());
    ids.push_back(graph.add_input("x", ValueType::tensor(input.dtype(), std::move(shape))));
  }
  graph.outputs = graph.add_node("", op, ids, std::move(attributes), output_count, "n").outputs;
  infer_types(graph);
  std::vector<Tensor> outputs(output_count);
  SerialEnv env;
  KernelContext context(graph.nodes[0], inputs, outputs, env);
  OperatorRegistry::builtin().find("", op)->reference(context);
  return outputs;
}

std::string refusal(std::string_view op, std::vector<Tensor> inputs, Attributes attributes = {},
                    size_t output_count = 1) {
  try {
    run(op, std::move(inputs), std::move(attributes), output_count);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  return {tensor.values<T>().begin(), tensor.values<T>().end()};
}

TEST(RunTimeErrors, GatherRefusesAnIndexOutsideTheTable) {
  EXPECT_NE(refusal("Gather", {f32({2, 1}, {1, 2}), i64({0, 2})})
                .find("node n (Gather): index 2 is outside [-2, 2)"),
            std::string::npos);
  EXPECT_NE(
      refusal("Gather", {f32({2, 1}, {1, 2}), i64({std::numeric_limits<int64_t>::min()})}).find("is outside"),
      std::string::npos);
}

TEST(RunTimeErrors, IntegerDivisionByZeroIsRefused) {
  for (const char* op : {"Div", "Mod"}) {
    EXPECT_NE(refusal(op, {i32({1, 2}), i32({1, 0})}).find("integer division by zero"), std::string::npos)
        << op;
  }
}

TEST(RunTimeErrors, ShapesThatContradictAreRefused) {
  EXPECT_NE(refusal("Reshape", {f32({2, 3}, {1, 2, 3, 4, 5, 6}), i64({4, -1})})
                .find("[2, 3] cannot become [4, -1]"),
            std::string::npos);
  EXPECT_NE(refusal("Add", {f32({2}, {1, 2}), f32({3}, {1, 2, 3})}).find("do not broadcast"),
            std::string::npos);
  EXPECT_NE(
      refusal("MatMul", {f32({1, 2}, {1, 2}), f32({1, 2}, {1, 2})}).find("differ in the dim summed over"),
      std::string::npos);
  EXPECT_NE(refusal("Squeeze", {f32({2}, {1, 2}), i64({0})}).find("is not 1"), std::string::npos);
  EXPECT_NE(
      refusal("Concat", {f32({1, 2}, {1, 2}), f32({1, 1}, {1})}, {{"axis", int64_t{0}}}).find("does not fit"),
      std::string::npos);
  EXPECT_NE(refusal("Split", {f32({3}, {1, 2, 3}), i64({1, 1})}, {}, 2).find("does not add up"),
            std::string::npos);
  EXPECT_NE(refusal("Expand", {f32({2}, {1, 2}), i64({-1})}).find("do not broadcast"), std::string::npos);
  EXPECT_NE(refusal("TopK", {f32({2}, {1, 2}), i64({3})}, {}, 2).find("k is [3]"), std::string::npos);
  EXPECT_NE(refusal("GatherND", {f32({2}, {1, 2}), make<int64_t>(DType::kI64, {1, 1}, {5})})
                .find("index 5 is outside"),
            std::string::npos);
  EXPECT_NE(
      refusal("ScatterND", {f32({2}, {1, 2}), make<int64_t>(DType::kI64, {1, 1}, {0}), f32({2}, {1, 2})})
          .find("must be [1]"),
      std::string::npos);
  EXPECT_NE(
      refusal("CumSum", {f32({2}, {1, 2}), make<int64_t>(DType::kI64, {}, {1})}).find("axis 1 is outside"),
      std::string::npos);
}

TEST(RunTimeErrors, AbsurdSizesAreRefusedNotAllocated) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  EXPECT_NE(refusal("ConstantOfShape", {i64({kHuge, kHuge})}), "accepted");
  EXPECT_NE(refusal("ConstantOfShape", {i64({kHuge})}), "accepted");
  EXPECT_NE(refusal("ConstantOfShape", {i64({-1})}), "accepted");
  EXPECT_NE(refusal("Tile", {f32({2}, {1, 2}), i64({kHuge})}), "accepted");
  EXPECT_NE(refusal("Pad", {f32({2}, {1, 2}), i64({kHuge, kHuge})}), "accepted");
  EXPECT_NE(refusal("Expand", {f32({1}, {1}), i64({kHuge})}), "accepted");
  const auto scalar = [](int64_t value) { return make<int64_t>(DType::kI64, {}, {value}); };
  EXPECT_NE(refusal("Range", {scalar(0), scalar(kHuge), scalar(1)}), "accepted");
  EXPECT_NE(refusal("Range", {scalar(0), scalar(1), scalar(0)}), "accepted");
}

TEST(RunTimeErrors, SliceBoundsAndStepsOfAnySizeAreSafe) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min(), kMost = std::numeric_limits<int64_t>::max();
  const Tensor data = f32({3}, {1, 2, 3});
  const auto slice = [&](int64_t start, int64_t end, int64_t step) {
    return values_of<float>(run("Slice", {data, i64({start}), i64({end}), i64({0}), i64({step})})[0]);
  };
  EXPECT_EQ(slice(kLeast, kMost, 1), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(slice(kMost, kLeast, -1), (std::vector<float>{3, 2, 1}));
  EXPECT_EQ(slice(kMost, kLeast, kLeast), (std::vector<float>{3}));
  EXPECT_EQ(slice(0, kMost, kMost), (std::vector<float>{1}));
  EXPECT_EQ(slice(2, 1, 1), (std::vector<float>{}));
}

TEST(IntegerArithmetic, WrapsAround) {
  constexpr int32_t kLeast = std::numeric_limits<int32_t>::min(), kMost = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(values_of<int32_t>(run("Div", {i32({kLeast, -7, 7}), i32({-1, 2, -2})})[0]),
            (std::vector<int32_t>{kLeast, -3, -3}));
  EXPECT_EQ(values_of<int32_t>(run("Add", {i32({kMost}), i32({1})})[0]), (std::vector<int32_t>{kLeast}));
  EXPECT_EQ(values_of<int32_t>(run("Neg", {i32({kLeast})})[0]), (std::vector<int32_t>{kLeast}));
  EXPECT_EQ(values_of<int32_t>(run("Abs", {i32({kLeast, -3})})[0]), (std::vector<int32_t>{kLeast, 3}));
  constexpr int64_t kLeast64 = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(values_of<int64_t>(run("Div", {i64({kLeast64}), i64({-1})})[0]),
            (std::vector<int64_t>{kLeast64}));
  EXPECT_EQ(values_of<int64_t>(run("Mod", {i64({kLeast64, -7, 7}), i64({-1, 3, -3})})[0]),
            (std::vector<int64_t>{0, 2, -2}));
  EXPECT_EQ(values_of<int64_t>(run("Mul", {i64({kLeast64}), i64({3})})[0]), (std::vector<int64_t>{kLeast64}));
  EXPECT_EQ(values_of<int64_t>(run("Pow", {i64({3, -1, 2, 0}), i64({4, -3, -1, -1})})[0]),
            (std::vector<int64_t>{81, -1, 0, 0}));
}

TEST(Cast, FloatsOutOfRangeSaturateAndNanIsZero) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const Tensor in = f32({5}, {1e20f, -1e20f, nan, inf, -1.9f});
  EXPECT_EQ(values_of<int32_t>(run("Cast", {in}, {{"to", int64_t{6}}})[0]),
            (std::vector<int32_t>{std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min(), 0,
                                  std::numeric_limits<int32_t>::max(), -1}));
  EXPECT_EQ(values_of<uint8_t>(run("Cast", {in}, {{"to", int64_t{2}}})[0]),
            (std::vector<uint8_t>{255, 0, 0, 255, 0}));
  EXPECT_EQ(values_of<int64_t>(run("Cast", {in}, {{"to", int64_t{7}}})[0])[0],
            std::numeric_limits<int64_t>::max());
  EXPECT_EQ(values_of<uint8_t>(run("Cast", {in}, {{"to", int64_t{9}}})[0]),
            (std::vector<uint8_t>{1, 1, 1, 1, 1}));
}

TEST(Cast, IntegersKeepTheirLowBits) {
  EXPECT_EQ(values_of<int8_t>(run("Cast", {i64({200, -129, 65536})}, {{"to", int64_t{3}}})[0]),
            (std::vector<int8_t>{-56, 127, 0}));
}

// A value rounded to f32 first would land on a tie of the narrower type and go the other way.
TEST(Cast, NarrowFloatsAreRoundedOnce) {
  const double above_tie = 1.0 + 0x1p-11 + 0x1p-40;  // f16 has steps of 2^-10 here
  const auto half = run("Cast", {make<double>(DType::kF64, {1}, {above_tie})}, {{"to", int64_t{10}}})[0];
  EXPECT_EQ(f32_from_f16(half.values<uint16_t>()[0]), 1.0f + 0x1p-10f);
  const int64_t integer = (int64_t{1} << 62) + (int64_t{1} << 54) + 1;  // bf16 has steps of 2^55 here
  const auto narrow = run("Cast", {i64({integer})}, {{"to", int64_t{16}}})[0];
  EXPECT_EQ(f32_from_bf16(narrow.values<uint16_t>()[0]), 0x1p62f + 0x1p55f);
}

TEST(Float8, EveryByteSurvivesTheRoundTrip) {
  for (const DType dtype : {DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ}) {
    for (int byte = 0; byte < 256; ++byte) {
      const float value = f32_from_float8(dtype, static_cast<uint8_t>(byte));
      if (value != value) continue;
      EXPECT_EQ(float8_from_double(dtype, value, false), byte) << dtype_name(dtype) << " " << value;
    }
  }
}

// One q8_0 row is a scale in f16 and 32 signed bytes.
TEST(Gather, ReadsRowsOfABlockQuantisedTable) {
  const Tensor table = Tensor::host(DType::kQ8_0, {2, 32});
  for (size_t row = 0; row < 2; ++row) {
    std::byte* block = table.data() + row * 34;
    const uint16_t scale = f16_from_f32(row == 0 ? 0.5f : 2.0f);
    block[0] = static_cast<std::byte>(scale & 0xff);
    block[1] = static_cast<std::byte>(scale >> 8);
    for (size_t i = 0; i < 32; ++i) block[2 + i] = static_cast<std::byte>(static_cast<int8_t>(i) - 16);
  }
  const Tensor out = run("Gather", {table, i64({1, -2})})[0];
  ASSERT_EQ(out.dtype(), DType::kF32);
  ASSERT_EQ(out.dims(), (Dims{2, 32}));
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(out.values<float>()[static_cast<size_t>(i)], 2.0f * static_cast<float>(i - 16));
    EXPECT_EQ(out.values<float>()[static_cast<size_t>(32 + i)], 0.5f * static_cast<float>(i - 16));
  }
}

TEST(Views, ReshapeInfersBesideACopiedDimOfZero) {
  EXPECT_EQ(run("Reshape", {f32({0, 6}, {}), i64({0, -1, 2})})[0].dims(), (Dims{0, 3, 2}));
}

TEST(Views, ShareTheInputsMemoryUnlessPlannedElsewhere) {
  const Tensor data = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run("Reshape", {data, i64({3, 2})})[0].data(), data.data());
  EXPECT_EQ(run("Flatten", {data})[0].data(), data.data());
}

TEST(RunTimeErrors, IndicesAndLengthsOutsideTheDataAreRefused) {
  const Tensor lengths = i64({3, 1});
  EXPECT_NE(
      refusal("ReverseSequence", {f32({2, 2}, {1, 2, 3, 4}), lengths}).find("length 3 is outside [0, 2]"),
      std::string::npos);
  EXPECT_NE(refusal("Compress", {f32({1}, {1}), make<uint8_t>(DType::kBool, {2}, {1, 1})})
                .find("picks slice 1 of 1"),
            std::string::npos);
  EXPECT_NE(refusal("OneHot", {i64({0}), i64({-2}), f32({2}, {0, 1})}).find("depth is -2"),
            std::string::npos);
  EXPECT_NE(
      refusal("STFT", {f32({1, 2, 1}, {1, 2}), i64({1}), f32({3}, {1, 1, 1})}).find("shorter than a frame"),
      std::string::npos);
  EXPECT_NE(refusal("DFT", {f32({2, 1}, {1, 2}), i64({0})}).find("dft_length is 0"), std::string::npos);
}

TEST(RunTimeErrors, EquationsThatDoNotFitAreRefused) {
  const Tensor matrix = f32({1, 2}, {1, 2});
  const auto einsum = [&](const char* equation) {
    return refusal("Einsum", {matrix, matrix}, {{"equation", std::string(equation)}});
  };
  EXPECT_NE(einsum("ij->i").find("1 terms for 2 inputs"), std::string::npos);
  EXPECT_NE(einsum("ij,jkl->i").find("does not fit an input of rank 2"), std::string::npos);
  EXPECT_NE(einsum("ij,ij->k").find("one of the inputs'"), std::string::npos);
  EXPECT_NE(einsum("i$,ij").find("has a $"), std::string::npos);
  EXPECT_NE(refusal("Einsum", {matrix, f32({3, 1}, {1, 2, 3})}, {{"equation", std::string("ij,jk")}})
                .find("do not broadcast"),
            std::string::npos);
}

TEST(RunTimeErrors, ScalesThatDoNotFitAreRefused) {
  EXPECT_NE(refusal("QuantizeLinear", {f32({1, 3}, {1, 2, 3}), f32({2}, {1, 1})})
                .find("scale [2] does not fit [1, 3]"),
            std::string::npos);
  EXPECT_NE(refusal("QuantizeLinear", {f32({1, 4}, {1, 2, 3, 4}), f32({1, 3}, {1, 1, 1})},
                    {{"block_size", int64_t{3}}})
                .find("does not fit"),
            std::string::npos);
}

TEST(PackedElements, KeepEveryCode) {
  for (const DType dtype : {DType::kI4, DType::kU4, DType::kI2, DType::kU2, DType::kF4E2M1}) {
    const Tensor codes = Tensor::host(DType::kU8, {17});
    const int per_type = dtype == DType::kI2 || dtype == DType::kU2 ? 4 : 16;
    for (size_t i = 0; i < 17; ++i)
      codes.values<uint8_t>()[i] = static_cast<uint8_t>(i % static_cast<size_t>(per_type));
    const Tensor packed = Tensor::host(dtype, {17}), back = Tensor::host(dtype, {17});
    pack_codes(codes, packed);
    std::vector<double> values(17);
    load_elements<double>(packed, 0, 1, values);
    store_elements<double>(back, 0, 1, values);
    EXPECT_EQ(values_of<uint8_t>(unpack_codes(back)), values_of<uint8_t>(codes)) << dtype_name(dtype);
  }
}

TEST(Float8, PowersOfTwoRoundAsAsked) {
  using enum PowerRounding;
  EXPECT_EQ(e8m0_from_double(3.0, true, kUp), 129);
  EXPECT_EQ(e8m0_from_double(3.0, true, kDown), 128);
  EXPECT_EQ(e8m0_from_double(2.9, true, kNearest), 128);
  EXPECT_EQ(e8m0_from_double(3.0, true, kNearest), 129);
  EXPECT_EQ(e8m0_from_double(1e39, true, kUp), 0xfe);
  EXPECT_EQ(e8m0_from_double(1e39, false, kUp), 0xff);
  EXPECT_EQ(e8m0_from_double(0.0, true, kUp), 0);
  for (int code = 0; code < 0xff; ++code)
    EXPECT_EQ(e8m0_from_double(f32_from_float8(DType::kF8E8M0, static_cast<uint8_t>(code)), true, kUp), code);
}

// What the shape rule cannot see where the state's dims are symbols.
TEST(RunTimeErrors, AttentionOverAStateOfOtherHeadsIsRefused) {
  Graph graph;
  const Node& node = graph.add_node("oag", "PagedAttention", std::vector<ValueId>(7, kNoValue), {}, 2, "n");
  const auto refusal = [&](Dims state) -> std::string {
    const Tensor q = Tensor::host(DType::kF32, {1, 4, 8}), k = Tensor::host(DType::kF32, {1, 2, 8});
    for (const Tensor& tensor : {q, k}) std::fill(tensor.bytes().begin(), tensor.bytes().end(), std::byte{});
    const Tensor inputs[] = {q,
                             k,
                             k,
                             Tensor::host(DType::kF32, std::move(state)),
                             i32({0, 1}),
                             i32({1}),
                             i32({0}).reshaped({1, 1})};
    Tensor outputs[] = {Tensor::host(DType::kF32, q.dims()), inputs[3]};
    SerialEnv env;
    KernelContext context(node, inputs, outputs, env);
    try {
      OperatorRegistry::builtin().find("oag", "PagedAttention")->reference(context);
      return "accepted";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal({1, 2, 2, 16, 8}), "accepted");
  EXPECT_EQ(refusal({1, 2, 1, 16, 8}),
            "node n: q [1, 4, 8], k [1, 2, 8] and state [1, 2, 1, 16, 8] do not belong together");
  for (const Dims& dims : {Dims{1, 2, 2, 16, 4}, Dims{1, 1, 2, 16, 8}, Dims{1, 2, 2, 0, 8}, Dims{1, 2, 256}})
    EXPECT_NE(refusal(dims).find("do not belong together"), std::string::npos) << to_string(dims);
}

// -3 + 0.5 is -2.5, whose integer is -2.
TEST(RunTimeValues, ShrinkRoundsTheSumOfAnIntegerAndTheBiasToZero) {
  const Attributes half = {{"bias", 0.5f}, {"lambd", 0.25f}}, more = {{"bias", 1.5f}, {"lambd", 0.25f}};
  const auto shrunk = [](std::vector<int64_t> values, const Attributes& attributes) {
    const Tensor result = run("Shrink", {i64(std::move(values))}, attributes)[0];
    return std::vector<int64_t>(result.values<int64_t>().begin(), result.values<int64_t>().end());
  };
  EXPECT_EQ(shrunk({-3, -1, 0, 1, 3}, half), (std::vector<int64_t>{-2, 0, 0, 0, 2}));
  EXPECT_EQ(shrunk({-3, -1, 0, 1, 3}, more), (std::vector<int64_t>{-1, 0, 0, 0, 1}));
  const int64_t large = (int64_t{1} << 60) + 1;  // no double
  EXPECT_EQ(shrunk({-large, large}, half), (std::vector<int64_t>{1 - large, large - 1}));
}

}  // namespace
}  // namespace oag
