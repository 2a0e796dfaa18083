#include "engine/formats/safetensors/safetensors_parse.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "base/json_events.h"
#include "engine/formats/safetensors/safetensors_limits.h"
#include "engine/formats/safetensors/safetensors_types.h"
#include "engine/tensor/dim.h"

namespace oag {
namespace {

// A tensor as the header states it.
struct Declared {
  std::string name;
  std::optional<std::string> type;
  std::optional<std::vector<int64_t>> dims;
  std::optional<std::vector<uint64_t>> offsets;  // begin and end
};

// The header's JSON: {name: {dtype, shape, data_offsets}, "__metadata__": {key: text}}.
class HeaderReader final : public JsonEvents {
 public:
  explicit HeaderReader(const std::string& where) : where_(where) {}

  std::vector<Declared> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;

  void on_null() override { refuse("null"); }
  void on_bool(bool) override { refuse("a truth value"); }
  void on_integer(int64_t value) override { refuse(fmt::format("{}", value)); }
  void on_number(double) override { refuse("a number with a fraction or exponent"); }
  void on_unsigned(uint64_t value) override {
    if (place_ == Place::kDims) {
      if (value > INT64_MAX) refuse(fmt::format("a dim of {}", value));
      if (tensors.back().dims->size() == kSafetensorsMaxDims)
        refuse(fmt::format("more than {} dims", kSafetensorsMaxDims));
      tensors.back().dims->push_back(static_cast<int64_t>(value));
    } else if (place_ == Place::kOffsets) {
      if (tensors.back().offsets->size() == 2) refuse("more than two offsets");
      tensors.back().offsets->push_back(value);
    } else {
      refuse(fmt::format("{}", value));
    }
  }
  void on_string(std::string& value) override {
    if (place_ == Place::kMetadata) {
      metadata.back().second = std::move(value);
    } else if (place_ == Place::kTensor && key_ == "dtype" && !tensors.back().type) {
      tensors.back().type = std::move(value);
    } else {
      refuse("a text");
    }
  }
  void on_begin_object() override {
    if (place_ == Place::kOutside) {
      place_ = Place::kHeader;
    } else if (place_ == Place::kHeader) {
      const bool is_metadata = key_ == "__metadata__";
      place_ = is_metadata ? Place::kMetadata : Place::kTensor;
      if (!is_metadata) tensors.push_back({std::move(key_), {}, {}, {}});
      key_.clear();
    } else {
      refuse("an object");
    }
  }
  void on_key(std::string& key) override {
    key_ = std::move(key);
    if (place_ == Place::kMetadata) metadata.emplace_back(key_, "");
    if (place_ == Place::kTensor && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets")
      refuse("an unknown key");
  }
  void on_end_object() override {
    if (place_ == Place::kTensor) check_complete(tensors.back());
    key_.clear();
    place_ = place_ == Place::kHeader ? Place::kOutside : Place::kHeader;
  }
  void on_begin_array() override {
    if (place_ == Place::kTensor && key_ == "shape" && !tensors.back().dims) {
      place_ = Place::kDims;
      tensors.back().dims.emplace();
    } else if (place_ == Place::kTensor && key_ == "data_offsets" && !tensors.back().offsets) {
      place_ = Place::kOffsets;
      tensors.back().offsets.emplace();
    } else {
      refuse("a list");
    }
  }
  void on_end_array() override { place_ = Place::kTensor; }

 private:
  enum class Place { kOutside, kHeader, kMetadata, kTensor, kDims, kOffsets };

  void check_complete(const Declared& tensor) const {
    if (tensor.type && tensor.dims && tensor.offsets && tensor.offsets->size() == 2) return;
    fail(ErrorCode::kCorruptData, where_, "tensor {}: expected dtype, shape and two data_offsets",
         printable_name(tensor.name));
  }
  static std::string_view printable_name(std::string_view name) { return name.substr(0, 200); }

  [[noreturn]] void refuse(const std::string& seen) const {
    const bool in_tensor = place_ == Place::kTensor || place_ == Place::kDims || place_ == Place::kOffsets;
    fail(ErrorCode::kCorruptData, where_, "the header has {} at {}{}{}, where the format has none", seen,
         in_tensor ? std::string(printable_name(tensors.back().name)) + "." : "", printable_name(key_),
         key_.empty() && !in_tensor ? "its top" : "");
  }

  const std::string& where_;
  Place place_ = Place::kOutside;
  std::string key_;
};

// The header's length and the data behind it.
struct Layout {
  std::string_view header;
  std::span<const std::byte> data;
};

Layout read_layout(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() < kSafetensorsLengthBytes) {
    fail(ErrorCode::kCorruptData, where, "has {} bytes, a safetensors file has more than {}", bytes.size(),
         kSafetensorsLengthBytes);
  }
  uint64_t length = 0;
  for (size_t i = kSafetensorsLengthBytes; i-- > 0;) length = length << 8 | static_cast<uint64_t>(bytes[i]);
  const uint64_t rest = bytes.size() - kSafetensorsLengthBytes;
  if (length > kSafetensorsMaxHeaderBytes) {
    fail(ErrorCode::kCorruptData, where,
         "the header is said to be {} bytes long, expected at most {}; this is no safetensors file", length,
         kSafetensorsMaxHeaderBytes);
  }
  if (length > rest) {
    fail(ErrorCode::kCorruptData, where,
         "the header is said to be {} bytes long, {} are left; the file is cut off", length, rest);
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + kSafetensorsLengthBytes;
  const Layout layout = {{text, static_cast<size_t>(length)},
                         bytes.subspan(kSafetensorsLengthBytes + static_cast<size_t>(length))};
  if (layout.header.empty() || layout.header.front() != '{') {
    fail(ErrorCode::kCorruptData, where, "the header does not begin with {{; this is no safetensors file");
  }
  return layout;
}

// Bytes of a tensor's values. Errors: kCorruptData when they are more than 2^63 or no whole number.
uint64_t value_bytes(const Declared& tensor, const SafetensorsType& type, const std::string& where) {
  int64_t bits = static_cast<int64_t>(type.bits);
  bool possible = true;
  // A zero makes any product possible, so it is looked for first.
  if (std::ranges::find(*tensor.dims, 0) != tensor.dims->end()) return 0;
  for (const int64_t dim : *tensor.dims) possible = possible && !__builtin_mul_overflow(bits, dim, &bits);
  if (!possible || bits % 8 != 0) {
    fail(ErrorCode::kCorruptData, where, "tensor {} {} of {} has no whole number of bytes below 2^60",
         tensor.name, to_string(Dims(*tensor.dims)), type.name);
  }
  return static_cast<uint64_t>(bits) / 8;
}

SafetensorsTensor read_tensor(Declared&& declared, std::span<const std::byte> data,
                              const std::string& where) {
  const SafetensorsType* type = find_safetensors_type(*declared.type);
  if (type == nullptr) {
    fail(ErrorCode::kUnsupported, where, "tensor {} is stored as {}, which is no known element type",
         declared.name, declared.type->substr(0, 64));
  }
  const uint64_t begin = (*declared.offsets)[0], end = (*declared.offsets)[1];
  if (begin > end || end > data.size()) {
    fail(ErrorCode::kCorruptData, where,
         "tensor {}: its bytes are said to be {} to {} of {}; the file is cut off or damaged", declared.name,
         begin, end, data.size());
  }
  if (const uint64_t expected = value_bytes(declared, *type, where); end - begin != expected) {
    fail(ErrorCode::kCorruptData, where, "tensor {} {} of {} has {} bytes, expected {}", declared.name,
         to_string(Dims(*declared.dims)), type->name, end - begin, expected);
  }
  SafetensorsTensor tensor;
  tensor.name = std::move(declared.name);
  tensor.type_name = type->name;
  tensor.dtype = type->dtype;
  tensor.dims = std::move(*declared.dims);
  tensor.bytes = data.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  return tensor;
}

void check_names(const std::vector<SafetensorsTensor>& tensors, const std::string& where) {
  std::vector<std::string_view> names;
  for (const SafetensorsTensor& tensor : tensors) names.push_back(tensor.name);
  std::ranges::sort(names);
  if (const auto twin = std::ranges::adjacent_find(names); twin != names.end())
    fail(ErrorCode::kCorruptData, where, "tensor {} stands in the header twice, expected once", *twin);
}

// The tensors, in order of their bytes, leave no byte out and share none.
void check_cover(const std::vector<SafetensorsTensor>& tensors, std::span<const std::byte> data,
                 const std::string& where) {
  size_t at = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    const auto begin = static_cast<size_t>(tensor.bytes.data() - data.data());
    if (begin != at) {
      fail(ErrorCode::kCorruptData, where, "tensor {} begins at byte {} of the data, expected {}: {}",
           tensor.name, begin, at,
           begin < at ? "it shares bytes with another" : "the bytes before it belong to none");
    }
    at += tensor.bytes.size();
  }
  if (at != data.size()) {
    fail(ErrorCode::kCorruptData, where, "the tensors end at byte {} of the data, expected at {}", at,
         data.size());
  }
}

}  // namespace

SafetensorsPart parse_safetensors(std::span<const std::byte> bytes, const std::string& where) {
  const Layout layout = read_layout(bytes, where);
  HeaderReader header(where);
  read_json_events(layout.header, where + " header", header);
  SafetensorsPart part;
  part.metadata = std::move(header.metadata);
  for (Declared& declared : header.tensors)
    part.tensors.push_back(read_tensor(std::move(declared), layout.data, where));
  check_names(part.tensors, where);
  std::ranges::sort(part.tensors, {}, [](const SafetensorsTensor& tensor) {
    return std::tuple(tensor.bytes.data(), tensor.bytes.size(), std::string_view(tensor.name));
  });
  check_cover(part.tensors, layout.data, where);
  return part;
}

}  // namespace oag
