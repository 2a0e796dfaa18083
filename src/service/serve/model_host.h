#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
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

  // Loads the models that a server is for, which stay until they are unloaded by name. They share the budget:
  // each gets what it needs at least, and caches share the rest. Errors: those of ServedModel; RequestError
  // 409 for a name that is taken; kOutOfMemory where the budget does not hold them all, and none is loaded.
  void load_all(const std::vector<ModelSpec>& specs);

  // Loads one more, which takes half of what the budget leaves for its cache. Where it does not fit, models
  // that were loaded this way before and have no work go, those that were used least recently first, but not
  // before all is known to fit and the files are known to be good; should it fail all the same they are
  // loaded again. Errors: those of ServedModel; RequestError 409 for a name that is taken, 507 where the
  // budget is too small.
  std::shared_ptr<ServedModel> load(ModelSpec spec);

  // Errors: RequestError 404 for an unknown name, 409 while it is at work.
  void unload(std::string_view name);

  // The model of a request; "" means the only one. As long as the pointer lives the model has work: it is not
  // unloaded, and the last to let go of it is never whoever got it here. Errors: RequestError 404.
  std::shared_ptr<ServedModel> find(std::string_view name);

  std::vector<std::shared_ptr<ServedModel>> models() const;

 private:
  struct Entry {
    std::shared_ptr<ServedModel> model;
    ModelSpec spec;
    bool stays = false;  // until it is unloaded by name
    TimePoint last_used;
    std::shared_ptr<std::atomic<int64_t>> uses = std::make_shared<std::atomic<int64_t>>(0);

    bool has_work() const { return *uses > 0 || model->admitted() > 0; }
  };
  using Plan = ServedModel::Plan;
  Plan plan(ModelSpec spec) const;
  std::shared_ptr<ServedModel> load_planned(Plan plan, bool stays, uint64_t memory_limit);
  uint64_t free_bytes() const;
  std::vector<Entry> take_for(const Plan& plan);
  bool forget_idle(std::string_view name, bool patient);

  std::shared_ptr<Runtime> runtime_;
  Resolve resolve_;
  ModelSettings settings_;
  uint64_t memory_budget_;
  std::mutex loading_;  // one load at a time
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace oag
