#include "engine/formats/safetensors/safetensors_writer.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/json.h"
#include "engine/formats/safetensors/safetensors_limits.h"
#include "engine/formats/safetensors/safetensors_types.h"

namespace oag {
namespace {

// A JSON text; bytes that are not UTF-8 are refused.
std::string quoted_json(std::string_view text, const std::string& where) {
  try {
    return Json(text).dump();
  } catch (const Json::type_error&) {
    fail(ErrorCode::kInvalidArgument, where, "a name or metadata text is not valid UTF-8");
  }
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path)
    : where_(path.string()), file_(path) {}

void SafetensorsWriter::require_header_open(std::string_view name) const {
  if (header_written_)
    fail(ErrorCode::kInvalidArgument, where_, "{} comes after the first tensor's bytes", name);
}

void SafetensorsWriter::set(std::string_view key, std::string_view value) {
  require_header_open(key);
  for (const auto& [known, text] : metadata_) {
    if (known == key) fail(ErrorCode::kInvalidArgument, where_, "metadata key {} is set twice", key);
  }
  metadata_.emplace_back(key, value);
}

void SafetensorsWriter::declare_tensor(std::string_view name, DType dtype, std::span<const int64_t> dims) {
  require_header_open(name);
  const SafetensorsType* type = find_safetensors_type(dtype);
  if (type == nullptr) {
    fail(ErrorCode::kInvalidArgument, where_, "tensor {}: safetensors has no type for {}", name,
         dtype_name(dtype));
  }
  int64_t bytes = type->bits / 8;
  bool possible = dims.size() <= kSafetensorsMaxDims;
  for (const int64_t dim : dims)
    possible = possible && dim >= 0 && !__builtin_mul_overflow(bytes, dim, &bytes);
  if (!possible) {
    fail(ErrorCode::kInvalidArgument, where_,
         "tensor {}: expected at most {} dims of 0 or more and 2^63 bytes", name, kSafetensorsMaxDims);
  }
  if (name == "__metadata__" || !names_.insert(std::string(name)).second)
    fail(ErrorCode::kInvalidArgument, where_, "tensor {} is declared twice or has the metadata's name", name);
  tensors_.push_back(
      {std::string(name), type->name, {dims.begin(), dims.end()}, static_cast<uint64_t>(bytes)});
}

void SafetensorsWriter::write_header() {
  std::string header = "{";
  if (!metadata_.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata_) {
      header +=
          (header.back() == '{' ? "" : ",") + quoted_json(key, where_) + ":" + quoted_json(value, where_);
    }
    header += "}";
  }
  uint64_t offset = 0;
  for (const Declared& tensor : tensors_) {
    uint64_t end = 0;
    if (__builtin_add_overflow(offset, tensor.size_bytes, &end))
      fail(ErrorCode::kInvalidArgument, where_, "the tensors have more than 2^64 bytes together");
    header += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() == 1 ? "" : ",", quoted_json(tensor.name, where_), tensor.type,
                          fmt::join(tensor.dims, ","), offset, end);
    offset = end;
  }
  header += "}";
  header.resize((header.size() + kSafetensorsAlignment - 1) / kSafetensorsAlignment * kSafetensorsAlignment,
                ' ');
  if (header.size() > kSafetensorsMaxHeaderBytes) {
    fail(ErrorCode::kInvalidArgument, where_, "the header would be {} bytes long, more than the format's {}",
         header.size(), kSafetensorsMaxHeaderBytes);
  }
  std::string length;
  for (size_t i = 0; i < kSafetensorsLengthBytes; ++i)
    length += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  file_.write(length);
  file_.write(header);
  header_written_ = true;
  skip_empty_tensors();
}

void SafetensorsWriter::skip_empty_tensors() {
  while (current_ < tensors_.size() && tensors_[current_].size_bytes == 0) ++current_;
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  if (!header_written_) write_header();
  if (bytes.empty()) return;
  if (current_ == tensors_.size() || tensors_[current_].name != name) {
    fail(ErrorCode::kInvalidArgument, where_, "bytes of tensor {} came, expected {}", name,
         current_ == tensors_.size() ? "no more tensors" : tensors_[current_].name);
  }
  const uint64_t size_bytes = tensors_[current_].size_bytes;
  if (bytes.size() > size_bytes - current_bytes_) {
    fail(ErrorCode::kInvalidArgument, where_, "tensor {} got {} bytes, expected {}", name,
         current_bytes_ + bytes.size(), size_bytes);
  }
  file_.write(bytes);
  current_bytes_ += bytes.size();
  if (current_bytes_ < size_bytes) return;
  ++current_;
  current_bytes_ = 0;
  skip_empty_tensors();
}

void SafetensorsWriter::finish() {
  if (!header_written_) write_header();
  if (current_ < tensors_.size()) {
    fail(ErrorCode::kInvalidArgument, where_, "tensor {} got {} bytes, expected {}", tensors_[current_].name,
         current_bytes_, tensors_[current_].size_bytes);
  }
  file_.commit();
}

}  // namespace oag
