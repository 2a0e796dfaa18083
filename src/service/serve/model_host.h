#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "service/serve/serve_options.h"
#include "service/serve/served_model.h"

namespace oag {

// The models of one server, by name. Thread safe: requests find models while others are loaded and unloaded.
// A model that is at work stays until its last answer has ended.
class ModelHost {
 public:
  // `resolve` finds the file or folder behind a name. `memory_budget` 0: what the machine has free.
  using Resolve = std::function<std::filesystem::path(const std::string& source)>;
  ModelHost(std::shared_ptr<Runtime> runtime, Resolve resolve, const ModelSettings& settings,
            uint64_t memory_budget);

  // Loads a model. Where the budget does not hold it beside the others, models without work go first, those
  // that were used least recently; one that is at work never does. Errors: those of ServedModel::load;
  // RequestError 409 for a name that is taken, 507 where the budget is too small.
  std::shared_ptr<ServedModel> load(ModelSpec spec);

  // Errors: RequestError 404 for an unknown name, 409 while it is at work.
  void unload(std::string_view name);

  // The model of a request; "" means the only one. Errors: RequestError 404.
  std::shared_ptr<ServedModel> find(std::string_view name);

  std::vector<std::shared_ptr<ServedModel>> models() const;
  const std::shared_ptr<Runtime>& runtime() const { return runtime_; }

 private:
  struct Entry {
    std::shared_ptr<ServedModel> model;
    TimePoint last_used;
  };
  uint64_t used_bytes() const;
  uint64_t used_bytes_locked() const;
  void make_room(uint64_t bytes);

  std::shared_ptr<Runtime> runtime_;
  Resolve resolve_;
  ModelSettings settings_;
  uint64_t memory_budget_;
  std::mutex loading_;  // one load at a time
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace oag
