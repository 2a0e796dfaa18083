#include "llm/models/graph_pieces.h"

#include <fmt/format.h>

#include "engine/tensor/block_format.h"

namespace oag {

std::string layer_tensor(std::string_view prefix, int64_t index, std::string_view name) {
  return fmt::format("{}.{}.{}", prefix, index, name);
}

ValueId GraphPieces::constant(std::string_view name, Tensor tensor) {
  if (const auto known = graph_.find_value(name)) return *known;
  return graph_.add_constant(std::string(name), std::move(tensor));
}

ValueId GraphPieces::ints(std::string_view name, const std::vector<int64_t>& values) {
  return constant(name, Tensor::of<int64_t>(DType::kI64, {static_cast<int64_t>(values.size())}, values));
}

ValueId GraphPieces::vector(std::string_view name, Tensor tensor) {
  if (tensor.dtype() == DType::kF32) return constant(name, std::move(tensor));
  Tensor plain = Tensor::host(DType::kF32, tensor.dims());
  decode_blocks(tensor.dtype(), tensor.bytes(), plain.values<float>());
  return constant(name, std::move(plain));
}

ValueId GraphPieces::product(ValueId x, ValueId w, ValueId bias, std::string_view name) {
  std::vector<ValueId> operands = {x, w};
  if (bias != kNoValue) operands.push_back(bias);
  Attributes attributes;
  if (many_rows_) attributes.emplace("many_rows", int64_t{1});
  return graph_.add("oag", "Linear", std::move(operands), std::move(attributes), std::string(name));
}

ValueId GraphPieces::linear(ValueId x, const std::string& tensor, int64_t outputs, int64_t inputs) {
  const ValueId w = weight(tensor + ".weight", {outputs, inputs});
  auto bias = weights_.find(tensor + ".bias", {outputs});
  return product(x, w, bias ? vector(tensor + ".bias", *std::move(bias)) : kNoValue, tensor);
}

ValueId GraphPieces::rms_norm(ValueId x, std::string_view tensor, int64_t width, float epsilon) {
  return graph_.add("", "RMSNormalization", {x, vector(tensor, weights_.get(tensor, {width}))},
                    {{"epsilon", epsilon}});
}

ValueId GraphPieces::gated(ValueId gate, ValueId up) {
  return graph_.add("", "Mul", {graph_.add("", "Swish", {gate}), up});
}

std::vector<ValueId> GraphPieces::split(ValueId x, const std::vector<int64_t>& sizes) {
  return graph_
      .add_node("", "Split", {x, ints("sizes" + to_string(Dims(sizes)), sizes)}, {{"axis", int64_t{-1}}},
                sizes.size())
      .outputs;
}

ValueId GraphPieces::reshape(ValueId x, const std::vector<int64_t>& dims) {
  return graph_.add("", "Reshape", {x, ints("dims" + to_string(Dims(dims)), dims)});
}

}  // namespace oag
