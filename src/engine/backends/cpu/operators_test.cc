// Conformance table of the smaller operators: operator × shape × instruction set against the schema's
// reference.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

// How far a result may be from the reference: in units of the last place of the larger of the two, or
// absolutely.
struct Tolerance {
  double ulp = 0;
  double absolute = 0;
};

struct Row {
  std::string name;
  OperatorCase operation;
  Tolerance tolerance;
};

double ulp_of(double value) {
  return std::ldexp(1.0, std::max(-149, std::ilogb(std::max(std::fabs(value), 1e-38)) - 23));
}

void expect_near(const Tensor& actual, const Tensor& expected, const Tolerance& tolerance,
                 const std::string& name) {
  ASSERT_EQ(actual.dims(), expected.dims()) << name;
  ASSERT_EQ(actual.dtype(), expected.dtype()) << name;
  if (actual.dtype() != DType::kF32) {
    ASSERT_EQ(std::memcmp(actual.data(), expected.data(), actual.size_bytes()), 0) << name;
    return;
  }
  for (size_t i = 0; i < static_cast<size_t>(actual.count()); ++i) {
    const float a = actual.values<float>()[i], e = expected.values<float>()[i];
    if (std::isnan(e) || std::isinf(e)) {
      ASSERT_TRUE(std::isnan(e) ? std::isnan(a) : a == e)
          << name << " [" << i << "] is " << a << ", not " << e;
      continue;
    }
    ASSERT_LE(std::fabs(static_cast<double>(a) - e), std::max(tolerance.absolute, tolerance.ulp * ulp_of(e)))
        << name << " [" << i << "] is " << a << ", not " << e;
  }
}

Tensor integers(DType dtype, Dims dims, const std::vector<int64_t>& values) {
  Tensor tensor = Tensor::host(dtype, std::move(dims));
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kI64) tensor.values<int64_t>()[i] = values[i];
    if (dtype == DType::kI32) tensor.values<int32_t>()[i] = static_cast<int32_t>(values[i]);
  }
  return tensor;
}

void add_elementwise(std::vector<Row>& rows) {
  const Tolerance libm{4, 0};
  for (const int64_t count : {1, 7, 64, 10007}) {
    const Tensor x = random_f32({count}, 1, -20, 20);
    rows.push_back({"Exp", {"", "Exp", {}, {random_f32({count}, 1, -103, 90)}}, {3, 0}});
    rows.push_back({"Sigmoid", {"", "Sigmoid", {}, {x}}, {5, 0}});
    rows.push_back({"Swish", {"", "Swish", {}, {x}}, {5, 0}});
    rows.push_back({"SwiGLU", {"oag", "SwiGLU", {}, {x, random_f32({count}, 2)}}, {6, 0}});
    rows.push_back({"Tanh", {"", "Tanh", {}, {random_f32({count}, 1, -4, 4)}}, libm});
    rows.push_back({"Cos", {"", "Cos", {}, {random_f32({count}, 1, -1e5f, 1e5f)}}, libm});
    rows.push_back({"Sin", {"", "Sin", {}, {random_f32({count}, 1, -1e5f, 1e5f)}}, libm});
    rows.push_back({"Gelu", {"", "Gelu", {}, {x}}, {6, 2e-7}});
    rows.push_back({"Gelu tanh", {"", "Gelu", {{"approximate", std::string("tanh")}}, {x}}, {4, 2e-6}});
  }
  for (const int64_t count : {1, 64, 10007}) {
    const Tensor x = random_f32({count}, 1, -5, 5), positive = random_f32({count}, 2, 0, 9);
    rows.push_back({"Erf", {"", "Erf", {}, {x}}, {5, 0}});
    rows.push_back({"Erf near 0", {"", "Erf", {}, {random_f32({count}, 3, -1e-3f, 1e-3f)}}, {5, 0}});
    for (const char* op : {"Abs", "Floor", "Ceil", "Round", "Reciprocal"})
      rows.push_back({op, {"", op, {}, {x}}, {1, 0}});
    for (const char* op : {"Elu", "Selu", "Celu", "Softplus"}) rows.push_back({op, {"", op, {}, {x}}, libm});
    rows.push_back({"Mish", {"", "Mish", {}, {x}}, {8, 0}});
    rows.push_back({"Log", {"", "Log", {}, {positive}}, libm});
    const Tensor low = Tensor::of<float>(DType::kF32, {}, std::vector<float>{-1.5f}),
                 high = Tensor::of<float>(DType::kF32, {}, std::vector<float>{2.0f});
    rows.push_back({"Clip", {"", "Clip", {}, {x, low, high}}, {0, 0}});
    rows.push_back({"Clip above", {"", "Clip", {}, {x, {}, high}}, {0, 0}});
    rows.push_back({"Clip with crossed bounds", {"", "Clip", {}, {x, high, low}}, {0, 0}});
    for (const char* op : {"Relu", "LeakyRelu", "HardSigmoid", "HardSwish"})
      rows.push_back({op, {"", op, {}, {x}}, {2, 1e-6}});
  }
  const float special_values[] = {0.0f, -0.0f, INFINITY, NAN, 89.0f, -104.5f, 88.7f, -87.5f, -100.0f, 1e-38f};
  const Tensor special = Tensor::of<float>(DType::kF32, {10}, special_values);
  for (const char* op : {"Relu", "LeakyRelu", "HardSigmoid", "Erf", "Abs", "Round", "Softplus"})
    rows.push_back({std::string(op) + " of special values", {"", op, {}, {special}}, {5, 1e-36}});
  rows.push_back({"Clip of special values",
                  {"", "Clip", {}, {special, Tensor::of<float>(DType::kF32, {}, std::vector<float>{-1.0f})}},
                  {0, 0}});
  for (const char* op : {"Exp", "Sigmoid", "Swish"})
    rows.push_back({std::string(op) + " of special values", {"", op, {}, {special}}, {5, 1e-36}});
}

void add_binary(std::vector<Row>& rows) {
  const std::pair<Dims, Dims> shapes[] = {{{5, 7}, {5, 7}},    {{5, 7}, {}},        {{}, {5, 7}},
                                          {{5, 7}, {7}},       {{7}, {5, 7}},       {{3, 1, 9}, {1, 4, 9}},
                                          {{5, 7}, {5, 1}},    {{2, 3, 4}, {3, 1}}, {{3, 20000}, {3, 20000}},
                                          {{2, 9000}, {9000}}, {{0, 3}, {3}}};
  for (const auto& [a, b] : shapes) {
    for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
      rows.push_back({op + to_string(a) + to_string(b),
                      {"", op, {}, {random_f32(a, 1), random_f32(b, 2, 0.5f, 2)}},
                      {0.51, 0}});
    }
    for (const char* op : {"Max", "Min"})
      rows.push_back(
          {op + to_string(a) + to_string(b), {"", op, {}, {random_f32(a, 1), random_f32(b, 2)}}, {}});
    rows.push_back({"Pow" + to_string(a) + to_string(b),
                    {"", "Pow", {}, {random_f32(a, 1, 0, 3), random_f32(b, 2, -2, 2)}},
                    {2, 0}});
  }
}

void add_special_binary(std::vector<Row>& rows) {
  const float values[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1.0f, -2.5f, 3.0f};
  const Tensor x = Tensor::of<float>(DType::kF32, {8}, values);
  const Tensor column = Tensor::of<float>(DType::kF32, {8, 1}, values);
  for (const char* op : {"Max", "Min", "Pow"})
    rows.push_back({std::string(op) + " of special values", {"", op, {}, {column, x}}, {2, 0}});
  for (const float exponent : {2.0f, 0.5f, 3.0f}) {
    const Tensor power = Tensor::of<float>(DType::kF32, {}, std::vector<float>{exponent});
    rows.push_back({"Pow by a number", {"", "Pow", {}, {x, power}}, {2, 0}});
    rows.push_back({"Pow by a number", {"", "Pow", {}, {random_f32({3, 5000}, 1, 0, 4), power}}, {2, 0}});
  }
}

void add_rows(std::vector<Row>& rows) {
  for (const int64_t width : {1, 5, 64, 576, 4096}) {
    const Tensor x = random_f32({3, 2, width}, 1, -3, 5), scale = random_f32({width}, 2),
                 bias = random_f32({width}, 3);
    const std::string at = " of " + std::to_string(width);
    rows.push_back(
        {"RMSNormalization" + at, {"", "RMSNormalization", {{"epsilon", 1e-6f}}, {x, scale}}, {8, 1e-6}});
    rows.push_back({"LayerNormalization" + at,
                    {"", "LayerNormalization", {{"axis", int64_t{2}}}, {x, scale, bias}, 3},
                    {8, 3e-6}});
    rows.push_back(
        {"LayerNormalization without bias" + at, {"", "LayerNormalization", {}, {x, scale}}, {8, 3e-6}});
  }
}

void add_rotary(std::vector<Row>& rows) {
  for (const int64_t interleaved : {0, 1}) {
    for (const int64_t partial : {0, 10, 32}) {
      const Attributes attributes = {
          {"interleaved", interleaved}, {"num_heads", int64_t{3}}, {"rotary_embedding_dim", partial}};
      const int64_t half = (partial == 0 ? 64 : partial) / 2;
      const Tensor cos = random_f32({2, 5, half}, 2), sin = random_f32({2, 5, half}, 3);
      const std::string name =
          "RotaryEmbedding " + std::to_string(interleaved) + " " + std::to_string(partial);
      rows.push_back({name + " 3-D",
                      {"", "RotaryEmbedding", attributes, {random_f32({2, 5, 192}, 1), cos, sin}},
                      {1, 3e-7}});
      rows.push_back({name + " 4-D",
                      {"", "RotaryEmbedding", attributes, {random_f32({2, 3, 5, 64}, 1), cos, sin}},
                      {1, 3e-7}});
    }
  }
}

void add_gather(std::vector<Row>& rows) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ8_0, DType::kQ4_K,
                            DType::kQ6_K, DType::kMXFP4}) {
    for (const DType index : {DType::kI32, DType::kI64}) {
      rows.push_back({"Gather of " + std::string(dtype_name(dtype)),
                      {"",
                       "Gather",
                       {},
                       {random_weights(dtype, 9, 256, 1), integers(index, {2, 3}, {0, 8, 3, 3, -1, -9})}},
                      {0, 0}});
    }
  }
}

std::vector<Row> table() {
  std::vector<Row> rows;
  add_elementwise(rows);
  add_binary(rows);
  add_special_binary(rows);
  add_rows(rows);
  add_rotary(rows);
  add_gather(rows);
  return rows;
}

class OperatorsOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, OperatorsOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

TEST_P(OperatorsOnIsa, MatchTheReferenceAndDoNotDependOnThreads) {
  const auto alone = make_device(GetParam(), 1), together = make_device(GetParam(), 3);
  for (const Row& row : table()) {
    SCOPED_TRACE(row.name);
    const KernelRunner runner(alone, row.operation);
    ASSERT_NE(runner.schema(), nullptr);
    ASSERT_TRUE(runner.accepted()) << runner.refusals();
    const auto outputs = runner.run(), expected = runner.reference();
    const auto parallel = KernelRunner(together, row.operation).run();
    for (size_t i = 0; i < outputs.size(); ++i) {
      expect_near(outputs[i], expected[i], row.tolerance, row.name);
      ASSERT_EQ(std::memcmp(outputs[i].data(), parallel[i].data(), outputs[i].size_bytes()), 0) << row.name;
    }
  }
}

TEST_P(OperatorsOnIsa, SoftmaxRowsAreExponentialsOverTheirSum) {
  for (const int64_t width : {1, 5, 64, 576, 4096}) {
    const Tensor x = random_f32({3, width}, 4, -30, 30);
    const Tensor y = KernelRunner(make_device(GetParam(), 2), {"", "Softmax", {}, {x}}).run()[0];
    for (size_t row = 0; row < 3; ++row) {
      const auto values =
          x.values<float>().subspan(row * static_cast<size_t>(width), static_cast<size_t>(width));
      double total = 0;
      for (const float value : values) total += std::exp(static_cast<double>(value));
      for (size_t i = 0; i < values.size(); ++i) {
        const double expected = std::exp(static_cast<double>(values[i])) / total;
        const double below = *std::max_element(values.begin(), values.end()) - static_cast<double>(values[i]);
        ASSERT_NEAR(y.values<float>()[row * values.size() + i], expected, (below + 10) * 0x1p-24 * expected)
            << width << " at " << i;
      }
    }
  }
}

TEST_P(OperatorsOnIsa, WhatIsNotServedIsRefusedWithAReason) {
  const auto device = make_device(GetParam(), 1);
  const Tensor x = random_f32({2, 3, 4}, 1);
  const OperatorCase refused[] = {
      {"", "RMSNormalization", {{"axis", int64_t{1}}}, {x, random_f32({4}, 1)}},
      {"", "Swish", {{"alpha", 2.0f}}, {x}},
      {"", "ReduceMax", {}, {integers(DType::kI64, {1}, {0})}},
      {"", "Add", {}, {integers(DType::kI64, {1}, {0}), integers(DType::kI64, {1}, {0})}},
  };
  for (const OperatorCase& operation : refused) {
    const KernelRunner runner(device, operation);
    EXPECT_FALSE(runner.accepted()) << operation.op;
    ASSERT_FALSE(runner.choice().refusals.empty()) << operation.op;
    EXPECT_FALSE(runner.choice().refusals[0].second.empty()) << operation.op;
  }
}

TEST_P(OperatorsOnIsa, AGatherIndexOutsideTheTableIsAnError) {
  const auto device = make_device(GetParam(), 1);
  for (const int64_t index : {int64_t{9}, int64_t{-10}, INT64_MIN}) {
    const OperatorCase operation{
        "", "Gather", {}, {random_f32({9, 4}, 1), integers(DType::kI64, {1}, {index})}};
    EXPECT_THROW(KernelRunner(device, operation).run(), Error) << index;
  }
}

}  // namespace
}  // namespace oag::cpu
