#include "engine/formats/gguf/gguf_parse.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <unordered_set>

#include "base/error.h"
#include "engine/formats/gguf/gguf_cursor.h"
#include "engine/formats/gguf/gguf_limits.h"

namespace oag {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF values are loaded as they stand in the file");

constexpr uint64_t kMaxKeys = 65'536;
constexpr uint64_t kMaxTensors = 1 << 20;
// Arrays of arrays take less room in a file than in memory; no known model has any.
constexpr uint64_t kMaxNestedArrays = 65'536;
constexpr int kMaxArrayDepth = 8;
// key length, one byte of key, type, one byte of value
constexpr size_t kLeastKeyBytes = 8 + 1 + 4 + 1;
// name length, one byte of name, number of dims, type, offset
constexpr size_t kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;

// What a file that is no GGUF seems to be, by how it begins; empty when nothing is known.
std::string_view known_format(std::span<const std::byte> bytes) {
  constexpr size_t kLooked = 512;
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kLooked));
  if (head.starts_with("PK\x03\x04")) return "a zip archive (a PyTorch checkpoint is one)";
  // A length of 8 bytes, then a JSON object.
  if (head.size() > 9 && head.substr(5, 3) == std::string_view("\0\0\0", 3) && head[8] == '{')
    return "a safetensors file (a model is the folder that it is in)";
  // Field 1, ir_version, then a field with a length: producer_name, or the graph itself.
  if (head.size() > 3 && head[0] == '\x08' && head[1] > 0 && head[1] < 32 &&
      (head[2] == '\x12' || head[2] == ':'))
    return "an ONNX model";
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && head[first] == '<') return "an HTML or XML page";
  const bool text = std::ranges::all_of(
      head, [](char c) { return static_cast<unsigned char>(c) >= ' ' || (c >= '\t' && c <= '\r'); });
  return text ? "a text" : "";
}

class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name), cursor_(bytes, name_) {}

  GgufPart parse() {
    check_magic_and_version();
    const uint64_t tensor_count = cursor_.read_count("the number of tensors", kLeastTensorBytes, kMaxTensors);
    const uint64_t key_count = cursor_.read_count("the number of metadata keys", kLeastKeyBytes, kMaxKeys);
    GgufPart part;
    part.metadata = read_metadata(key_count);
    part.tensors = read_tensors(tensor_count, alignment_of(part.metadata));
    return part;
  }

 private:
  // Where a tensor's description stands in the header and where its data begins, counted from the end of the
  // header.
  struct Placement {
    size_t header_offset;
    uint64_t begin;
    uint64_t size_bytes;
    size_t index;
  };

  void check_magic_and_version();
  GgufMetadata read_metadata(uint64_t count);
  std::string read_name(const char* what);
  GgufType read_type(const char* what);
  GgufValue read_value(GgufType type);
  GgufArray read_array(int depth);
  uint64_t alignment_of(const GgufMetadata& metadata);
  std::vector<GgufTensor> read_tensors(uint64_t count, uint64_t alignment);
  Placement read_tensor(GgufTensor& tensor, uint64_t alignment);
  std::vector<int64_t> read_dims();
  uint64_t tensor_bytes(size_t offset, const GgmlType& type, const std::vector<int64_t>& dims) const;
  void place(std::vector<GgufTensor>& tensors, std::vector<Placement>& placements, uint64_t alignment);

  std::span<const std::byte> bytes_;
  const std::string& name_;
  GgufCursor cursor_;
  uint64_t nested_arrays_ = 0;
};

void GgufParser::check_magic_and_version() {
  constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
  constexpr uint32_t kOldMagics[] = {0x67676d6c, 0x67676d66, 0x67676a74,
                                     0x67676c61};  // ggml, ggmf, ggjt, ggla
  const auto swap = [](uint32_t value) {
    return value >> 24 | (value >> 8 & 0xff00u) | (value << 8 & 0xff0000u) | value << 24;
  };
  const auto refuse_big_endian = [&] {
    fail(ErrorCode::kUnsupported, name_,
         "at byte 0: is a big-endian GGUF file, expected a little-endian one");
  };
  const auto magic = cursor_.read<uint32_t>("the magic number");
  if (std::ranges::find(kOldMagics, magic) != std::end(kOldMagics)) {
    fail(ErrorCode::kUnsupported, name_,
         "at byte 0: is a GGML file from before GGUF, expected GGUF version 2 or 3; convert the model again");
  }
  if (magic == swap(kMagic)) refuse_big_endian();
  if (magic != kMagic) {
    const std::string_view known = known_format(bytes_);
    cursor_.fail_at(0, "is no GGUF file{}{}: does not start with \"GGUF\"", known.empty() ? "" : " but ",
                    known);
  }
  const auto version = cursor_.read<uint32_t>("the version");
  if ((version & 0xffff) == 0 && version != 0) refuse_big_endian();
  if (version != 2 && version != 3) {
    fail(ErrorCode::kUnsupported, name_, "at byte 4: GGUF version {}, expected 2 or 3{}", version,
         version == 1 ? "; convert the model again" : "");
  }
}

// Keys and tensor names stand in messages, JSON and tables, hence printable ASCII only.
std::string GgufParser::read_name(const char* what) {
  constexpr size_t kMaxNameBytes = kGgufMaxNameBytes;
  const size_t begin = cursor_.offset();
  const std::string_view text = cursor_.read_string(what);
  const bool plain = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  if (text.empty() || text.size() > kMaxNameBytes || !plain) {
    cursor_.fail_at(begin,
                    "{} is \"{}\" ({} bytes), expected 1 to {} bytes of printable ASCII without spaces", what,
                    printable(text), text.size(), kMaxNameBytes);
  }
  return std::string(text);
}

GgufType GgufParser::read_type(const char* what) {
  const size_t begin = cursor_.offset();
  const auto type = cursor_.read<uint32_t>(what);
  if (type >= kGgufTypeCount)
    cursor_.fail_at(begin, "{} is {}, expected 0 to {}", what, type, kGgufTypeCount - 1);
  return static_cast<GgufType>(type);
}

GgufMetadata GgufParser::read_metadata(uint64_t count) {
  std::vector<GgufMetadata::Entry> entries;
  std::unordered_set<std::string> seen;
  for (uint64_t i = 0; i < count; ++i) {
    cursor_.set_context(fmt::format("metadata entry {} of {}", i + 1, count));
    const size_t begin = cursor_.offset();
    std::string key = read_name("a key");
    cursor_.set_context(fmt::format("metadata key {}", printable(key)));
    if (!seen.insert(key).second) cursor_.fail_at(begin, "the key stands a second time, expected once");
    GgufValue value = read_value(read_type("the value's type"));
    entries.push_back({std::move(key), std::move(value)});
  }
  cursor_.set_context("");
  return GgufMetadata(name_, std::move(entries));
}

GgufValue GgufParser::read_value(GgufType type) {
  constexpr const char* kWhat = "the value";
  switch (type) {
    case GgufType::kU8: return GgufValue::of(cursor_.read<uint8_t>(kWhat));
    case GgufType::kI8: return GgufValue::of(cursor_.read<int8_t>(kWhat));
    case GgufType::kU16: return GgufValue::of(cursor_.read<uint16_t>(kWhat));
    case GgufType::kI16: return GgufValue::of(cursor_.read<int16_t>(kWhat));
    case GgufType::kU32: return GgufValue::of(cursor_.read<uint32_t>(kWhat));
    case GgufType::kI32: return GgufValue::of(cursor_.read<int32_t>(kWhat));
    case GgufType::kU64: return GgufValue::of(cursor_.read<uint64_t>(kWhat));
    case GgufType::kI64: return GgufValue::of(cursor_.read<int64_t>(kWhat));
    case GgufType::kF32: return GgufValue::of(cursor_.read<float>(kWhat));
    case GgufType::kF64: return GgufValue::of(cursor_.read<double>(kWhat));
    case GgufType::kString: return GgufValue::of(cursor_.read_string(kWhat));
    case GgufType::kArray: return GgufValue::of(read_array(1));
    case GgufType::kBool: break;
  }
  const size_t begin = cursor_.offset();
  const auto flag = cursor_.read<uint8_t>(kWhat);
  if (flag > 1) cursor_.fail_at(begin, "a bool is {}, expected 0 or 1", flag);
  return GgufValue::of(flag == 1);
}

GgufArray GgufParser::read_array(int depth) {
  constexpr const char* kWhat = "the number of array elements";
  constexpr uint64_t kAnyCount = std::numeric_limits<uint64_t>::max();
  const size_t begin = cursor_.offset();
  if (depth > kMaxArrayDepth)
    cursor_.fail_at(begin, "arrays are nested deeper than {} levels", kMaxArrayDepth);
  GgufArray array;
  array.element = read_type("the array's element type");
  if (array.element == GgufType::kArray) {
    const uint64_t count = cursor_.read_count(kWhat, 4 + 8, kAnyCount);
    nested_arrays_ += count;
    if (nested_arrays_ > kMaxNestedArrays) {
      cursor_.fail_at(begin, "the file holds more than {} arrays within arrays", kMaxNestedArrays);
    }
    for (uint64_t i = 0; i < count; ++i) array.arrays.push_back(read_array(depth + 1));
  } else if (array.element == GgufType::kString) {
    const uint64_t count = cursor_.read_count(kWhat, 8, kAnyCount);
    array.strings.reserve(count);
    for (uint64_t i = 0; i < count; ++i) array.strings.push_back(cursor_.read_string("an array element"));
  } else {
    const size_t element_bytes = gguf_type_bytes(array.element);
    const uint64_t count = cursor_.read_count(kWhat, element_bytes, kAnyCount);
    const size_t first = cursor_.offset();
    const auto values = cursor_.read_bytes(count * element_bytes, "the array");
    array.numbers.assign(values.begin(), values.end());
    if (array.element == GgufType::kBool) {
      const auto odd =
          std::ranges::find_if(array.numbers, [](std::byte flag) { return flag > std::byte{1}; });
      if (odd != array.numbers.end()) {
        cursor_.fail_at(first + static_cast<size_t>(odd - array.numbers.begin()),
                        "a bool is {}, expected 0 or 1", static_cast<int>(*odd));
      }
    }
  }
  return array;
}

uint64_t GgufParser::alignment_of(const GgufMetadata& metadata) {
  const uint64_t alignment = metadata.find_u64("general.alignment").value_or(kGgufDefaultAlignment);
  if (!is_gguf_alignment(alignment)) {
    cursor_.fail_at(cursor_.offset(), "general.alignment is {}, expected a power of two from {} to {}",
                    alignment, kGgufMinAlignment, kGgufMaxAlignment);
  }
  return alignment;
}

std::vector<int64_t> GgufParser::read_dims() {
  const size_t begin = cursor_.offset();
  const auto rank = cursor_.read<uint32_t>("the number of dimensions");
  if (rank > kGgufMaxDims) cursor_.fail_at(begin, "{} dimensions, expected at most {}", rank, kGgufMaxDims);
  std::vector<int64_t> dims(rank);
  int64_t values = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    const size_t at = cursor_.offset();
    const auto dim = cursor_.read<uint64_t>("a dimension");
    if (dim == 0 || dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      cursor_.fail_at(at, "dimension {} is {}, expected 1 to 2^63 - 1", i, dim);
    }
    dims[rank - 1 - i] = static_cast<int64_t>(dim);
    if (__builtin_mul_overflow(values, static_cast<int64_t>(dim), &values)) {
      cursor_.fail_at(at, "dimension {} is {}: the tensor would have more than 2^63 values", i, dim);
    }
  }
  return dims;
}

uint64_t GgufParser::tensor_bytes(size_t offset, const GgmlType& type,
                                  const std::vector<int64_t>& dims) const {
  const int64_t row = dims.empty() ? 1 : dims.back();
  if (row % type.block_values != 0) {
    cursor_.fail_at(offset, "a row has {} values, expected a multiple of {} for type {}", row,
                    type.block_values, type.name);
  }
  const int64_t values = std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
  uint64_t size_bytes = 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(values / type.block_values), uint64_t{type.block_bytes},
                             &size_bytes)) {
    cursor_.fail_at(offset, "{} values of type {} take more than 2^64 bytes", values, type.name);
  }
  return size_bytes;
}

GgufParser::Placement GgufParser::read_tensor(GgufTensor& tensor, uint64_t alignment) {
  const size_t begin = cursor_.offset();
  tensor.name = read_name("a tensor's name");
  cursor_.set_context(fmt::format("tensor {}", printable(tensor.name)));
  tensor.dims = read_dims();
  const size_t type_offset = cursor_.offset();
  tensor.type_id = cursor_.read<uint32_t>("the tensor's type");
  uint64_t size_bytes = 0;
  if (const GgmlType* type = find_ggml_type(tensor.type_id)) {
    tensor.dtype = type->dtype;
    size_bytes = tensor_bytes(type_offset, *type, tensor.dims);
  }
  const size_t offset_offset = cursor_.offset();
  const auto offset = cursor_.read<uint64_t>("the tensor's data offset");
  if (offset % alignment != 0) {
    cursor_.fail_at(offset_offset, "the data offset is {}, expected a multiple of {}", offset, alignment);
  }
  return {begin, offset, size_bytes, 0};
}

std::vector<GgufTensor> GgufParser::read_tensors(uint64_t count, uint64_t alignment) {
  std::vector<GgufTensor> tensors(count);
  std::vector<Placement> placements(count);
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < count; ++i) {
    cursor_.set_context(fmt::format("tensor {} of {}", i + 1, count));
    placements[i] = read_tensor(tensors[i], alignment);
    placements[i].index = i;
    if (!seen.insert(tensors[i].name).second) {
      cursor_.fail_at(placements[i].header_offset, "the name stands a second time, expected once");
    }
  }
  place(tensors, placements, alignment);
  return tensors;
}

void GgufParser::place(std::vector<GgufTensor>& tensors, std::vector<Placement>& placements,
                       uint64_t alignment) {
  // The header ends inside the bytes, so rounding up cannot overflow.
  const uint64_t data_begin = (uint64_t{cursor_.offset()} + alignment - 1) / alignment * alignment;
  const uint64_t data_bytes = data_begin < bytes_.size() ? bytes_.size() - data_begin : 0;
  for (const Placement& placement : placements) {
    GgufTensor& tensor = tensors[placement.index];
    if (placement.begin > data_bytes || placement.size_bytes > data_bytes - placement.begin) {
      cursor_.set_context(fmt::format("tensor {}", printable(tensor.name)));
      cursor_.fail_at(
          placement.header_offset,
          "{} bytes at data offset {} run past the end of the file, which holds {} bytes of data; "
          "was it cut short? fetch it again",
          placement.size_bytes, placement.begin, data_bytes);
    }
    if (placement.size_bytes > 0)
      tensor.bytes = bytes_.subspan(data_begin + placement.begin, placement.size_bytes);
  }
  std::ranges::sort(placements, {}, &Placement::begin);
  for (size_t i = 1; i < placements.size(); ++i) {
    const Placement& before = placements[i - 1];
    if (before.begin + before.size_bytes <= placements[i].begin) continue;
    cursor_.set_context(fmt::format("tensor {}", printable(tensors[placements[i].index].name)));
    cursor_.fail_at(placements[i].header_offset,
                    "its data at offset {} overlaps tensor {}, which ends at offset {}", placements[i].begin,
                    printable(tensors[before.index].name), before.begin + before.size_bytes);
  }
}

}  // namespace

GgufPart parse_gguf(std::span<const std::byte> bytes, const std::string& name) {
  return GgufParser(bytes, name).parse();
}

}  // namespace oag
