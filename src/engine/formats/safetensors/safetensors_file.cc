#include "engine/formats/safetensors/safetensors_file.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "engine/formats/safetensors/safetensors_index.h"
#include "engine/formats/safetensors/safetensors_limits.h"
#include "engine/formats/safetensors/safetensors_parse.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSingleName = "model.safetensors", kIndexName = "model.safetensors.index.json";

// What stands for the whole set in a folder.
fs::path find_in_folder(const fs::path& folder) {
  for (const std::string_view name : {kIndexName, kSingleName}) {
    if (is_there(folder / name)) return folder / name;
  }
  std::vector<fs::path> found;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".safetensors") found.push_back(entry->path());
  }
  if (error) fail(ErrorCode::kIo, folder.string(), "cannot be listed: {}", error.message());
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    fail(ErrorCode::kNotFound, folder.string(), "holds no weights: neither {} nor {} is there", kSingleName,
         kIndexName);
  }
  fail(ErrorCode::kNotFound, (folder / kIndexName).string(),
       "is missing: the folder holds {} safetensors files, and only the index says how they belong together",
       found.size());
}

std::shared_ptr<const MappedFile> append_file(const fs::path& path, std::vector<SafetensorsTensor>& tensors) {
  auto file = MappedFile::open(path);
  SafetensorsPart part = parse_safetensors(file->bytes(), path.string());
  if (file->damaged()) fail(ErrorCode::kIo, path.string(), "became shorter while it was read");
  for (SafetensorsTensor& tensor : part.tensors) tensor.file = file.get();
  std::ranges::move(part.tensors, std::back_inserter(tensors));
  return file;
}

void require_shards(const fs::path& folder, const std::set<std::string>& shards, const std::string& index) {
  std::vector<std::string> missing;
  for (const std::string& shard : shards) {
    if (!is_there(folder / shard)) missing.push_back(shard);
  }
  if (missing.empty()) return;
  fail(ErrorCode::kNotFound, (folder / missing.front()).string(),
       "is missing: {} names {} shards, {} of them are not in this folder", index, shards.size(),
       missing.size());
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::string where, std::vector<SafetensorsTensor> tensors,
                                 std::vector<std::shared_ptr<const MappedFile>> files)
    : where_(std::move(where)),
      tensors_(std::move(tensors)),
      by_name_(tensors_.size()),
      files_(std::move(files)) {
  const auto name_of = [this](uint32_t i) -> std::string_view { return tensors_[i].name; };
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::ranges::sort(by_name_, {}, name_of);
  const auto twin = std::ranges::adjacent_find(by_name_, {}, name_of);
  if (twin != by_name_.end())
    fail(ErrorCode::kCorruptData, where_, "tensor {} stands in two shards, expected in one", name_of(*twin));
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes,
                                                              const std::string& name) {
  return std::shared_ptr<const SafetensorsFile>(
      new SafetensorsFile(name, parse_safetensors(bytes, name).tensors, {}));
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const fs::path& given) {
  std::error_code ignored;
  const fs::path path = fs::is_directory(given, ignored) ? find_in_folder(given) : given;
  std::vector<SafetensorsTensor> tensors;
  std::vector<std::shared_ptr<const MappedFile>> files;
  if (path.extension() != ".json") {
    files.push_back(append_file(path, tensors));
    return std::shared_ptr<const SafetensorsFile>(
        new SafetensorsFile(path.string(), std::move(tensors), std::move(files)));
  }
  const auto index = parse_safetensors_index(read_file(path, kSafetensorsMaxHeaderBytes), path.string());
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index) shards.insert(shard);
  require_shards(path.parent_path(), shards, path.filename().string());
  for (const std::string& shard : shards) files.push_back(append_file(path.parent_path() / shard, tensors));
  std::shared_ptr<const SafetensorsFile> set(
      new SafetensorsFile(path.string(), std::move(tensors), std::move(files)));
  for (const auto& [tensor, shard] : index) {
    const SafetensorsTensor* found = set->find_tensor(tensor);
    if (found != nullptr && found->file->path().filename() == shard) continue;
    fail(ErrorCode::kCorruptData, path.string(), "tensor {} is not in {}, where the index says it is", tensor,
         shard);
  }
  return set;
}

const SafetensorsTensor* SafetensorsFile::find_tensor(std::string_view name) const {
  const auto name_of = [this](uint32_t i) -> std::string_view { return tensors_[i].name; };
  const auto at = std::ranges::lower_bound(by_name_, name, {}, name_of);
  return at == by_name_.end() || name_of(*at) != name ? nullptr : &tensors_[*at];
}

}  // namespace oag
