#include "engine/formats/onnx/external_data.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "engine/formats/printable.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

struct Place {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

uint64_t parse_number(std::string_view text, std::string_view key, const std::string& where,
                      const std::string& tensor) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    fail(ErrorCode::kCorruptData, where,
         "tensor {}: the {} of its external data is \"{}\", expected a number", tensor, key, printable(text));
  }
  return value;
}

Place parse_place(const TextPairs& entries, const std::string& where, const std::string& tensor) {
  Place place;
  for (const auto& [key, value] : entries) {
    if (key == "location") place.location = value;
    if (key == "offset") place.offset = parse_number(value, key, where, tensor);
    if (key == "length") place.length = parse_number(value, key, where, tensor);
  }
  if (place.location.empty())
    fail(ErrorCode::kCorruptData, where, "tensor {}: its external data has no location", tensor);
  return place;
}

bool leaves_folder(const fs::path& path) {
  return path.is_absolute() || path.has_root_path() || std::ranges::find(path, fs::path("..")) != path.end();
}

// Whether `inner`, of existing files, lies in the folder `outer` when links are followed.
bool is_within(const fs::path& inner, const fs::path& outer) {
  std::error_code error;
  const fs::path full = fs::canonical(inner, error);
  if (error) return false;
  const fs::path folder = fs::canonical(outer, error);
  if (error) return false;
  return std::ranges::mismatch(folder, full).in1 == folder.end();
}

}  // namespace

std::shared_ptr<Buffer> ExternalData::open(const std::string& location, const std::string& where,
                                           const std::string& tensor) {
  if (const auto known = buffers_.find(location); known != buffers_.end()) return known->second;
  if (folder_.empty()) {
    fail(ErrorCode::kInvalidArgument, where, "tensor {}: its values lie in {}, but the model has no folder",
         tensor, printable(location));
  }
  const fs::path path(location);
  if (location.find('\0') != std::string::npos || leaves_folder(path)) {
    fail(ErrorCode::kCorruptData, where,
         "tensor {}: its values lie in {}, expected a path in the model's folder", tensor,
         printable(location));
  }
  const fs::path full = folder_ / path;
  if (!is_there(full)) {
    fail(ErrorCode::kNotFound, where, "tensor {}: its values lie in {}, which is missing beside the model",
         tensor, printable(location));
  }
  if (fs::is_directory(full)) {
    fail(ErrorCode::kCorruptData, where,
         "tensor {}: its values lie in {}, which is a folder, expected a file", tensor, printable(location));
  }
  if (!is_within(full, folder_) && !is_within(full, linked_)) {
    fail(ErrorCode::kCorruptData, where,
         "tensor {}: {} is a link out of the model's folder, expected a file in it (copy it there)", tensor,
         printable(location));
  }
  auto file = MappedFile::open(full);
  auto buffer = wrap_host(file->bytes(), file, file.get());
  files_.push_back(std::move(file));
  buffers_.emplace(location, buffer);
  return buffer;
}

ExternalData::Range ExternalData::find(const TensorMessage& tensor, size_t size_bytes,
                                       const std::string& where) {
  const std::string name = printable(tensor.name);
  const Place place = parse_place(tensor.external_data, where, name);
  if (place.length && *place.length != size_bytes) {
    fail(ErrorCode::kCorruptData, where, "tensor {}: its external data has {} bytes, expected {}", name,
         *place.length, size_bytes);
  }
  const std::shared_ptr<Buffer> buffer = open(place.location, where, name);
  if (place.offset > buffer->size_bytes() || size_bytes > buffer->size_bytes() - place.offset) {
    fail(ErrorCode::kCorruptData, where, "tensor {}: its {} bytes begin at byte {} of {}, which has {}", name,
         size_bytes, place.offset, printable(place.location), buffer->size_bytes());
  }
  return {buffer, static_cast<size_t>(place.offset)};
}

}  // namespace oag
