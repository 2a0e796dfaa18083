#include "llm/generate/scheduler.h"

#include <algorithm>
#include <new>

#include "base/error.h"
#include "llm/generate/generation_shared.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

LanguageModelOptions complete(LanguageModelOptions options) {
  options.max_sequences = std::max<int64_t>(1, options.max_sequences);
  options.step_tokens = std::max(options.step_tokens, options.max_sequences);
  options.shared_step_tokens =
      std::clamp(options.shared_step_tokens, options.max_sequences, options.step_tokens);
  options.runner.step_tokens = options.step_tokens;
  options.runner.logits_rows = std::max(options.max_sequences, 1 + PromptLookup::kMost);
  return options;
}

// Keeps a list in order of priority, then arrival.
template <typename SharedPtr>
void insert_by_priority(std::vector<SharedPtr>& list, SharedPtr added) {
  const auto after = std::find_if(list.begin(), list.end(), [&](const auto& other) {
    return other->request.priority < added->request.priority;
  });
  list.insert(after, std::move(added));
}

}  // namespace

Scheduler::Scheduler(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                     const LanguageModelOptions& options)
    : tokenizer_(bundle.tokenizer),
      options_(complete(options)),
      runner_(runtime, bundle, options_.runner),
      pages_(runner_.pages()) {}

void Scheduler::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto* list : {&waiting_, &active_}) {
      for (const SharedPtr& generation : *list) Generation(generation).cancel();
    }
  }
  changed_.notify_all();
}

int64_t Scheduler::free_pages() const {
  std::lock_guard lock(mutex_);
  return pages_.free_pages();
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
  request.sampling.validate();
  const int64_t room = context - prompt_size;
  request.max_tokens = request.max_tokens < 0 ? room : std::min(request.max_tokens, room);
  if (runner_.pages_for(prompt_size + request.max_tokens) > pages_.total_pages()) {
    fail(ErrorCode::kInvalidArgument, "prompt",
         "{} tokens and {} of answer need {} cache pages, there are {}", prompt_size, request.max_tokens,
         runner_.pages_for(prompt_size + request.max_tokens), pages_.total_pages());
  }
  auto shared = std::make_shared<Generation::Shared>(std::move(request), tokenizer_);
  shared->tokens = shared->request.prompt;
  shared->result.prompt_tokens = prompt_size;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) fail(ErrorCode::kCancelled, "model", "is being taken down and takes no more requests");
    if (static_cast<int64_t>(waiting_.size()) >= options_.max_waiting) {
      fail(ErrorCode::kBusy, "queue", "{} requests wait already; try again later", waiting_.size());
    }
    insert_by_priority(waiting_, shared);
  }
  changed_.notify_all();
  return Generation(std::move(shared));
}

// Hands a token out. A callback that wants no more or throws ends its own answer and nobody else's.
void Scheduler::emit(Generation::Shared& generation, const TokenEvent& event) {
  if (!generation.request.on_token) return;
  try {
    if (generation.request.on_token(event)) return;
    generation.callback_stopped = true;
  } catch (const std::exception& error) {
    generation.callback_error = std::string("the token callback threw: ") + error.what();
  } catch (...) {
    generation.callback_error = "the token callback threw";
  }
  generation.request.on_token = nullptr;
  generation.cancel_asked.store(true);
}

// Nothing stops it: an answer that is taken off the lists ends.
void Scheduler::finish(Generation::Shared& generation, FinishReason reason, std::string error) noexcept {
  try {
    // What was held back for a stop string that did not come belongs to the answer.
    const std::string tail = generation.text.matched() ? "" : generation.text.flush();
    generation.result.text += tail;
    if (!tail.empty() && !generation.result.token_ids.empty())
      emit(generation, {generation.result.token_ids.back(), tail});
  } catch (...) {
    reason = FinishReason::kError;
    error = "out of memory";  // so short that it takes none
  }
  generation.request.on_token = nullptr;
  // Also where the answer's last token or its tail brought it.
  if (!generation.callback_error.empty()) {
    reason = FinishReason::kError;
    error = std::move(generation.callback_error);
  } else if (generation.callback_stopped && reason != FinishReason::kError) {
    reason = FinishReason::kCancelled;
  }
  {
    std::lock_guard lock(mutex_);
    pages_.release(generation.pages);
    generation.pages.clear();
  }
  std::lock_guard lock(generation.mutex);
  GenerationResult& result = generation.result;
  result.finish_reason = reason;
  result.error = std::move(error);
  if (generation.started != TimePoint{})
    result.queue_ms = elapsed_ms(generation.submitted, generation.started);
  if (generation.first_token != TimePoint{}) {
    result.prefill_ms = elapsed_ms(generation.started, generation.first_token);
    result.ttft_ms = elapsed_ms(generation.submitted, generation.first_token);
    result.decode_ms = elapsed_ms(generation.first_token, generation.last_token);
  }
  generation.interruptible_step.reset();
  generation.has_ended = true;
  generation.ended.notify_all();
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
  }
  for (const SharedPtr& generation : dropped) {
    if (generation->cancel_asked.load()) {
      finish(*generation, FinishReason::kCancelled);
    } else {
      finish(*generation, FinishReason::kError, "passed its deadline");
    }
  }
}

void Scheduler::admit() {
  std::lock_guard lock(mutex_);
  while (!waiting_.empty() && static_cast<int64_t>(active_.size()) < options_.max_sequences) {
    const SharedPtr& next = waiting_.front();
    active_.reserve(active_.size() + 1);  // nothing fails once the pages are taken
    auto pages = pages_.allocate(runner_.pages_for(next->prompt_size() + next->request.max_tokens));
    if (!pages) return;
    next->pages = *std::move(pages);
    next->started = Clock::now();
    insert_by_priority(active_, next);
    waiting_.erase(waiting_.begin());
  }
}

void Scheduler::take_token(Generation::Shared& generation, FunctionRef<TokenId()> pick) {
  const TimePoint now = Clock::now();
  if (generation.first_token == TimePoint{}) generation.first_token = now;
  generation.last_token = now;
  if (generation.request.max_tokens == 0) {
    finish(generation, FinishReason::kLength);
    return;
  }
  TokenId id = 0;
  try {
    id = pick();
  } catch (const Error& error) {  // of this answer alone
    finish(generation, FinishReason::kError, error.what());
    return;
  }
  if (!generation.request.ignore_end && tokenizer_->is_end(id)) {
    finish(generation, FinishReason::kStop);
    return;
  }
  generation.tokens.push_back(id);
  generation.result.token_ids.push_back(id);
  const std::string text = generation.text.push(id);
  generation.result.text += text;
  emit(generation, {id, text});
  if (generation.text.matched()) {
    finish(generation, FinishReason::kStop);
  } else if (static_cast<int64_t>(generation.result.token_ids.size()) >= generation.request.max_tokens) {
    finish(generation, FinishReason::kLength);
  }
}

void Scheduler::run_step() {
  const bool decoding = std::any_of(active_.begin(), active_.end(),
                                    [](const SharedPtr& g) { return g->cached >= g->prompt_size(); });
  int64_t budget = decoding ? options_.shared_step_tokens : options_.step_tokens;
  budget -= std::count_if(active_.begin(), active_.end(),
                          [](const SharedPtr& g) { return g->cached >= g->prompt_size(); });
  const int priority = active_.front()->request.priority;  // the highest, see insert_by_priority
  std::vector<SequenceStep> steps;
  std::vector<PromptImages::Step> images;
  images.reserve(active_.size());  // the steps refer to them
  std::vector<Generation::Shared*> members;
  for (const SharedPtr& generation : active_) {
    const auto pending = static_cast<int64_t>(generation->tokens.size()) - generation->cached;
    const bool decodes = generation->cached >= generation->prompt_size();
    const int64_t count = decodes ? pending : std::min(pending, budget);
    if (count <= 0) continue;
    if (!decodes) budget -= count;
    const bool complete = count == pending;
    // Where several answers share a step, their tokens are worth more than guesses.
    if (decodes && active_.size() == 1) append_draft(*generation, options_.step_tokens - count);
    const auto with_draft = static_cast<size_t>(count) + generation->draft.size();
    const std::span<const TokenId> tokens(generation->tokens);
    images.push_back(generation->images.step(generation->cached, static_cast<int64_t>(with_draft)));
    steps.push_back({tokens.subspan(static_cast<size_t>(generation->cached), with_draft), generation->cached,
                     generation->pages, complete ? count - 1 : count,
                     generation->sampler.request(kMostRanked), images.back().axes, images.back().images});
    members.push_back(generation.get());
  }
  // The step stops early for a deadline under the same condition as for a cancel, see below.
  std::optional<TimePoint> deadline;
  for (size_t i = 0; i < members.size(); ++i) {
    const auto& wanted = members[i]->request.deadline;
    if (wanted && (members.size() == 1 || steps[i].tokens.size() > 1))
      deadline = std::min(deadline.value_or(*wanted), *wanted);
  }
  const auto control = std::make_shared<RunControl>(priority, deadline);
  for (size_t i = 0; i < members.size(); ++i) {
    // A step that only carries one token of a cancelled answer is soon over, and others' work in it is not
    // thrown away.
    std::lock_guard lock(members[i]->mutex);
    if (members.size() == 1 || steps[i].tokens.size() > 1) members[i]->interruptible_step = control;
    if (members[i]->cancel_asked.load() && members[i]->interruptible_step) control->cancel();
  }
  Tensor logits;
  RankedLogits ranked;
  const RunState state = runner_.step(steps, *control, logits, &ranked);
  for (Generation::Shared* member : members) {
    member->tokens.resize(member->tokens.size() - member->draft.size());
    if (state != RunState::kDone) member->draft.clear();
    std::lock_guard lock(member->mutex);
    member->interruptible_step.reset();
  }
  if (state != RunState::kDone) return;
  size_t row = 0, ranked_row = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    const size_t wanted = steps[i].tokens.size() - static_cast<size_t>(steps[i].logits_from);
    members[i]->cached += static_cast<int64_t>(steps[i].tokens.size() - members[i]->draft.size());
    const bool ranks = steps[i].rank.count > 0;
    size_t& first = ranks ? ranked_row : row;
    take_tokens(*members[i], wanted, [&](size_t at) {
      return ranks ? pick_ranked(members[i]->sampler, ranked, first + at)
                   : pick(members[i]->sampler, logits, first + at);
    });
    first += wanted;
  }
  std::lock_guard lock(mutex_);
  std::erase_if(active_, [](const SharedPtr& generation) { return generation->has_ended; });
}

TokenId Scheduler::pick(Sampler& sampler, const Tensor& logits, size_t row) const {
  const auto vocab = static_cast<size_t>(runner_.vocab_size());
  return sampler.pick(logits.values<float>().subspan(row * vocab, vocab),
                      static_cast<int64_t>(tokenizer_->size_tokens()));
}

TokenId Scheduler::pick_ranked(Sampler& sampler, const RankedLogits& ranked, size_t row) const {
  const auto most = static_cast<size_t>(kMostRanked);
  return sampler.pick_ranked(ranked.values.values<float>().subspan(row * most, most),
                             ranked.ids.values<int32_t>().subspan(row * most, most));
}

// Guesses what comes next, to be checked in the step that computes it.
void Scheduler::append_draft(Generation::Shared& generation, int64_t room) {
  const auto made = static_cast<int64_t>(generation.result.token_ids.size());
  room = std::min(room, generation.request.max_tokens - made - 1);
  generation.draft = generation.lookup.draft(generation.tokens, room);
  generation.tokens.insert(generation.tokens.end(), generation.draft.begin(), generation.draft.end());
}

// Takes a token, and another one for each token of the draft that was right. Rows that follow a wrong guess
// stand for a text that is not this answer's; what they wrote into the cache is written again.
void Scheduler::take_tokens(Generation::Shared& generation, size_t rows,
                            FunctionRef<TokenId(size_t)> pick_row) {
  const std::vector<TokenId> draft = std::move(generation.draft);
  generation.draft.clear();
  generation.result.drafted_tokens += static_cast<int64_t>(draft.size());
  // Counted before the token is taken, since that may end the answer and hand its result out.
  size_t right = 0;
  const auto pick_and_compare = [&] {
    const TokenId id = pick_row(right);
    if (right == draft.size() || id != draft[right]) return id;
    ++right;
    ++generation.cached;
    ++generation.result.accepted_tokens;
    return id;
  };
  const auto goes_on = [&] { return !generation.has_ended && !generation.cancel_asked.load(); };
  for (size_t row = 0; row < rows && row == right && goes_on(); ++row)
    take_token(generation, pick_and_compare);
  generation.lookup.judge(static_cast<int64_t>(draft.size()), static_cast<int64_t>(right));
}

// After an error that may concern every answer at work or, when none is, every one that waits.
void Scheduler::fail_all(const char* why) {
  std::vector<SharedPtr> failed;
  {
    std::lock_guard lock(mutex_);
    failed.swap(active_);
    if (failed.empty()) failed.swap(waiting_);
  }
  for (const SharedPtr& generation : failed) {
    if (!generation->has_ended) finish(*generation, FinishReason::kError, why);
  }
}

void Scheduler::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty() || !active_.empty(); });
      if (stopping_ && waiting_.empty() && active_.empty()) return;
    }
    try {
      drop_stopped();
      admit();
      if (!active_.empty()) run_step();
    } catch (const std::bad_alloc&) {
      fail_all("out of memory");
    } catch (const std::exception& error) {
      fail_all(error.what());
    } catch (...) {
      fail_all("a step threw");
    }
  }
}

}  // namespace oag
