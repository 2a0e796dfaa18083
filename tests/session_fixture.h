#pragma once

#include <memory>
#include <vector>

#include "api/backends.h"
#include "engine/session/session.h"

// For tests: a Runtime, tensors and a small graph.
namespace oag::session_test {

inline std::shared_ptr<Runtime> test_runtime(int threads = 2) {
  return std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", threads});
}

inline Tensor floats(std::vector<float> values, Dims dims) {
  return Tensor::of<float>(DType::kF32, std::move(dims), std::span<const float>(values));
}

// out = (x * 2 + x) * x, through enough intermediate values that memory is shared.
inline Graph polynomial() {
  Graph graph("polynomial");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  const float two[] = {2};
  ValueId y = graph.add("", "Mul", {x, graph.add_constant("two", Tensor::of<float>(DType::kF32, {}, two))});
  y = graph.add("", "Add", {y, x});
  const ValueId out = graph.add("", "Mul", {y, x}, {}, "out");
  graph.outputs.push_back(out);
  return graph;
}

template <typename T = float>
std::vector<T> numbers(const Tensor& tensor) {
  return {tensor.values<T>().begin(), tensor.values<T>().end()};
}

}  // namespace oag::session_test
