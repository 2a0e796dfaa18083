#include "engine/formats/onnx/onnx_type.h"

#include "base/error.h"
#include "engine/formats/onnx/onnx_tensor.h"
#include "engine/formats/printable.h"

namespace oag {
namespace {

class TypeReader {
 public:
  TypeReader(const std::string& where, const std::string& name) : where_(where), name_(name) {}

  ValueType read(const TypeMessage& message) {
    switch (message.kind) {
      case TypeMessage::kNone: return {};
      case TypeMessage::kTensor:
      case TypeMessage::kSparseTensor: return read_tensor_type(message);
      case TypeMessage::kSequence: return ValueType::sequence(element(message));
      case TypeMessage::kOptional: return ValueType::optional(element(message));
      case TypeMessage::kMap: return ValueType::map(dtype(message), element(message));
      case TypeMessage::kOpaque: break;
    }
    fail(ErrorCode::kUnsupported, where_,
         "value {} is of an opaque type, which only its makers' engine knows", printable(name_));
  }

 private:
  DType dtype(const TypeMessage& message) const {
    return element_type(message.elem_type, where_, "value " + printable(name_));
  }

  ValueType element(const TypeMessage& message) {
    if (message.element == nullptr)
      fail(ErrorCode::kCorruptData, where_, "value {} is a container of no stated type", printable(name_));
    return read(*message.element);
  }

  ValueType read_tensor_type(const TypeMessage& message) {
    // Body graphs leave the type to be inferred.
    const DType type = message.elem_type == 0 ? DType::kUndefined : dtype(message);
    if (!message.shape) return ValueType::tensor(type, std::nullopt);
    Shape shape;
    for (const DimMessage& dim : *message.shape) shape.push_back(read_dim(dim));
    return ValueType::tensor(type, std::move(shape));
  }

  Dim read_dim(const DimMessage& dim) {
    // Some exporters write "?" or -1 where the size is not known: two of them need not be equal.
    if (!dim.param.empty() && dim.param != "?") return Dim::symbol(std::string(dim.param));
    if (dim.value && *dim.value >= 0) return {*dim.value};
    return Dim::symbol(fmt::format("{}#{}", name_, fresh_++));
  }

  const std::string& where_;
  const std::string& name_;
  int fresh_ = 0;
};

}  // namespace

ValueType read_type(const TypeMessage& message, const std::string& where, const std::string& name) {
  return TypeReader(where, name).read(message);
}

}  // namespace oag
