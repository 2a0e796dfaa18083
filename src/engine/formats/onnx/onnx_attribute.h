#pragma once

#include <string>
#include <unordered_map>

#include "engine/formats/onnx/onnx_messages.h"
#include "engine/formats/onnx/onnx_tensor.h"
#include "engine/graph/graph.h"

namespace oag {

// Makes tensors and attributes of messages. A message that is read twice, because it stands in a function
// that is called twice, gives the same tensor.
class AttributeReader {
 public:
  AttributeReader(const TensorOrigin& origin, const std::string& where) : origin_(origin), where_(where) {}

  Tensor tensor(const TensorMessage& message);
  Tensor tensor(const SparseTensorMessage& message);

  // The value of an attribute that holds one, and no graphs. Sparse tensors become dense, a list of tensors a
  // sequence. Errors, naming `node` and the attribute: kUnsupported for lists of types, which no operator
  // has.
  Attribute attribute(const AttributeMessage& message, const std::string& node);

 private:
  const TensorOrigin& origin_;
  const std::string& where_;
  std::unordered_map<const void*, Tensor> tensors_;
};

// The value of a Constant node with these attributes. Errors: kCorruptData, naming `where` and `node`.
Tensor constant_value(const Attributes& attributes, const std::string& where, const std::string& node);

}  // namespace oag
