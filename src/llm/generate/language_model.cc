#include "llm/generate/language_model.h"

#include <system_error>
#include <utility>

#include "base/error.h"
#include "llm/generate/scheduler.h"

namespace oag {

LanguageModel::LanguageModel(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                             const LanguageModelOptions& options)
    : scheduler_(std::make_shared<Scheduler>(runtime, bundle, options)) {
  try {
    thread_ = std::thread([scheduler = scheduler_] { scheduler->run(); });
  } catch (const std::system_error& error) {
    fail(ErrorCode::kOutOfMemory, bundle.path.string(),
         "the system gives no thread to run it ({}); raise the limit on threads or memory (ulimit)",
         error.what());
  }
}

LanguageModel::~LanguageModel() {
  scheduler_->stop();
  if (thread_.get_id() == std::this_thread::get_id() || scheduler_->is_watch_thread()) {
    thread_.detach();  // it ends by itself once the callback that dropped this model is done
  } else {
    thread_.join();
  }
}

Generation LanguageModel::submit(GenerationRequest request) {
  return scheduler_->submit(std::move(request));
}

const ModelRunner& LanguageModel::runner() const {
  return scheduler_->runner();
}

const std::shared_ptr<const Tokenizer>& LanguageModel::tokenizer() const {
  return scheduler_->tokenizer();
}

LanguageModelStats LanguageModel::stats() const {
  return scheduler_->stats();
}

int64_t LanguageModel::free_pages() const {
  return scheduler_->free_pages();
}

}  // namespace oag
