// What the operators of neural networks refuse: data and attributes that no shape rule sees.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/ops/serial_env.h"
#include "engine/ops/verify.h"

namespace oag {
namespace {

using Ints = std::vector<int64_t>;

Tensor f32(Dims dims, float value = 1) {
  const std::vector<float> values(static_cast<size_t>(element_count(dims)), value);
  return Tensor::of<float>(DType::kF32, std::move(dims), values);
}
Tensor i64(Dims dims, Ints values) {
  return Tensor::of<int64_t>(DType::kI64, std::move(dims), values);
}

// Runs one node on inputs of which the shape rule knows only the element types.
std::string refusal(std::string_view op, std::vector<Tensor> inputs, Attributes attributes = {}) {
  try {
    Graph graph;
    std::vector<ValueId> ids;
    for (const Tensor& input : inputs)
      ids.push_back(graph.add_input("x", ValueType::tensor(input.dtype(), std::nullopt)));
    graph.outputs = graph.add_node("", op, ids, std::move(attributes), 1, "n").outputs;
    infer_types(graph);
    std::vector<Tensor> outputs(1);
    SerialEnv env;
    KernelContext context(graph.nodes[0], inputs, outputs, env);
    OperatorRegistry::builtin().find("", op)->reference(context);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

bool refuses(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

TEST(NetworkErrors, WindowsThatDoNotFitAreRefused) {
  EXPECT_EQ(refusal("MaxPool", {f32({1, 1, 4})}, {{"kernel_shape", Ints{2}}}), "accepted");
  EXPECT_TRUE(refuses(refusal("MaxPool", {f32({1, 1, 4})}, {{"kernel_shape", Ints{5}}}), "does not fit"));
  EXPECT_TRUE(refuses(refusal("MaxPool", {f32({1, 1, 4})}, {{"kernel_shape", Ints{2, 2}}}), "spatial dims"));
  EXPECT_TRUE(refuses(refusal("MaxPool", {f32({1, 1, 4})}, {{"kernel_shape", Ints{2}}, {"strides", Ints{0}}}),
                      "strides"));
  EXPECT_TRUE(refuses(refusal("Conv", {f32({1, 3, 4}), f32({2, 2, 1})}), "must be [N, C, spatial"));
  EXPECT_TRUE(refuses(refusal("Conv", {f32({1, 2, 4}), f32({2, 2, 1}), f32({3})}), "must be [2]"));
  EXPECT_TRUE(refuses(refusal("Conv", {f32({1, 2, 4}), f32({2, 2, 1})}, {{"auto_pad", std::string("SAME")}}),
                      "auto_pad is \"SAME\""));
}

TEST(NetworkErrors, IndicesOutsideAreRefused) {
  const Attributes windows = {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}};
  EXPECT_EQ(refusal("MaxUnpool", {f32({1, 1, 2}), i64({1, 1, 2}, {0, 3})}, windows), "accepted");
  EXPECT_TRUE(refuses(refusal("MaxUnpool", {f32({1, 1, 2}), i64({1, 1, 2}, {0, 4})}, windows), "index 4"));
  EXPECT_TRUE(refuses(refusal("MaxUnpool", {f32({1, 1, 2}), i64({1, 1, 2}, {0, -1})}, windows), "index -1"));
  EXPECT_TRUE(
      refuses(refusal("NegativeLogLikelihoodLoss", {f32({2, 3}), i64({2}, {0, 3})}), "label 3 is outside"));
  EXPECT_TRUE(refuses(refusal("RoiAlign", {f32({1, 1, 2, 2}), f32({1, 4}), i64({1}, {1})}), "image 1"));
  EXPECT_TRUE(refuses(refusal("RoiAlign", {f32({1, 1, 2, 2}), f32({1, 4}, NAN), i64({1}, {0})}), "finite"));
  EXPECT_TRUE(refuses(refusal("MaxRoiPool", {f32({1, 1, 2, 2}), f32({1, 5})}, {{"pooled_shape", Ints{1, 1}}}),
                      "image 1"));
  EXPECT_TRUE(refuses(refusal("TensorScatter", {f32({1, 4, 2}), f32({1, 2, 2}), i64({1}, {3})}),
                      "do not fit at row 3"));
}

TEST(NetworkErrors, AbsurdSizesAreRefusedNotAllocated) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  const Tensor none = f32({0});
  EXPECT_NE(refusal("Resize", {f32({2, 2}), none, none, i64({2}, {kHuge, kHuge})}), "accepted");
  EXPECT_NE(refusal("Resize", {f32({2}), none, f32({1}, 1e30f)}), "accepted");
  EXPECT_NE(refusal("Resize", {f32({2}), none, f32({1}, NAN)}), "accepted");
  EXPECT_NE(refusal("CenterCropPad", {f32({2}), i64({1}, {kHuge})}), "accepted");
  EXPECT_NE(refusal("AffineGrid", {f32({1, 2, 3}), i64({4}, {1, 1, kHuge, kHuge})}), "accepted");
  EXPECT_NE(refusal("Col2Im", {f32({1, 4, 1}), i64({2}, {kHuge, kHuge}), i64({2}, {2, 2})}), "accepted");
}

TEST(NetworkErrors, PlacesThatAreNoNumbersReadWithinTheArray) {
  for (const char* padding : {"zeros", "border", "reflection"}) {
    for (const float place : {static_cast<float>(NAN), static_cast<float>(INFINITY), -1e30f}) {
      for (const char* mode : {"nearest", "linear", "cubic"}) {
        EXPECT_EQ(refusal("GridSample", {f32({1, 1, 2, 2}), f32({1, 1, 1, 2}, place)},
                          {{"padding_mode", std::string(padding)}, {"mode", std::string(mode)}}),
                  "accepted");
      }
    }
  }
}

}  // namespace
}  // namespace oag
