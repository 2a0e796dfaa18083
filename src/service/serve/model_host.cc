#include "service/serve/model_host.h"

#include <algorithm>
#include <cctype>

#include "base/log.h"
#include "llm/bundle/bundle.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

bool may_stand_in_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("._:@+-/").find(c) != std::string_view::npos;
}

// Names stand in addresses, where clients shorten paths such as a/../b.
bool is_model_name(std::string_view name) {
  constexpr size_t kMostBytes = 128;
  if (name.empty() || name.size() > kMostBytes || !std::ranges::all_of(name, may_stand_in_name)) return false;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

// A file's or folder's own name, without what only machines read.
std::string default_name(const std::string& source) {
  std::string name = std::filesystem::path(source).filename().string();
  if (name.empty()) name = std::filesystem::path(source).parent_path().filename().string();
  if (source.starts_with("hf:")) name = source.substr(3);
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  for (char& c : name) {
    if (!may_stand_in_name(c)) c = '-';
  }
  return is_model_name(name) ? name : "model";
}

}  // namespace

ModelHost::ModelHost(std::shared_ptr<Runtime> runtime, Resolve resolve, const ModelSettings& settings,
                     uint64_t memory_budget)
    : runtime_(std::move(runtime)),
      resolve_(std::move(resolve)),
      settings_(settings),
      memory_budget_(memory_budget) {}

std::shared_ptr<ServedModel> ModelHost::load(ModelSpec spec) {
  if (spec.name.empty()) spec.name = default_name(spec.source);
  if (!is_model_name(spec.name)) {
    reject("invalid_value", "name",
           "of a model has to be of letters, digits and . _ : @ + - with single slashes between them, up to "
           "128 bytes");
  }
  std::lock_guard one_at_a_time(loading_);
  {
    std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
      if (entry.model->name() == spec.name)
        throw RequestError(
            409, "model_exists", "name",
            fmt::format("\"{}\" is loaded already; choose another name or unload it", spec.name));
    }
  }
  const std::filesystem::path path = resolve_(spec.source);
  ModelSettings settings = settings_;
  if (memory_budget_ > 0) {
    make_room(describe_model(path).file_bytes);
    settings.memory_limit = memory_budget_ - used_bytes();
  }
  auto model = ServedModel::load(runtime_, path, spec, settings);
  std::lock_guard lock(mutex_);
  entries_.push_back({model, Clock::now()});
  return model;
}

uint64_t ModelHost::used_bytes_locked() const {
  uint64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.model->memory_bytes();
  return sum;
}

uint64_t ModelHost::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_bytes_locked();
}

void ModelHost::make_room(uint64_t bytes) {
  std::vector<std::shared_ptr<ServedModel>> dropped;  // let go outside the lock
  std::lock_guard lock(mutex_);
  uint64_t busy = 0;
  for (const Entry& entry : entries_) busy += entry.model->admitted() > 0 ? entry.model->memory_bytes() : 0;
  if (busy + bytes > memory_budget_) {
    throw RequestError(
        507, "out_of_memory_budget", "model",
        fmt::format(
            "needs about {} MB, and models at work take {} of {} MB; unload one or raise --memory-budget",
            bytes / 1'000'000, busy / 1'000'000, memory_budget_ / 1'000'000));
  }
  while (used_bytes_locked() + bytes > memory_budget_) {
    auto idle = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->model->admitted() == 0 && (idle == entries_.end() || entry->last_used < idle->last_used))
        idle = entry;
    }
    if (idle == entries_.end()) break;  // one has found work since
    log(LogLevel::kWarning, "model \"{}\" is unloaded to make room", idle->model->name());
    dropped.push_back(std::move(idle->model));
    entries_.erase(idle);
  }
}

void ModelHost::unload(std::string_view name) {
  std::shared_ptr<ServedModel> dropped;
  std::lock_guard lock(mutex_);
  const auto entry =
      std::ranges::find_if(entries_, [&](const Entry& one) { return one.model->name() == name; });
  if (entry == entries_.end())
    throw RequestError(404, "model_not_found", "model", fmt::format("there is no model \"{}\"", name));
  if (const int64_t answers = entry->model->admitted(); answers > 0) {
    throw RequestError(
        409, "model_busy", "model",
        fmt::format("\"{}\" is at work on {} answers; try again when they have ended", name, answers));
  }
  dropped = std::move(entry->model);
  entries_.erase(entry);
}

std::shared_ptr<ServedModel> ModelHost::find(std::string_view name) {
  std::lock_guard lock(mutex_);
  const auto entry =
      name.empty() && entries_.size() == 1
          ? entries_.begin()
          : std::ranges::find_if(entries_, [&](const Entry& one) { return one.model->name() == name; });
  if (entry == entries_.end()) {
    if (name.empty())
      throw RequestError(400, "missing_required_parameter", "model",
                         "is missing, and there is not just one model; /v1/models lists them");
    const std::string shown =
        Json(std::string(name.substr(0, 128))).dump(-1, ' ', false, Json::error_handler_t::replace);
    throw RequestError(404, "model_not_found", "model",
                       fmt::format("there is no model {}; /v1/models lists those that are", shown));
  }
  entry->last_used = Clock::now();
  return entry->model;
}

std::vector<std::shared_ptr<ServedModel>> ModelHost::models() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ServedModel>> models;
  for (const Entry& entry : entries_) models.push_back(entry.model);
  return models;
}

}  // namespace oag
