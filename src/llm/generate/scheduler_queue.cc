// The requests that wait: who is taken in, who is admitted, who gives way.
#include <algorithm>
#include <new>
#include <system_error>

#include "base/error.h"
#include "base/log.h"
#include "llm/generate/generation_shared.h"
#include "llm/generate/scheduler.h"

namespace oag {
namespace {

// Keeps a list in order of priority, then arrival. With room for one more, nothing fails.
template <typename SharedPtr>
void insert_in_order(std::vector<SharedPtr>& list, const SharedPtr& added) {
  const auto after = std::find_if(list.begin(), list.end(), [&](const auto& other) {
    return other->request.priority < added->request.priority ||
           (other->request.priority == added->request.priority && other->arrival > added->arrival);
  });
  list.insert(after, added);
}

}  // namespace

void Scheduler::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto* list : {&waiting_, &active_}) {
      for (const SharedPtr& generation : *list) Generation(generation).cancel();
    }
  }
  changed_.notify_all();
  queue_watch_->ring();
}

int64_t Scheduler::free_pages() const {
  std::lock_guard lock(mutex_);
  return pages_.available();
}

LanguageModelStats Scheduler::stats() const {
  std::lock_guard lock(mutex_);
  LanguageModelStats stats = counts_;
  stats.waiting = static_cast<int64_t>(waiting_.size());
  stats.running = static_cast<int64_t>(active_.size()) + ending_;
  stats.pages_total = pages_.total();
  stats.pages_free = pages_.free();
  stats.pages_cached = pages_.unused();
  stats.generated_tokens = generated_tokens_.load();
  if (waiting_.empty() && active_.empty()) stats.pending_since.reset();
  return stats;
}

Generation Scheduler::submit(GenerationRequest request) {
  const int64_t context = runner_.options().context_tokens;
  const auto prompt_size = static_cast<int64_t>(request.prompt.size());
  if (prompt_size == 0)
    fail(ErrorCode::kInvalidArgument, "prompt", "has no tokens; there is nothing to continue");
  if (prompt_size >= context) {
    fail(ErrorCode::kInvalidArgument, "prompt",
         "has {} tokens, the context holds {} with at least one for the answer; shorten it or raise --ctx",
         prompt_size, context);
  }
  for (const TokenId id : request.prompt) {
    if (id < 0 || id >= runner_.vocab_size())
      fail(ErrorCode::kInvalidArgument, "prompt", "token id {} is outside [0, {})", id, runner_.vocab_size());
  }
  runner_.check_images(request.images);
  if (request.max_tokens < -1) {
    fail(ErrorCode::kInvalidArgument, "max_tokens", "must be at least 0, or -1 for no limit, not {}",
         request.max_tokens);
  }
  if (request.lookup_tokens < 0 || request.lookup_tokens > PromptLookup::kMost) {
    fail(ErrorCode::kInvalidArgument, "lookup", "must be in [0, {}], not {}", PromptLookup::kMost,
         request.lookup_tokens);
  }
  TokenChooser::validate(request,
                         std::min(runner_.vocab_size(), static_cast<int64_t>(tokenizer_->size_tokens())));
  if (request.leader && request.leader->shared_->queue_watch != queue_watch_)
    fail(ErrorCode::kInvalidArgument, "leader", "is an answer of another model");
  const int64_t room = context - prompt_size;
  request.max_tokens = request.max_tokens < 0 ? room : std::min(request.max_tokens, room);
  if (runner_.pages_for(prompt_size + request.max_tokens) > pages_.total()) {
    fail(ErrorCode::kInvalidArgument, "prompt",
         "{} tokens and {} of answer need {} cache pages, there are {}", prompt_size, request.max_tokens,
         runner_.pages_for(prompt_size + request.max_tokens), pages_.total());
  }
  const bool has_deadline = request.deadline.has_value();
  auto shared = std::make_shared<Generation::Shared>(std::move(request), tokenizer_);
  shared->queue_watch = queue_watch_;
  shared->tokens = shared->request.prompt;
  shared->result.prompt_tokens = prompt_size;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) fail(ErrorCode::kCancelled, "model", "is being taken down and takes no more requests");
    if (static_cast<int64_t>(waiting_.size()) >= options_.max_waiting) {
      fail(ErrorCode::kBusy, "queue", "{} requests wait already; try again later", waiting_.size());
    }
    const bool idle = waiting_.empty() && active_.empty();
    if (idle) counts_.pending_since = Clock::now();
    if (!idle || has_deadline) make_watch();
    shared->arrival = next_arrival_++;
    ++counts_.submitted;
    insert_in_order(waiting_, shared);
  }
  if (has_deadline) queue_watch_->ring();
  changed_.notify_all();
  return Generation(std::move(shared));
}

void Scheduler::drop_stopped() {
  std::vector<SharedPtr> dropped;
  {
    std::lock_guard lock(mutex_);
    dropped.reserve(waiting_.size() + active_.size());
    // Asked once for each: a cancel may come at any moment.
    const auto take_stopped = [&](const SharedPtr& generation) {
      if (!generation->cancel_asked.load() && !generation->expired()) return false;
      dropped.push_back(generation);
      return true;
    };
    for (auto* list : {&waiting_, &active_}) std::erase_if(*list, take_stopped);
    ending_ += static_cast<int64_t>(dropped.size());
  }
  for (const SharedPtr& generation : dropped) finish_stopped(*generation);
}

void Scheduler::finish_stopped(Generation::Shared& generation) noexcept {
  if (generation.cancel_asked.load()) {
    finish(generation, FinishReason::kCancelled);
  } else {
    finish(generation, FinishReason::kError, "passed its deadline", ErrorCode::kDeadlineExceeded);
  }
}

// Whether there is a place for a request beside those at work.
bool Scheduler::fits(const Generation::Shared& next) const {
  if (active_.empty()) return true;
  const auto running = static_cast<int64_t>(active_.size());
  if (running >= options_.max_sequences) return false;
  int64_t promised = running;  // one for each to grow, and what their prompts need
  for (const SharedPtr& other : active_) {
    const auto held = static_cast<int64_t>(other->pages.pages.size());
    promised += std::max<int64_t>(0, pages_.pages_for(static_cast<int64_t>(other->tokens.size())) - held);
  }
  const KvPages::Match match = pages_.match(next.content());
  const int64_t needed = pages_.pages_for(static_cast<int64_t>(next.tokens.size())) - match.pages;
  return needed + match.unused + promised <= pages_.available();
}

// Whether there surely is one once all of lower priority have given way.
bool Scheduler::fits_without_lower(const Generation::Shared& next) const {
  if (active_.back()->request.priority >= next.request.priority) return false;
  int64_t others = 0, pages = pages_.pages_for(static_cast<int64_t>(next.tokens.size()));
  for (const SharedPtr& other : active_) {
    if (other->request.priority < next.request.priority) break;
    ++others;
    const auto held = static_cast<int64_t>(other->pages.pages.size());
    pages += 1 + std::max(held, pages_.pages_for(static_cast<int64_t>(other->tokens.size())));
  }
  return others < options_.max_sequences && pages <= pages_.total();
}

// Whether the answer that it follows has still to read the prompt. The leader came first, so it does not wait
// for ever.
bool Scheduler::waits_for_leader(Generation::Shared& generation) {
  std::optional<Generation>& leader = generation.request.leader;
  if (!leader) return false;
  if (leader->shared_->first_token == TimePoint{} && !leader->done()) return true;
  leader.reset();
  return false;
}

void Scheduler::admit() {
  std::lock_guard lock(mutex_);
  for (;;) {
    const auto first = std::find_if(waiting_.begin(), waiting_.end(), [](const SharedPtr& generation) {
      return !waits_for_leader(*generation);
    });
    if (first == waiting_.end()) return;
    const SharedPtr next = *first;
    if (!fits(*next)) {
      if (active_.empty() || !fits_without_lower(*next)) return;
      preempt_last();
      continue;
    }
    active_.reserve(active_.size() + 1);  // nothing fails once it holds pages
    if (next->started == TimePoint{}) {
      next->started = Clock::now();
      counts_.prompt_tokens += next->prompt_size();
      counts_.prefix_queries += options_.prefix_cache ? next->prompt_size() : 0;
    }
    adopt(*next);
    insert_in_order(active_, next);
    waiting_.erase(first);
  }
}

// Takes over what others have computed of the tokens that are still to be read.
void Scheduler::adopt(Generation::Shared& generation) {
  const int64_t found = pages_.adopt(generation.pages, generation.content()) - generation.cached;
  if (found <= 0) return;
  generation.cached += found;
  if (generation.was_preempted) return;
  generation.result.cached_tokens += found;
  counts_.prefix_hits += found;
}

void Scheduler::adopt_known_pages() {
  if (!options_.prefix_cache) return;
  std::lock_guard lock(mutex_);
  for (const SharedPtr& generation : active_) {
    if (!generation->decodes()) adopt(*generation);
  }
}

// Lets others have what a step has brought into the cache.
void Scheduler::publish(Generation::Shared& generation) noexcept {
  if (!pages_.has_unpublished(generation.pages, generation.cached)) return;
  std::lock_guard lock(mutex_);
  try {
    pages_.publish(generation.pages, generation.content(), generation.cached);
  } catch (const std::bad_alloc&) {  // others compute it themselves
  }
}

// The youngest of the lowest priority at work gives its pages back and waits again.
void Scheduler::preempt_last() {
  const SharedPtr last = active_.back();
  waiting_.reserve(waiting_.size() + 1);
  pages_.release(last->pages);
  last->cached = 0;
  last->was_preempted = true;
  ++counts_.preemptions;
  active_.pop_back();
  insert_in_order(waiting_, last);
}

// Takes the pages of a step in which each of `active_` has `counts` tokens. Where there are not enough, those
// at the end give way. The first one alone fits: submit() saw to it.
void Scheduler::take_pages(std::vector<int64_t>& counts) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < active_.size(); ++i) {
    const SharedPtr generation = active_[i];
    if (counts[i] == 0) continue;
    while (i < active_.size() && !pages_.grow(generation->pages, generation->cached + counts[i]))
      preempt_last();
  }
  counts.resize(active_.size());
}

// The watch is made when a request may wait while a step runs. Without it they end when the step does.
void Scheduler::make_watch() {
  if (watch_.joinable() || watch_failed_) return;
  try {
    watch_ = std::thread([self = shared_from_this()] { self->watch_queue(); });
    watch_id_ = watch_.get_id();
  } catch (const std::system_error& error) {
    watch_failed_ = true;
    log(LogLevel::kWarning,
        "the system gives no thread that watches the queue ({}): requests that are cancelled or pass "
        "their deadline while they wait end a step later",
        error.what());
  }
}

bool Scheduler::is_watch_thread() const {
  std::lock_guard lock(mutex_);
  return watch_id_ == std::this_thread::get_id();
}

// Ends requests that were cancelled or pass their deadline before they are admitted. Those that have been at
// work are the scheduler's: their callbacks run on its thread alone.
void Scheduler::watch_queue() {
  for (;;) {
    SharedPtr stopped;
    std::optional<TimePoint> next;
    {
      std::lock_guard lock(mutex_);
      const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const SharedPtr& generation) {
        if (generation->started != TimePoint{}) return false;
        const auto& deadline = generation->request.deadline;
        if (deadline) next = std::min(next.value_or(*deadline), *deadline);
        return generation->cancel_asked.load() || generation->expired();
      });
      if (found != waiting_.end()) {
        stopped = *found;
        waiting_.erase(found);
        ++ending_;
      } else if (stopping_) {
        return;
      }
    }
    if (stopped) {
      finish_stopped(*stopped);
    } else {
      queue_watch_->wait(next);
    }
  }
}

}  // namespace oag
