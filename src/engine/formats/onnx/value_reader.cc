#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "engine/formats/onnx/onnx_messages.h"
#include "engine/formats/onnx/onnx_tensor.h"
#include "engine/formats/onnx/onnx_value.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

// Values of SequenceProto.DataType and OptionalProto.DataType. The fields that hold such values are these
// numbers plus 2, in both messages.
enum ElementKind : uint32_t {
  kNothing = 0,
  kTensor = 1,
  kSparseTensor = 2,
  kSequence = 3,
  kMap = 4,
  kOptional = 5
};
constexpr uint32_t kFirstValueField = 3, kLastValueField = 7;

class ValueReader {
 public:
  explicit ValueReader(uint64_t most_dense_bytes) : origin_{nullptr, nullptr, most_dense_bytes} {}

  Tensor read(const ProtoReader& reader, uint32_t kind) const {
    switch (kind) {
      case kTensor: return read_tensor(parse_tensor(reader), origin_);
      case kSparseTensor: return read_sparse_tensor(parse_sparse_tensor(reader), origin_);
      case kSequence: return make_sequence(read_elements(reader, "sequence"));
      case kMap: return read_map(reader);
      default: return read_optional(reader);
    }
  }

 private:
  // The values of a SequenceProto or OptionalProto, which must all be of one kind.
  std::vector<Tensor> read_elements(ProtoReader reader, const char* what) const {
    std::vector<Tensor> elements;
    int64_t stated = kNothing;
    uint32_t held = kNothing;
    while (reader.next()) {
      if (reader.field() == 2) stated = reader.integer("elem_type");
      if (reader.field() < kFirstValueField || reader.field() > kLastValueField) continue;
      const uint32_t kind = reader.field() - kFirstValueField + 1;
      if (held != kNothing && held != kind)
        reader.fail_here("a {} holds values of two kinds, expected one", what);
      held = kind;
      elements.push_back(read(reader.message("element"), kind));
    }
    if (held != kNothing && stated != kNothing && stated != held)
      reader.fail_here("a {} is said to hold kind {} and holds kind {}", what, stated, held);
    return elements;
  }

  Tensor read_optional(const ProtoReader& reader) const {
    std::vector<Tensor> elements = read_elements(reader, "optional");
    if (elements.size() > 1) reader.fail_here("an optional holds {} values, expected one", elements.size());
    if (elements.empty()) return oag::make_optional(std::nullopt);
    return oag::make_optional(std::move(elements.front()));
  }

  Tensor read_map(ProtoReader reader) const {
    int64_t key_type = 0;
    std::vector<int64_t> numbers;
    std::vector<std::string> texts;
    std::vector<Tensor> values;
    while (reader.next()) {
      switch (reader.field()) {
        case 2: key_type = reader.integer("key_type"); break;
        case 3: reader.integers("keys", [&](int64_t key) { numbers.push_back(key); }); break;
        case 4: texts.emplace_back(reader.text("string_keys")); break;
        case 5: values = read_elements(reader.message("values"), "map"); break;
        default: break;
      }
    }
    const DType dtype = element_type(key_type, reader.source().where, "keys of a map");
    if (dtype != DType::kString && !is_integer(dtype))
      reader.fail_here("a map has keys of type {}, expected integers or strings", dtype_name(dtype));
    const auto count = static_cast<int64_t>(texts.size());
    Tensor keys = dtype == DType::kString ? make_strings({count}, std::move(texts))
                                          : integer_keys(reader, dtype, numbers);
    if (static_cast<size_t>(keys.count()) != values.size())
      reader.fail_here("a map has {} keys and {} values, expected as many", keys.count(), values.size());
    return make_map(std::move(keys), join(std::move(values)));
  }

  static Tensor integer_keys(const ProtoReader& reader, DType dtype, std::span<const int64_t> numbers) {
    if (dtype_info(dtype).block_values > 1)
      reader.fail_here("a map has keys of type {}, expected one of whole bytes", dtype_name(dtype));
    Tensor keys = Tensor::host(dtype, {static_cast<int64_t>(numbers.size())});
    const size_t width = dtype_info(dtype).block_bytes;
    for (size_t i = 0; i < numbers.size(); ++i) std::memcpy(keys.data() + i * width, &numbers[i], width);
    return keys;
  }

  // Numbers and texts of one type become one tensor, all else stays a sequence.
  static Tensor join(std::vector<Tensor> values) {
    const auto fits = [&](const Tensor& value) {
      return value.rank() == 0 && value.dtype() == values.front().dtype() &&
             dtype_info(value.dtype()).block_values == 1 && !is_container(value.dtype());
    };
    if (values.empty() || !std::ranges::all_of(values, fits)) return make_sequence(std::move(values));
    const DType dtype = values.front().dtype();
    Tensor joined = Tensor::host(dtype, {static_cast<int64_t>(values.size())});
    const size_t width = dtype_info(dtype).block_bytes;
    for (size_t i = 0; i < values.size(); ++i) {
      if (dtype == DType::kString) {
        joined.values<std::string>()[i] = values[i].values<std::string>()[0];
      } else {
        std::memcpy(joined.data() + i * width, values[i].data(), width);
      }
    }
    return joined;
  }

  TensorOrigin origin_;
};

Tensor read_kind(std::span<const std::byte> bytes, uint32_t kind, const std::string& where) {
  ProtoSource source{bytes, where};
  return ValueReader(uint64_t{1} << 30).read(ProtoReader(source), kind);
}

}  // namespace

Tensor read_value_proto(std::span<const std::byte> bytes, const ValueType& type, const std::string& where) {
  switch (type.kind) {
    case TypeKind::kSequence: return read_kind(bytes, kSequence, where);
    case TypeKind::kOptional: return read_kind(bytes, kOptional, where);
    case TypeKind::kMap: return read_kind(bytes, kMap, where);
    case TypeKind::kTensor:
    case TypeKind::kState: break;
  }
  return read_kind(bytes, kTensor, where);
}

Tensor read_tensor_proto(std::span<const std::byte> bytes, const std::string& where) {
  return read_kind(bytes, kTensor, where);
}

Tensor read_sparse_tensor_proto(std::span<const std::byte> bytes, const std::string& where) {
  return read_kind(bytes, kSparseTensor, where);
}

}  // namespace oag
