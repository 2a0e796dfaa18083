#include "engine/formats/gguf/gguf_file.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "engine/formats/gguf/gguf_parse.h"
#include "engine/formats/gguf/gguf_split.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

struct OpenPart {
  std::shared_ptr<const MappedFile> file;
  GgufPart content;
};

OpenPart open_part(const fs::path& path) {
  OpenPart part;
  part.file = MappedFile::open(path);
  part.content = parse_gguf(part.file->bytes(), path.string());
  if (part.file->damaged()) fail(ErrorCode::kIo, path.string(), "became shorter while it was read");
  for (GgufTensor& tensor : part.content.tensors) tensor.file = part.file.get();
  return part;
}

// The part numbers, from 1, as "2, 3, 5".
std::string list_of(const std::vector<uint64_t>& numbers) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(numbers.size(), kShown); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(numbers[i]);
  return text + (numbers.size() > kShown ? ", …" : "");
}

void require_all_parts(const GgufSplitName& split) {
  std::vector<uint64_t> missing;
  for (uint64_t number = 1; number <= split.count; ++number) {
    std::error_code ignored;
    if (!fs::exists(split.part(number), ignored)) missing.push_back(number);
  }
  if (missing.empty()) return;
  fail(ErrorCode::kNotFound, split.part(missing.front()).string(),
       "is missing: the model has {} parts, {} of them (part {}) are not in this folder", split.count,
       missing.size(), list_of(missing));
}

// Adds the part's tensors to `tensors`.
void append(std::vector<GgufTensor>& tensors, std::vector<GgufTensor> more) {
  std::ranges::move(more, std::back_inserter(tensors));
}

}  // namespace

GgufFile::GgufFile(GgufMetadata metadata, std::vector<GgufTensor> tensors,
                   std::vector<std::shared_ptr<const MappedFile>> files)
    : GgufMetadata(std::move(metadata)),
      tensors_(std::move(tensors)),
      by_name_(tensors_.size()),
      files_(std::move(files)) {
  const auto name_of = [this](uint32_t i) -> std::string_view { return tensors_[i].name; };
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::ranges::sort(by_name_, {}, name_of);
  const auto twin = std::ranges::adjacent_find(by_name_, {}, name_of);
  if (twin != by_name_.end()) {
    fail(ErrorCode::kCorruptData, where(), "tensor {} stands in two parts, expected in one", name_of(*twin));
  }
}

std::shared_ptr<const GgufFile> GgufFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  GgufPart part = parse_gguf(bytes, name);
  return std::shared_ptr<const GgufFile>(new GgufFile(std::move(part.metadata), std::move(part.tensors), {}));
}

std::shared_ptr<const GgufFile> GgufFile::open(const fs::path& path) {
  OpenPart given = open_part(path);
  const uint64_t count = given.content.metadata.find_u64("split.count").value_or(1);
  if (count <= 1) {
    return std::shared_ptr<const GgufFile>(new GgufFile(
        std::move(given.content.metadata), std::move(given.content.tensors), {std::move(given.file)}));
  }

  const GgufSplitName split = split_name_of(path, given.content.metadata);
  require_all_parts(split);
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
  std::vector<std::shared_ptr<const MappedFile>> files;
  for (uint64_t number = 1; number <= split.count; ++number) {
    // NOLINTNEXTLINE(bugprone-use-after-move): one number alone is the given file's
    OpenPart part = number == split.number ? std::move(given) : open_part(split.part(number));
    check_split_keys(part.content.metadata, number, split.count);
    if (number == 1) metadata = std::move(part.content.metadata);
    append(tensors, std::move(part.content.tensors));
    files.push_back(std::move(part.file));
  }
  if (const auto expected = metadata.find_u64("split.tensors.count");
      expected && *expected != tensors.size()) {
    fail(ErrorCode::kCorruptData, metadata.where(),
         "the parts hold {} tensors, expected {} (split.tensors.count)", tensors.size(), *expected);
  }
  return std::shared_ptr<const GgufFile>(
      new GgufFile(std::move(metadata), std::move(tensors), std::move(files)));
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto name_of = [this](uint32_t i) -> std::string_view { return tensors_[i].name; };
  const auto at = std::ranges::lower_bound(by_name_, name, {}, name_of);
  if (at == by_name_.end() || name_of(*at) != name) return nullptr;
  const GgufTensor& found = tensors_[*at];
  if (found.dtype == DType::kUndefined) {
    fail(ErrorCode::kUnsupported, where(), "tensor {} is stored as {}{}, which this engine cannot read", name,
         ggml_type_name(found.type_id),
         find_ggml_type(found.type_id) != nullptr ? fmt::format(" (type {})", found.type_id) : "");
  }
  return &found;
}

const GgufTensor& GgufFile::tensor(std::string_view name) const {
  if (const GgufTensor* found = find_tensor(name)) return *found;
  fail(ErrorCode::kNotFound, where(), "tensor {} is missing", name);
}

}  // namespace oag
