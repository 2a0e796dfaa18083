#include "llm/bundle/convert_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "engine/formats/gguf/gguf_file.h"
#include "engine/formats/safetensors/safetensors_file.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr size_t kStateLimitBytes = size_t{64} << 20;

uint64_t checksum_of_file(const fs::path& path) {
  if (path.extension() == ".safetensors")
    return checksum_of_tensors(list_tensors(*SafetensorsFile::open(path)));
  return checksum_of_tensors(list_tensors(*GgufFile::open(path)));
}

}  // namespace

uint64_t checksum_of_tensors(const std::vector<StoredTensor>& tensors) {
  constexpr size_t kPieceBytes = size_t{16} << 20;
  Checksum checksum;
  for (const StoredTensor& tensor : tensors) {
    for (size_t at = 0; at < tensor.bytes.size(); at += kPieceBytes) {
      const auto piece = tensor.bytes.subspan(at, std::min(kPieceBytes, tensor.bytes.size() - at));
      checksum.add(piece);
      if (tensor.file != nullptr) tensor.file->release_pages(piece);
    }
  }
  return checksum.value();
}

ConvertState::ConvertState(fs::path path, const std::string& inputs)
    : path_(std::move(path)), first_line_(fmt::format("oag-convert 2 {:016x}", checksum_of(inputs))) {}

ConvertState::Found ConvertState::read() {
  if (!is_there(path_)) return Found::kNone;
  std::istringstream lines(read_file(path_, kStateLimitBytes));
  std::string line;
  if (!std::getline(lines, line) || line != first_line_) return Found::kOther;
  Entry entry;
  while (lines >> std::hex >> entry.checksum >> std::dec >> entry.bytes && lines.get() == ' ' &&
         std::getline(lines, entry.name))
    finished_.push_back(entry);
  return Found::kOwn;
}

bool ConvertState::holds(const std::string& name) const {
  const auto entry = std::ranges::find(finished_, name, &Entry::name);
  const fs::path file = path_.parent_path() / name;
  if (entry == finished_.end() || file_size_bytes(file) != entry->bytes) return false;
  try {
    return checksum_of_file(file) == entry->checksum;
  } catch (const Error&) {  // what it holds now is no such file
    return false;
  }
}

void ConvertState::add(const std::string& name, uint64_t checksum) {
  std::erase_if(finished_, [&](const Entry& entry) { return entry.name == name; });
  finished_.push_back({name, checksum, file_size_bytes(path_.parent_path() / name)});
  save();
}

void ConvertState::save() const {
  std::string text = first_line_ + "\n";
  for (const Entry& entry : finished_)
    text += fmt::format("{:016x} {} {}\n", entry.checksum, entry.bytes, entry.name);
  write_small_file(path_, text);
}

void ConvertState::remove() const {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

void write_small_file(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace oag
