#include "engine/formats/npy/npy.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "engine/formats/npy/npy_header.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

struct NpyType {
  DType dtype;
  std::string_view name;  // without the byte order
};

constexpr NpyType kTypes[] = {
    {DType::kF16, "f2"}, {DType::kF32, "f4"},   {DType::kF64, "f8"}, {DType::kI8, "i1"},
    {DType::kI16, "i2"}, {DType::kI32, "i4"},   {DType::kI64, "i8"}, {DType::kU8, "u1"},
    {DType::kU16, "u2"}, {DType::kU32, "u4"},   {DType::kU64, "u8"}, {DType::kBool, "b1"},
    {DType::kC64, "c8"}, {DType::kC128, "c16"},
};

std::optional<DType> number_type(std::string_view name) {
  for (const NpyType& type : kTypes) {
    if (type.name == name) return type.dtype;
  }
  return std::nullopt;
}

// Bytes of one element of a text type such as "U5" or "S5": 4 a character, or 1.
std::optional<size_t> text_bytes(std::string_view name) {
  if (name.empty() || (name.front() != 'U' && name.front() != 'S')) return std::nullopt;
  constexpr uint32_t kMost = uint32_t{1} << 28;
  uint32_t count = 0;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), count);
  if (error != std::errc() || end != name.data() + name.size() || count > kMost) return std::nullopt;
  return size_t{count} * (name.front() == 'U' ? 4 : 1);
}

[[noreturn]] void refuse_type(std::string_view descr, std::string_view where) {
  const char kind = descr.size() < 2 ? '\0' : descr[1];
  if (descr.starts_with('>')) {
    fail(ErrorCode::kUnsupported, where,
         "holds big-endian {}; save it in this machine's order: array.astype(\"<{}\")", descr,
         descr.substr(1));
  }
  if (kind == 'O')
    fail(ErrorCode::kUnsupported, where, "holds pickled Python objects ({}), which are never loaded", descr);
  if (kind == 'M' || kind == 'm')
    fail(ErrorCode::kUnsupported, where, "holds dates or times ({}); save them as int64", descr);
  if (kind == 'V') {
    fail(ErrorCode::kUnsupported, where,
         "holds bytes without a type ({}), as numpy writes bfloat16 and other types of ml_dtypes; give a "
         "TensorProto "
         "(.pb) instead",
         descr);
  }
  fail(ErrorCode::kUnsupported, where, "holds {}, which no tensor has", descr);
}

void append_utf8(std::string& text, uint32_t code) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | ((code >> shift) & 0x3f)); };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string utf8_of(std::span<const std::byte> element, std::string_view where) {
  std::string text;
  for (size_t at = 0; at < element.size(); at += 4) {
    uint32_t code;
    std::memcpy(&code, element.data() + at, 4);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
      fail(ErrorCode::kCorruptData, where, "holds a text with the character {:#x}, which there is not", code);
    append_utf8(text, code);
  }
  return text;
}

std::string text_of(std::span<const std::byte> element, bool unicode, std::string_view where) {
  std::string text = unicode ? utf8_of(element, where)
                             : std::string(reinterpret_cast<const char*>(element.data()), element.size());
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

// Calls visit(i, from): element i in row-major order lies at element `from` of the file.
template <typename Visit>
void for_each_element(const NpyHeader& header, int64_t count, Visit&& visit) {
  if (count == 0) return;
  const Dims& dims = header.dims;
  std::vector<int64_t> strides(dims.size(), 1), place(dims.size(), 0);
  for (size_t axis = 1; axis < dims.size(); ++axis) strides[axis] = strides[axis - 1] * dims[axis - 1];
  int64_t from = 0;
  for (int64_t i = 0; i < count; ++i) {
    visit(static_cast<size_t>(i), static_cast<size_t>(header.fortran_order ? from : i));
    for (size_t axis = dims.size(); axis-- > 0;) {
      from += strides[axis];
      if (++place[axis] < dims[axis]) break;
      from -= strides[axis] * dims[axis];
      place[axis] = 0;
    }
  }
}

// How many elements there are. Errors: kCorruptData when the bytes are not exactly those.
int64_t checked_count(const NpyHeader& header, size_t element_bytes, size_t value_bytes,
                      std::string_view where) {
  size_t needed = 0;
  const int64_t count = element_count(header.dims);
  if (__builtin_mul_overflow(static_cast<size_t>(count), element_bytes, &needed) || needed != value_bytes) {
    fail(ErrorCode::kCorruptData, where, "holds {} {} and has {} bytes of values, expected {}", header.descr,
         to_string(header.dims), value_bytes, needed);
  }
  return count;
}

Tensor number_tensor(const NpyHeader& header, DType dtype, std::span<const std::byte> values,
                     std::string_view where) {
  const size_t size = dtype_info(dtype).block_bytes;
  const int64_t count = checked_count(header, size, values.size(), where);
  Tensor tensor = Tensor::host(dtype, header.dims);
  if (header.fortran_order && header.dims.size() > 1) {
    for_each_element(header, count, [&](size_t i, size_t from) {
      std::memcpy(tensor.data() + i * size, values.data() + from * size, size);
    });
  } else if (!values.empty()) {
    std::memcpy(tensor.data(), values.data(), values.size());
  }
  if (dtype == DType::kBool) {  // any byte but 0 is true to numpy
    for (uint8_t& value : tensor.values<uint8_t>()) value = value != 0;
  }
  return tensor;
}

Tensor text_tensor(const NpyHeader& header, size_t size, std::span<const std::byte> values,
                   std::string_view where) {
  const bool unicode = header.descr[1] == 'U';
  const int64_t count = checked_count(header, size, values.size(), where);
  if (size == 0 && count > 0)
    fail(ErrorCode::kUnsupported, where, "holds texts without width ({})", header.descr);
  std::vector<std::string> texts(static_cast<size_t>(count));
  for_each_element(header, count, [&](size_t i, size_t from) {
    texts[i] = text_of(values.subspan(from * size, size), unicode, where);
  });
  return make_strings(header.dims, std::move(texts));
}

}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, std::string_view where) {
  const NpyHeader header = parse_npy_header(bytes, where);
  const std::span<const std::byte> values = bytes.subspan(header.size_bytes);
  const std::string_view descr = header.descr;
  const bool own_order = descr.starts_with('<') || descr.starts_with('|') || descr.starts_with('=');
  if (!own_order) refuse_type(descr, where);
  if (const auto dtype = number_type(descr.substr(1))) return number_tensor(header, *dtype, values, where);
  if (const auto size = text_bytes(descr.substr(1))) return text_tensor(header, *size, values, where);
  refuse_type(descr, where);
}

Tensor read_npy(const std::filesystem::path& file) {
  const auto mapped = MappedFile::open(file);
  Tensor tensor = parse_npy(mapped->bytes(), file.string());
  if (mapped->damaged()) fail(ErrorCode::kIo, file.string(), "became shorter while it was read");
  return tensor;
}

bool npy_holds(DType dtype) {
  for (const NpyType& type : kTypes) {
    if (type.dtype == dtype) return true;
  }
  return false;
}

void write_npy(const std::filesystem::path& file, const Tensor& tensor) {
  for (const NpyType& type : kTypes) {
    if (type.dtype != tensor.dtype()) continue;
    const bool one_byte = dtype_info(type.dtype).block_bytes == 1;
    AtomicFile out(file);
    out.write(npy_header_bytes((one_byte ? "|" : "<") + std::string(type.name), tensor.dims()));
    out.write(tensor.bytes());
    return out.commit();
  }
  fail(ErrorCode::kUnsupported, file.string(), "npy has no type {}", dtype_name(tensor.dtype()));
}

}  // namespace oag
