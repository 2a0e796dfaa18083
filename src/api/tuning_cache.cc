#include "api/tuning_cache.h"

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{1} << 20;
constexpr size_t kMostChoices = 1000;
constexpr const char* kSchema = "oag.autotune/1";

bool is_choice(const Json& each) {
  const auto is_text = [&](const char* key) { return each.contains(key) && each[key].is_string(); };
  return each.is_object() && is_text("machine") && is_text("model") && is_text("variant") &&
         each.contains("threads") && each["threads"].is_number_integer();
}

Json empty_document() {
  return {{"schema", kSchema}, {"choices", Json::array()}};
}

enum class Told { kYes, kNo };

Json read_document(const fs::path& path, Told told) {
  std::error_code missing;
  if (!fs::exists(path, missing)) return empty_document();
  try {
    Json document = parse_json(read_file(path, kMostBytes), path.string());
    if (!document.is_object() || document.value("schema", Json()) != Json(kSchema) ||
        !document.contains("choices") || !document["choices"].is_array()) {
      fail(ErrorCode::kCorruptData, path.string(), "is no {} document", kSchema);
    }
    for (const Json& each : document["choices"]) {
      if (!is_choice(each)) fail(ErrorCode::kCorruptData, path.string(), "has a choice that is none");
    }
    return document;
  } catch (const Error& error) {
    if (told == Told::kYes) log(LogLevel::kWarning, "{}; its choices are measured again", error.what());
    return empty_document();
  }
}

bool is_of(const Json& each, const std::string& machine, const std::string& model) {
  return each["machine"] == machine && each["model"] == model;
}

}  // namespace

std::optional<TuningCandidate> TuningCache::find(const std::string& machine, const std::string& model) const {
  if (path_.empty()) return {};
  const Json document = read_document(path_, Told::kYes);
  for (const Json& each : document["choices"]) {
    if (!is_of(each, machine, model)) continue;
    const auto threads = each["threads"].get<int64_t>();
    if (threads >= 1 && threads <= 4096)
      return TuningCandidate{each["variant"].get<std::string>(), static_cast<int>(threads)};
  }
  return {};
}

void TuningCache::store(const std::string& machine, const std::string& model,
                        const TuningCandidate& choice) const {
  if (path_.empty()) {
    log(LogLevel::kWarning, "autotune: neither XDG_CACHE_HOME nor HOME is set; the choice is not kept");
    return;
  }
  Json document = read_document(path_, Told::kNo);  // find() has
  Json kept = Json::array();
  const Json& before = document["choices"];
  const size_t first = before.size() < kMostChoices ? 0 : before.size() - kMostChoices + 1;
  for (size_t i = first; i < before.size(); ++i) {
    if (!is_of(before[i], machine, model)) kept.push_back(before[i]);
  }
  kept.push_back(
      {{"machine", machine}, {"model", model}, {"variant", choice.variant}, {"threads", choice.threads}});
  document["choices"] = std::move(kept);
  try {
    std::error_code exists;  // what is wrong with the folder is said by the file
    fs::create_directories(path_.parent_path(), exists);
    AtomicFile file(path_);
    file.write(document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
    file.commit();
  } catch (const Error& error) {
    log(LogLevel::kWarning, "{}; the choice of autotune is not kept", error.what());
  }
}

fs::path tuning_cache_path() {
  const auto value = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  // The base directory specification says to pass over relative paths.
  if (const std::string cache = value("XDG_CACHE_HOME"); cache.starts_with('/'))
    return fs::path(cache) / "openautoglm" / "autotune.json";
  if (const std::string home = value("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "openautoglm" / "autotune.json";
  return {};
}

}  // namespace oag
