#include "engine/backends/onnxruntime/onnxruntime_values.h"

#include "base/error.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/tensor/container.h"

namespace oag::onnxruntime {
namespace {

[[noreturn]] void refuse(const Library& library, std::string_view what) {
  fail(ErrorCode::kUnsupported, "onnxruntime " + library.version(), "{}", what);
}

// ONNXTensorElementDataType is TensorProto.DataType, but for the last three.
constexpr std::pair<DType, int> kOwnCodes[] = {{DType::kU2, 24}, {DType::kI2, 25}, {DType::kF8E8M0, 26}};

int code_of(DType dtype) {
  for (const auto& [own, code] : kOwnCodes) {
    if (own == dtype) return code;
  }
  return static_cast<int>(onnx_from_dtype(dtype));
}

DType dtype_of(const Library& library, int code) {
  for (const auto& [dtype, own] : kOwnCodes) {
    if (own == code) return dtype;
  }
  const auto dtype = dtype_from_onnx(code);
  if (!dtype) refuse(library, fmt::format("has values of an unknown element type, {}", code));
  return *dtype;
}

Allocator* allocator_of(const Library& library) {
  Allocator* allocator = nullptr;
  library.check(library.api().default_allocator(&allocator));
  return allocator;
}

Owned<Value> wrap_tensor(const Library& library, const Tensor& tensor) {
  const Api& api = library.api();
  const auto memory = library.make<MemoryInfo>(api.create_memory_info, api.release_memory_info,
                                               0 /* device */, 0 /* default */);
  static std::byte nothing[64];  // for tensors without elements, whose memory must be no null pointer
  void* data = tensor.data() == nullptr ? nothing : tensor.data();
  return library.make<Value>(api.wrap_tensor, api.release_value, memory.get(), data, tensor.size_bytes(),
                             tensor.dims().data(), tensor.rank(), code_of(tensor.dtype()));
}

Owned<Value> copy_strings(const Library& library, const Tensor& tensor) {
  const Api& api = library.api();
  auto value = library.make<Value>(api.create_tensor, api.release_value, allocator_of(library),
                                   tensor.dims().data(), tensor.rank(), code_of(DType::kString));
  std::vector<const char*> texts;
  for (const std::string& text : strings_of(tensor)) {
    if (text.find('\0') != std::string::npos) refuse(library, "takes no texts with bytes of 0");
    texts.push_back(text.c_str());
  }
  library.check(api.fill_strings(value.get(), texts.data(), texts.size()));
  return value;
}

Owned<Value> copy_elements(const Library& library, const Tensor& container, ValueKind kind) {
  if (elements_of(container).empty()) refuse(library, "takes no empty sequences");
  std::vector<Owned<Value>> elements;
  std::vector<const Value*> pointers;
  for (const Tensor& element : elements_of(container)) {
    elements.push_back(to_value(library, element));
    pointers.push_back(elements.back().get());
  }
  const Api& api = library.api();
  return library.make<Value>(api.create_value, api.release_value, pointers.data(), pointers.size(),
                             static_cast<int>(kind));
}

Tensor read_strings(const Library& library, const Value& value, Dims dims) {
  const Api& api = library.api();
  size_t bytes = 0;
  library.check(api.strings_length(&value, &bytes));
  std::string all(bytes, '\0');
  std::vector<size_t> offsets(static_cast<size_t>(element_count(dims)));
  if (!offsets.empty())
    library.check(api.get_strings(&value, all.data(), bytes, offsets.data(), offsets.size()));
  offsets.push_back(bytes);
  std::vector<std::string> texts;
  for (size_t i = 0; i + 1 < offsets.size(); ++i)
    texts.push_back(all.substr(offsets[i], offsets[i + 1] - offsets[i]));
  return make_strings(std::move(dims), std::move(texts));
}

Tensor read_tensor(const Library& library, Owned<Value> value) {
  const Api& api = library.api();
  const auto info = library.make<TensorInfo>(api.tensor_info, api.release_tensor_info, value.get());
  int code = 0;
  size_t rank = 0;
  library.check(api.dtype_of(info.get(), &code));
  library.check(api.rank_of(info.get(), &rank));
  Dims dims(rank);
  library.check(api.dims_of(info.get(), dims.data(), rank));
  const DType dtype = dtype_of(library, code);
  if (dtype == DType::kString) return read_strings(library, *value, std::move(dims));
  void* data = nullptr;
  library.check(api.tensor_data(value.get(), &data));
  const size_t bytes = tensor_bytes(dtype, dims);
  std::shared_ptr<const void> owner(std::move(value));
  return {dtype, std::move(dims), wrap_host({static_cast<const std::byte*>(data), bytes}, std::move(owner))};
}

std::vector<Owned<Value>> parts_of(const Library& library, const Value& value) {
  const Api& api = library.api();
  size_t count = 0;
  library.check(api.value_count(&value, &count));
  std::vector<Owned<Value>> parts;
  for (size_t i = 0; i < count; ++i) {
    parts.push_back(library.make<Value>(api.get_value, api.release_value, &value, static_cast<int>(i),
                                        allocator_of(library)));
  }
  return parts;
}

ValueType tensor_type(const Library& library, const TypeInfo* info,
                      const std::function<Dim(int64_t, std::string_view)>& dim) {
  const Api& api = library.api();
  const TensorInfo* tensor = nullptr;
  library.check(api.as_tensor_info(info, &tensor));
  int code = 0;
  size_t rank = 0;
  library.check(api.dtype_of(tensor, &code));
  library.check(api.rank_of(tensor, &rank));
  Dims dims(rank);
  std::vector<const char*> symbols(rank);
  library.check(api.dims_of(tensor, dims.data(), rank));
  library.check(api.symbols_of(tensor, symbols.data(), rank));
  Shape shape;
  for (size_t d = 0; d < rank; ++d) shape.push_back(dim(dims[d], symbols[d] == nullptr ? "" : symbols[d]));
  return ValueType::tensor(dtype_of(library, code), std::move(shape));
}

}  // namespace

Owned<Value> to_value(const Library& library, const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::kString: return copy_strings(library, tensor);
    case DType::kSequence: return copy_elements(library, tensor, kSequenceKind);
    case DType::kMap: return copy_elements(library, tensor, kMapKind);
    case DType::kOptional:
      if (elements_of(tensor).empty()) refuse(library, "takes no empty optionals");
      return to_value(library, elements_of(tensor)[0]);
    default: return wrap_tensor(library, tensor);
  }
}

Tensor from_value(const Library& library, Owned<Value> value, const ValueType& type) {
  const Api& api = library.api();
  if (type.kind == TypeKind::kOptional) {
    int has_value = 0;
    library.check(api.has_value(value.get(), &has_value));
    if (has_value == 0) return oag::make_optional(std::nullopt);
    return oag::make_optional(from_value(library, std::move(value), *type.element));
  }
  int kind = kUnknownKind;
  library.check(api.kind_of_value(value.get(), &kind));
  if (kind == kTensorKind && type.kind == TypeKind::kTensor) return read_tensor(library, std::move(value));
  if (kind == kSequenceKind && type.kind == TypeKind::kSequence) {
    std::vector<Tensor> elements;
    for (Owned<Value>& part : parts_of(library, *value))
      elements.push_back(from_value(library, std::move(part), *type.element));
    return make_sequence(std::move(elements));
  }
  if (kind == kMapKind && type.kind == TypeKind::kMap) {
    std::vector<Owned<Value>> parts = parts_of(library, *value);
    Tensor keys = read_tensor(library, std::move(parts.at(0)));
    return make_map(std::move(keys), read_tensor(library, std::move(parts.at(1))));
  }
  refuse(library, fmt::format("made a value of kind {} where {} was expected", kind, to_string(type)));
}

ValueType type_of(const Library& library, const TypeInfo* info,
                  const std::function<Dim(int64_t, std::string_view)>& dim) {
  const Api& api = library.api();
  const auto owned = [&](TypeInfo* element) {
    return Owned<TypeInfo>(element, api.release_type_info.function);
  };
  int kind = kUnknownKind;
  library.check(api.kind_of_type(info, &kind));
  TypeInfo* element = nullptr;
  switch (kind) {
    case kTensorKind: return tensor_type(library, info, dim);
    case kSequenceKind: {
      const SequenceInfo* sequence = nullptr;
      library.check(api.as_sequence_info(info, &sequence));
      library.check(api.sequence_element(sequence, &element));
      return ValueType::sequence(type_of(library, owned(element).get(), dim));
    }
    case kOptionalKind: {
      const OptionalInfo* optional = nullptr;
      library.check(api.as_optional_info(info, &optional));
      library.check(api.optional_element(optional, &element));
      return ValueType::optional(type_of(library, owned(element).get(), dim));
    }
    case kMapKind: {
      const MapInfo* map = nullptr;
      int key = 0;
      library.check(api.as_map_info(info, &map));
      library.check(api.map_key(map, &key));
      library.check(api.map_value(map, &element));
      return ValueType::map(dtype_of(library, key), type_of(library, owned(element).get(), dim));
    }
    default: refuse(library, fmt::format("infers a type of kind {}", kind));
  }
}

}  // namespace oag::onnxruntime
