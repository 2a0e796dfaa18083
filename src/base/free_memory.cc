#include "base/free_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

#include "base/promised_memory.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

// The number that `text` begins with; nothing for "max" and the like.
std::optional<uint64_t> leading_number(std::string_view text) {
  uint64_t number = 0;
  const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

std::optional<uint64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return leading_number(line);
}

// The number after `key` at the begin of a line.
std::optional<uint64_t> read_field(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return leading_number(std::string_view(line).substr(key.size()));
  }
  return std::nullopt;
}

uint64_t minus(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

// Where a version of control groups keeps its numbers.
struct GroupFiles {
  const char *folder, *limit, *used, *inactive_pages, *active_pages;
};
constexpr GroupFiles kVersion2 = {"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file ",
                                  "active_file "};
constexpr GroupFiles kVersion1 = {"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                  "total_inactive_file ", "total_active_file "};

std::optional<uint64_t> left_in_group(const fs::path& group, const GroupFiles& files) {
  const auto limit = read_number(group / files.limit), used = read_number(group / files.used);
  if (!limit || !used) return std::nullopt;
  const uint64_t file_pages = read_field(group / "memory.stat", files.inactive_pages).value_or(0) +
                              read_field(group / "memory.stat", files.active_pages).value_or(0);
  return minus(*limit, minus(*used, file_pages));
}

// The least of a group and those it lies in. In a container the path may be that of the host, of which only
// the last folder, or none, is visible: what is not there sets no limit.
std::optional<uint64_t> left_in_groups(const fs::path& root, fs::path group, const GroupFiles& files) {
  std::optional<uint64_t> least;
  for (group = group.relative_path();; group = group.parent_path()) {
    if (const auto left = left_in_group(root / files.folder / group, files))
      least = std::min(*left, least.value_or(*left));
    if (group.empty()) return least;
  }
}

}  // namespace

std::optional<uint64_t> free_memory_bytes(const fs::path& root) {
  std::optional<uint64_t> least;
  if (const auto kilobytes = read_field(root / "proc/meminfo", "MemAvailable:")) least = *kilobytes * 1024;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "hierarchy:controllers:path"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool version_2 = line.starts_with("0::");
    if (!version_2 && controllers.find(",memory,") == std::string::npos) continue;
    const auto left = left_in_groups(root, line.substr(second + 1), version_2 ? kVersion2 : kVersion1);
    if (left) least = std::min(*left, least.value_or(*left));
  }
  if (least) least = minus(*least, promised_bytes());
  return least;
}

}  // namespace oag
