#include "service/serve/model_host.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
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

[[noreturn]] void fail_taken(const std::string& name) {
  throw RequestError(
      409, "model_exists", "name",
      fmt::format("\"{}\" is taken; choose another (--name) or unload the one that has it", name));
}

// Rounded up, so that what is one byte too much does not look as if it fitted.
uint64_t megabytes(uint64_t bytes) {
  return (bytes + 999'999) / 1'000'000;
}

}  // namespace

ModelHost::ModelHost(std::shared_ptr<Runtime> runtime, Resolve resolve, const ModelSettings& settings,
                     uint64_t memory_budget)
    : runtime_(std::move(runtime)),
      resolve_(std::move(resolve)),
      settings_(settings),
      memory_budget_(memory_budget) {}

ModelHost::Plan ModelHost::plan(ModelSpec spec) const {
  if (spec.name.empty()) spec.name = default_name(spec.source);
  if (!is_model_name(spec.name)) {
    reject("invalid_value", "name",
           "of a model has to be of letters, digits and . _ : @ + - with single slashes between them, up to "
           "128 bytes");
  }
  {
    std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
      if (entry.model->name() == spec.name) fail_taken(spec.name);
    }
  }
  return ServedModel::plan(runtime_, resolve_(spec.source), spec, settings_);
}

std::shared_ptr<ServedModel> ModelHost::load_planned(Plan plan, bool stays, uint64_t memory_limit) {
  Entry entry{nullptr, plan.spec, stays, Clock::now()};
  entry.model = ServedModel::load(runtime_, std::move(plan), memory_limit);
  log(LogLevel::kInfo, "model \"{}\" is loaded in {:.1f} s: {}", entry.model->name(),
      elapsed_ms(entry.last_used) / 1e3, entry.model->summary());
  std::lock_guard lock(mutex_);
  entries_.push_back(entry);
  return entry.model;
}

void ModelHost::load_all(const std::vector<ModelSpec>& specs) {
  std::lock_guard one_at_a_time(loading_);
  std::vector<Plan> plans;
  uint64_t needed = 0;
  for (const ModelSpec& spec : specs) {
    plans.push_back(plan(spec));
    needed += plans.back().least_bytes;
    for (size_t i = 0; i + 1 < plans.size(); ++i) {
      if (plans[i].spec.name == plans.back().spec.name) fail_taken(plans[i].spec.name);
    }
  }
  if (memory_budget_ > 0 && needed > free_bytes()) {
    fail(ErrorCode::kOutOfMemory, "--memory-budget",
         "the models need at least {} MB together, the budget is {} MB; raise it, leave one out, or ask for "
         "a smaller --ctx",
         megabytes(needed), megabytes(memory_budget_));
  }
  for (size_t i = 0; i < plans.size(); ++i) {
    const uint64_t least = plans[i].least_bytes;
    const uint64_t rest = free_bytes() > needed ? free_bytes() - needed : 0;
    load_planned(std::move(plans[i]), true, memory_budget_ > 0 ? least + rest / (plans.size() - i) : 0);
    needed -= least;
  }
}

std::shared_ptr<ServedModel> ModelHost::load(ModelSpec spec) {
  std::lock_guard one_at_a_time(loading_);
  Plan planned = plan(std::move(spec));
  if (memory_budget_ == 0) return load_planned(std::move(planned), false, 0);
  std::vector<ModelSpec> dropped;
  for (Entry& entry : take_for(planned)) dropped.push_back(entry.spec);
  const uint64_t least = planned.least_bytes;
  const uint64_t rest = free_bytes() > least ? free_bytes() - least : 0;
  try {
    return load_planned(std::move(planned), false, least + rest / 2);
  } catch (...) {
    for (const ModelSpec& one : dropped) {
      try {
        load_planned(plan(one), false, free_bytes());
      } catch (const Error& error) {
        log(LogLevel::kError, "model \"{}\" cannot be loaded again: {}", one.name, error.what());
      }
    }
    throw;
  }
}

uint64_t ModelHost::free_bytes() const {
  std::lock_guard lock(mutex_);
  uint64_t used = 0;
  for (const Entry& entry : entries_) used += entry.model->memory_bytes();
  return memory_budget_ > used ? memory_budget_ - used : 0;
}

// Takes models off the list until `plan` fits, or none.
std::vector<ModelHost::Entry> ModelHost::take_for(const Plan& plan) {
  const uint64_t available = free_bytes();
  std::lock_guard lock(mutex_);
  std::vector<Entry> idle;
  uint64_t idle_bytes = 0;
  for (const Entry& entry : entries_) {
    if (entry.stays || entry.has_work()) continue;
    idle.push_back(entry);
    idle_bytes += entry.model->memory_bytes();
  }
  if (available + idle_bytes < plan.least_bytes) {
    throw RequestError(
        507, "out_of_memory_budget", "model",
        fmt::format("needs at least {} MB, and models that are at work or stay leave {} of {} MB; unload one "
                    "or raise --memory-budget",
                    megabytes(plan.least_bytes), megabytes(available + idle_bytes),
                    megabytes(memory_budget_)));
  }
  std::ranges::sort(idle, {}, &Entry::last_used);
  std::vector<Entry> taken;
  for (uint64_t room = available; room < plan.least_bytes; room += taken.back().model->memory_bytes()) {
    taken.push_back(idle[taken.size()]);
    log(LogLevel::kWarning, "model \"{}\" is unloaded to make room", taken.back().model->name());
    std::erase_if(entries_, [&](const Entry& entry) { return entry.model == taken.back().model; });
  }
  return taken;
}

// Takes a model without work off the list; false where it has some. Its last answer lets go of it a moment
// after the client has the last byte, which `patient` says to wait for.
bool ModelHost::forget_idle(std::string_view name, bool patient) {
  std::shared_ptr<ServedModel> dropped;  // let go outside the lock
  std::lock_guard lock(mutex_);
  const auto entry = std::ranges::find_if(entries_, [&](const Entry& one) { return one.spec.name == name; });
  if (entry == entries_.end())
    throw RequestError(404, "model_not_found", "model", fmt::format("there is no model \"{}\"", name));
  if (entry->has_work()) {
    const int64_t answers = entry->model->admitted();
    if (patient && answers == 0) return false;
    throw RequestError(409, "model_busy", "model",
                       fmt::format("\"{}\" is at work on {} answers; try again when they have ended", name,
                                   std::max(answers, entry->uses->load())));
  }
  dropped = std::move(entry->model);
  entries_.erase(entry);
  log(LogLevel::kInfo, "model \"{}\" is unloaded", name);
  return true;
}

void ModelHost::unload(std::string_view name) {
  constexpr auto kPatience = std::chrono::seconds(1);
  constexpr auto kLook = std::chrono::milliseconds(5);
  const TimePoint deadline = Clock::now() + kPatience;
  while (!forget_idle(name, Clock::now() < deadline)) std::this_thread::sleep_for(kLook);
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
  ++*entry->uses;
  // Let go before it is counted: while it is, the list holds the model too.
  const auto let_go = [held = entry->model, uses = entry->uses](ServedModel*) mutable {
    held.reset();
    --*uses;
  };
  return {entry->model.get(), let_go};
}

std::vector<std::shared_ptr<ServedModel>> ModelHost::models() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ServedModel>> models;
  for (const Entry& entry : entries_) models.push_back(entry.model);
  return models;
}

}  // namespace oag
