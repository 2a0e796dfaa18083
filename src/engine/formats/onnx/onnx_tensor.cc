#include "engine/formats/onnx/onnx_tensor.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "engine/formats/printable.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

constexpr size_t kMaxRank = 64;

// Numbers of TensorProto's fields that hold values.
enum Field : uint32_t { kFloats = 4, kInt32s = 5, kStrings = 6, kInt64s = 7, kDoubles = 10, kUint64s = 11 };

std::string name_of(const TensorMessage& message) {
  return message.name.empty() ? std::string("tensor without a name") : "tensor " + printable(message.name);
}

template <typename... Args>
[[noreturn]] void refuse(const TensorMessage& message, fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorCode::kCorruptData, message.body.source().where, "{}: {}", name_of(message),
       fmt::format(format, std::forward<Args>(args)...));
}

// The field in which values of this type stand when they are not raw.
Field field_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kC64: return kFloats;
    case DType::kF64:
    case DType::kC128: return kDoubles;
    case DType::kI64: return kInt64s;
    case DType::kU32:
    case DType::kU64: return kUint64s;
    case DType::kString: return kStrings;
    default: return kInt32s;
  }
}

// How many values the typed field has for a tensor: complex ones take two, packed ones a byte each.
size_t values_in_field(DType dtype, int64_t count, size_t size_bytes) {
  if (dtype == DType::kC64 || dtype == DType::kC128) return static_cast<size_t>(count) * 2;
  if (dtype_info(dtype).block_values > 1) return size_bytes;
  return static_cast<size_t>(count);
}

// Calls visit(value) for each number that the message's typed field holds.
template <typename Visit>
void visit_numbers(const TensorMessage& message, Field field, Visit visit) {
  ProtoReader reader = message.body;
  while (reader.next()) {
    if (reader.field() != field) continue;
    switch (field) {
      case kFloats: reader.fixed<float>("float_data", visit); break;
      case kDoubles: reader.fixed<double>("double_data", visit); break;
      default: reader.integers("integer data", visit); break;
    }
  }
}

template <typename Visit>
void visit_strings(const TensorMessage& message, Visit visit) {
  ProtoReader reader = message.body;
  while (reader.next()) {
    if (reader.field() == kStrings) visit(reader.text("string_data"));
  }
}

size_t count_in_field(const TensorMessage& message, Field field) {
  size_t count = 0;
  if (field == kStrings) {
    visit_strings(message, [&](std::string_view) { ++count; });
  } else {
    visit_numbers(message, field, [&](auto) { ++count; });
  }
  return count;
}

// Whether an integer of the field stands for an element of `bytes` bytes. Bit patterns of narrow floats and
// packed values may have been written as signed or unsigned numbers.
bool fits(DType dtype, int64_t value, size_t bytes) {
  if (bytes == 8) return true;
  const int64_t range = int64_t{1} << (bytes * 8);
  const bool is_signed = dtype >= DType::kI8 && dtype <= DType::kI32;
  const bool is_unsigned = (dtype >= DType::kU8 && dtype <= DType::kU32) || dtype == DType::kBool;
  return value >= (is_unsigned ? 0 : -range / 2) && value < (is_signed ? range / 2 : range);
}

void copy_integers(const TensorMessage& message, Field field, const Tensor& tensor) {
  const DType dtype = tensor.dtype();
  const size_t width = dtype_info(dtype).block_bytes;
  std::byte* to = tensor.data();
  visit_numbers(message, field, [&](auto number) {
    const auto value = static_cast<int64_t>(number);
    if (!fits(dtype, value, width)) refuse(message, "{} is no value of type {}", value, dtype_name(dtype));
    std::memcpy(to, &value, width);
    to += width;
  });
}

template <typename T>
void copy_floats(const TensorMessage& message, Field field, const Tensor& tensor) {
  std::byte* to = tensor.data();
  visit_numbers(message, field, [&](auto number) {
    const T value = static_cast<T>(number);
    std::memcpy(to, &value, sizeof value);
    to += sizeof value;
  });
}

// Kernels read truth values as 0 and 1 only.
void normalize_bools(const Tensor& tensor) {
  for (std::byte& byte : tensor.bytes()) byte = byte == std::byte{0} ? std::byte{0} : std::byte{1};
}

bool has_other_bools(std::span<const std::byte> bytes) {
  return std::ranges::any_of(bytes, [](std::byte byte) { return byte > std::byte{1}; });
}

Tensor read_typed(const TensorMessage& message, DType dtype, size_t size_bytes) {
  const Field field = field_of(dtype);
  const int64_t count = element_count(message.dims);
  const size_t expected = values_in_field(dtype, count, size_bytes), seen = count_in_field(message, field);
  if (seen != expected) {
    refuse(message, "{} {} has {} values, expected {}", dtype_name(dtype), to_string(message.dims), seen,
           expected);
  }
  Tensor tensor = Tensor::host(dtype, message.dims);
  switch (field) {
    case kStrings: {
      size_t i = 0;
      visit_strings(message, [&](std::string_view text) { tensor.values<std::string>()[i++] = text; });
      break;
    }
    case kFloats: copy_floats<float>(message, field, tensor); break;
    case kDoubles: copy_floats<double>(message, field, tensor); break;
    default: copy_integers(message, field, tensor); break;
  }
  if (dtype == DType::kBool) normalize_bools(tensor);
  return tensor;
}

size_t alignment_of(DType dtype) {
  return std::min<size_t>(dtype_info(dtype).block_bytes, 8);
}

// `size_bytes` at `data`, which lie in `buffer` when there is one.
Tensor view_or_copy(const TensorMessage& message, DType dtype, std::span<const std::byte> data,
                    const std::shared_ptr<Buffer>& buffer) {
  const bool aligned = reinterpret_cast<uintptr_t>(data.data()) % alignment_of(dtype) == 0;
  const bool bools_differ = dtype == DType::kBool && has_other_bools(data);
  if (buffer != nullptr && aligned && !bools_differ)
    return Tensor(dtype, message.dims, buffer, static_cast<size_t>(data.data() - buffer->data()));
  Tensor tensor = Tensor::host(dtype, message.dims);
  if (!data.empty()) std::memcpy(tensor.data(), data.data(), data.size());
  if (bools_differ) normalize_bools(tensor);
  if (buffer != nullptr) buffer->drop_pages(data);
  return tensor;
}

void check_dims(const TensorMessage& message) {
  if (message.dims.size() > kMaxRank)
    refuse(message, "has {} dims, expected at most {}", message.dims.size(), kMaxRank);
  for (const int64_t dim : message.dims) {
    if (dim < 0) refuse(message, "has a dim of {}", dim);
  }
}

// Bytes of all values. Errors: kCorruptData when they are more than 2^63.
size_t size_of(const TensorMessage& message, DType dtype) {
  if (std::ranges::find(message.dims, 0) != message.dims.end()) return 0;
  int64_t bits = static_cast<int64_t>(dtype_info(dtype).block_bytes) * 8;
  for (const int64_t dim : message.dims) {
    if (__builtin_mul_overflow(bits, dim, &bits))
      refuse(message, "{} {} has more than 2^63 bits", dtype_name(dtype), to_string(message.dims));
  }
  return tensor_bytes(dtype, message.dims);
}

}  // namespace

DType element_type(int64_t code, const std::string& where, const std::string& what) {
  if (const auto dtype = dtype_from_onnx(code)) return *dtype;
  if (code == 0)
    fail(ErrorCode::kCorruptData, where, "{}: has no element type; is it empty, or another message?", what);
  fail(code <= 0 ? ErrorCode::kCorruptData : ErrorCode::kUnsupported, where,
       "{}: its element type is number {} of TensorProto.DataType, which this engine does not know", what,
       code);
}

Tensor read_tensor(const TensorMessage& message, const TensorOrigin& origin) {
  const std::string& where = message.body.source().where;
  const DType dtype = element_type(message.data_type, where, name_of(message));
  check_dims(message);
  if (message.segmented) refuse(message, "is stored in segments, which no writer makes");
  const size_t size_bytes = size_of(message, dtype);
  const bool is_raw = message.external || message.raw_data.has_value();
  if (is_raw && dtype == DType::kString) refuse(message, "strings stand in string_data, this has raw data");
  if (message.external) {
    if (origin.external == nullptr) refuse(message, "its values lie in another file, expected them here");
    const auto range = origin.external->find(message, size_bytes, where);
    return view_or_copy(message, dtype, {range.buffer->data() + range.offset, size_bytes}, range.buffer);
  }
  if (message.raw_data && !(message.raw_data->empty() && size_bytes > 0)) {
    if (message.raw_data->size() != size_bytes) {
      refuse(message, "{} {} has {} bytes of data, expected {}", dtype_name(dtype), to_string(message.dims),
             message.raw_data->size(), size_bytes);
    }
    return view_or_copy(message, dtype, *message.raw_data, origin.mapped);
  }
  return read_typed(message, dtype, size_bytes);
}

}  // namespace oag
