#include "engine/formats/gguf/gguf_split.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/error.h"

namespace oag {
namespace {

// Splits "x-00001-of-00005.gguf" into prefix, number and count; false when the name has another form.
bool read_suffix(std::string_view file_name, GgufSplitName& name) {
  constexpr std::string_view kForm = "-NNNNN-of-NNNNN.gguf";
  constexpr size_t kNumberAt = 1;
  constexpr size_t kCountAt = 10;
  constexpr size_t kDigits = 5;
  if (file_name.size() < kForm.size()) return false;
  const std::string_view suffix = file_name.substr(file_name.size() - kForm.size());
  const auto fits = [](char form, char c) { return form == 'N' ? c >= '0' && c <= '9' : c == form; };
  if (!std::ranges::equal(kForm, suffix, fits)) return false;
  std::from_chars(suffix.data() + kNumberAt, suffix.data() + kNumberAt + kDigits, name.number);
  std::from_chars(suffix.data() + kCountAt, suffix.data() + kCountAt + kDigits, name.count);
  name.prefix = file_name.substr(0, file_name.size() - kForm.size());
  return true;
}

}  // namespace

std::filesystem::path GgufSplitName::part(uint64_t part_number) const {
  return folder / fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part_number, count);
}

GgufSplitName split_name_of(const std::filesystem::path& path, const GgufMetadata& metadata) {
  const std::string file_name = path.filename().string();
  const uint64_t count = metadata.get_u64("split.count");
  GgufSplitName name;
  if (!read_suffix(file_name, name) || name.count != count) {
    fail(ErrorCode::kCorruptData, path.string(),
         "is part of a model of {} files, expected a name that ends in -NNNNN-of-{:05}.gguf so that the "
         "others can be found",
         count, count);
  }
  name.folder = path.parent_path();
  check_split_keys(metadata, name.number, count);
  return name;
}

void check_split_keys(const GgufMetadata& metadata, uint64_t number, uint64_t count) {
  const uint64_t seen_count = metadata.get_u64("split.count");
  const uint64_t seen_number = metadata.get_u64("split.no");
  if (seen_count == count && number >= 1 && seen_number == number - 1) return;
  fail(ErrorCode::kCorruptData, metadata.where(),
       "its name says part {} of {}, its metadata says part {} of {} (split.no, split.count)", number, count,
       seen_number == UINT64_MAX ? seen_number : seen_number + 1, seen_count);
}

}  // namespace oag
