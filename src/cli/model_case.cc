#include "cli/model_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace oag::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "model.onnx";
constexpr const char* kManifest = "manifest.json";
constexpr std::string_view kSetPrefix = "test_data_set_";
constexpr int kDeepest = 16;  // folders below one that was named; a link may lead back up

// The number in PREFIX<number>SUFFIX, if `name` is such a text.
std::optional<int> number_in(std::string_view name, std::string_view prefix, std::string_view suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  if (name.size() <= prefix.size() + suffix.size()) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 0) return std::nullopt;
  return number;
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

// What a manifest says of its cases, by their folder as seen from its own.
class Manifest {
 public:
  explicit Manifest(const fs::path& file) : file_(file.string()) {
    const Json document = parse_json(read_file(file), file_);
    if (!document.is_object() || !document.contains("cases") || !document["cases"].is_array())
      fail(ErrorCode::kCorruptData, file_, "is no manifest of cases: it has no list \"cases\"");
    for (const Json& each : document["cases"]) add(each);
  }

  // Fills what is known of the case; leaves it alone where it is not listed. Cases may have been moved: the
  // longest end of the folder's path that is listed counts.
  void describe(const fs::path& folder, ModelCase& model_case) const {
    for (auto first = folder.begin(); first != folder.end(); ++first) {
      fs::path end;
      for (auto part = first; part != folder.end(); ++part) end /= *part;
      const auto found = cases_.find(end.string());
      if (found == cases_.end()) continue;
      model_case.kind = found->second.kind;
      model_case.tolerance = found->second.tolerance;
      return;
    }
  }

 private:
  struct Entry {
    std::string kind;
    Tolerance tolerance;
  };

  template <typename T>
  T member(const Json& entry, const char* name, T fallback) const {
    try {
      return entry.value(name, fallback);
    } catch (const Json::exception&) {
      fail(ErrorCode::kCorruptData, file_, "case {}: \"{}\" is {}", cases_.size(), name, entry[name].dump());
    }
  }

  void add(const Json& entry) {
    if (!entry.is_object() || !entry.contains("dir") || !entry["dir"].is_string())
      fail(ErrorCode::kCorruptData, file_, "case {} has no text \"dir\"", cases_.size());
    const Tolerance standard;
    const Tolerance tolerance{member(entry, "rtol", standard.relative),
                              member(entry, "atol", standard.absolute), !member(entry, "random", false)};
    if (!(tolerance.relative >= 0 && tolerance.absolute >= 0))
      fail(ErrorCode::kCorruptData, file_, "case {}: a tolerance is negative", cases_.size());
    cases_[fs::path(entry["dir"].get<std::string>()).lexically_normal().string()] = {
        member(entry, "kind", std::string()), tolerance};
  }

  std::string file_;
  std::map<std::string, Entry> cases_;
};

// Manifests by the folder from which they are sought upwards; each file is read once.
class Manifests {
 public:
  const Manifest* above(const fs::path& folder) {
    const auto [place, fresh] = found_.try_emplace(folder.string(), nullptr);
    if (!fresh) return place->second;
    if (fs::is_regular_file(folder / kManifest)) {
      place->second = &read_.emplace(folder.string(), Manifest(folder / kManifest)).first->second;
    } else if (folder.has_relative_path()) {
      place->second = above(folder.parent_path());
    }
    return place->second;
  }

 private:
  std::map<std::string, const Manifest*> found_;
  std::map<std::string, Manifest> read_;
};

bool is_case(const std::vector<fs::path>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const fs::path& entry) {
    const std::string name = entry.filename().string();
    return name == kModel || number_in(name, kSetPrefix, "");
  });
}

void collect(const fs::path& folder, const fs::path& name, int depth, std::vector<ModelCase>& cases) {
  const std::vector<fs::path> entries = sorted_entries(folder);
  if (is_case(entries)) {
    cases.push_back({folder, name.string(), "", {}});
  } else if (depth < kDeepest) {
    for (const fs::path& entry : entries) {
      if (fs::is_directory(entry)) collect(entry, name / entry.filename(), depth + 1, cases);
    }
  }
}

// A case that is named itself is called by its folder, one below a named folder by its path from there.
std::vector<ModelCase> cases_in(const fs::path& folder) {
  if (!fs::is_directory(folder))
    fail(ErrorCode::kNotFound, folder.string(), "is {}; a folder with cases is expected",
         is_there(folder) ? "no folder" : "not there");
  const fs::path whole = fs::absolute(folder).lexically_normal();
  const fs::path last = whole.has_filename() ? whole.filename() : whole.parent_path().filename();
  std::vector<ModelCase> cases;
  collect(folder, "", 0, cases);
  for (ModelCase& each : cases) {
    if (each.name.empty()) each.name = last.string();
  }
  if (cases.empty())
    fail(ErrorCode::kNotFound, folder.string(), "holds no case, which is a folder with {}", kModel);
  return cases;
}

std::vector<fs::path> numbered_files(const fs::path& folder, std::string_view prefix) {
  std::map<int, fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (const auto number = number_in(entry.path().filename().string(), prefix, ".pb"))
      files[*number] = entry.path();
  }
  std::vector<fs::path> list;
  for (const auto& [number, file] : files) {
    if (static_cast<size_t>(number) != list.size())
      fail(ErrorCode::kNotFound, folder.string(), "has {} but no {}{}.pb", file.filename().string(), prefix,
           list.size());
    list.push_back(file);
  }
  return list;
}

}  // namespace

std::vector<ModelCase> find_model_cases(const ModelCaseOptions& options) {
  std::optional<Manifest> given;
  if (!options.manifest.empty()) given.emplace(options.manifest);
  Manifests manifests;
  std::vector<ModelCase> cases;
  std::set<std::string> seen;
  for (const fs::path& folder : options.folders) {
    for (ModelCase& each : cases_in(folder)) {
      const fs::path whole = fs::weakly_canonical(each.folder);
      if (!seen.insert(whole.string()).second) continue;
      each.tolerance = options.tolerance;
      const Manifest* manifest = given ? &*given : manifests.above(whole);
      if (manifest != nullptr) manifest->describe(whole, each);
      cases.push_back(std::move(each));
    }
  }
  return cases;
}

std::vector<ModelDataSet> data_sets_of(const ModelCase& model_case) {
  std::map<int, fs::path> folders;
  for (const auto& entry : fs::directory_iterator(model_case.folder)) {
    if (const auto number = number_in(entry.path().filename().string(), kSetPrefix, ""))
      folders[*number] = entry.path();
  }
  if (folders.empty())
    fail(ErrorCode::kNotFound, model_case.folder.string(), "has no folder {}0 with inputs and outputs",
         kSetPrefix);
  std::vector<ModelDataSet> sets;
  for (const auto& [number, folder] : folders) {
    sets.push_back(
        {folder.filename().string(), numbered_files(folder, "input_"), numbered_files(folder, "output_")});
    if (sets.back().outputs.empty())
      fail(ErrorCode::kNotFound, folder.string(), "has no output_0.pb to compare with");
  }
  return sets;
}

}  // namespace oag::cli
