#include "llm/generate/scheduler.h"

#include <algorithm>
#include <new>

#include "base/error.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "llm/generate/generation_shared.h"
#include "llm/generate/step_shares.h"
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

}  // namespace

Scheduler::Scheduler(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                     const LanguageModelOptions& options)
    : tokenizer_(bundle.tokenizer),
      options_(complete(options)),
      runner_(runtime, bundle, options_.runner),
      pages_(runner_.pages(), runner_.options().page_tokens, options_.prefix_cache) {}

// Hands a token out. A callback that wants no more or throws ends its own answer and nobody else's.
void Scheduler::emit(Generation::Shared& generation, const TokenEvent& event) {
  if (!generation.request.on_token) return;
  try {
    if (generation.request.on_token(event)) return;
    generation.callback_stopped = true;
  } catch (const Error& error) {
    generation.callback_error = std::string("the token callback threw: ") + error.what();
    generation.callback_code = error.code();
  } catch (const std::exception& error) {
    generation.callback_error = std::string("the token callback threw: ") + error.what();
  } catch (...) {
    generation.callback_error = "the token callback threw";
  }
  generation.request.on_token = nullptr;
  generation.cancel_asked.store(true);
}

// Nothing stops it: an answer that is taken off the lists ends.
void Scheduler::finish(Generation::Shared& generation, FinishReason reason, std::string error,
                       ErrorCode code) noexcept {
  publish(generation);
  try {
    // What was held back for a stop string that did not come belongs to the answer.
    const std::string tail = generation.text.matched() ? "" : generation.text.flush();
    generation.result.text += tail;
    if (!tail.empty() && !generation.result.token_ids.empty())
      emit(generation, {generation.result.token_ids.back(), tail, nullptr, true});
  } catch (...) {
    reason = FinishReason::kError;
    code = ErrorCode::kOutOfMemory;
    error = "out of memory";  // so short that it takes none
  }
  generation.request.on_token = nullptr;
  generation.request.constraint.reset();
  generation.request.leader.reset();
  // Also where the answer's last token or its tail brought it.
  if (!generation.callback_error.empty()) {
    reason = FinishReason::kError;
    error = std::move(generation.callback_error);
    code = generation.callback_code;
  } else if (generation.callback_stopped && reason != FinishReason::kError) {
    reason = FinishReason::kCancelled;
  }
  {
    std::lock_guard lock(mutex_);
    const auto is_it = [&](const SharedPtr& other) { return other.get() == &generation; };
    const auto place = std::find_if(active_.begin(), active_.end(), is_it);
    if (place != active_.end())
      active_.erase(place);
    else
      --ending_;
    pages_.release(generation.pages);
    ++counts_.finished;
    counts_.cancellations += reason == FinishReason::kCancelled ? 1 : 0;
    counts_.failures += reason == FinishReason::kError ? 1 : 0;
  }
  {
    std::lock_guard lock(generation.mutex);
    GenerationResult& result = generation.result;
    result.finish_reason = reason;
    result.error = std::move(error);
    result.error_code = code;
    const bool began = generation.started != TimePoint{};
    result.queue_ms = elapsed_ms(generation.submitted, began ? generation.started : Clock::now());
    if (generation.first_token != TimePoint{}) {
      result.prefill_ms = elapsed_ms(generation.started, generation.first_token);
      result.ttft_ms = elapsed_ms(generation.submitted, generation.first_token);
      result.decode_ms = elapsed_ms(generation.first_token, generation.last_token);
    }
    generation.interruptible_step.reset();
    generation.has_ended = true;
    generation.ended.notify_all();
  }
  tell_end(generation);
}

// The result is there, and nobody changes it any more.
void Scheduler::tell_end(Generation::Shared& generation) noexcept {
  if (!generation.request.on_end) return;
  try {
    generation.request.on_end(generation.result);
  } catch (const std::exception& error) {
    log(LogLevel::kWarning, "the callback for the end of an answer threw: {}", error.what());
  } catch (...) {
    log(LogLevel::kWarning, "the callback for the end of an answer threw");
  }
  generation.request.on_end = nullptr;
}

void Scheduler::take_token(Generation::Shared& generation, FunctionRef<TokenId()> pick) {
  const TimePoint now = Clock::now();
  if (generation.first_token == TimePoint{}) generation.first_token = now;
  generation.last_token = now;
  if (generation.request.max_tokens == 0) {
    finish(generation, FinishReason::kLength);
    return;
  }
  TokenChooser& chooser = generation.chooser;
  TokenId id = 0;
  try {
    const bool complete = chooser.complete();
    if (complete || chooser.ends(id = pick())) {
      const std::vector<TokenId>& stop_ids = generation.request.stop_ids;
      if (!complete && std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end())
        generation.result.stop_id = id;
      finish(generation, FinishReason::kStop);
      return;
    }
    chooser.take(id);
  } catch (const Error& error) {  // of this answer alone
    generation.result.request_at_fault =
        error.code() == ErrorCode::kInvalidArgument || error.code() == ErrorCode::kUnsupported;
    finish(generation, FinishReason::kError, error.what(), error.code());
    return;
  }
  ++generated_tokens_;
  generation.tokens.push_back(id);
  generation.result.token_ids.push_back(id);
  const std::string text = generation.text.push(id, chooser.may_stop());
  generation.result.text += text;
  emit(generation, {id, text, chooser.logprobs(), false, generation.result.cached_tokens});
  if (generation.text.matched()) generation.result.stop_text = generation.text.stop();
  if (generation.text.matched() || chooser.complete()) {
    finish(generation, FinishReason::kStop);
  } else if (chooser.repeats()) {
    finish(generation, FinishReason::kRepetition);
  } else if (static_cast<int64_t>(generation.result.token_ids.size()) >= generation.request.max_tokens) {
    finish(generation, FinishReason::kLength);
  }
}

// How many tokens of each of `active_` go into the next step.
std::vector<int64_t> Scheduler::plan_step() {
  std::vector<int64_t> counts(active_.size(), 0);
  std::vector<PromptShare> prompts;
  std::vector<size_t> readers;  // whose prompts they are
  for (size_t i = 0; i < active_.size(); ++i) {
    const Generation::Shared& generation = *active_[i];
    if (generation.decodes()) {
      counts[i] = 1;
    } else {
      prompts.push_back({generation.request.priority, generation.pending()});
      readers.push_back(i);
    }
  }
  const auto decoding = static_cast<int64_t>(active_.size() - prompts.size());
  const int64_t budget = (decoding > 0 ? options_.shared_step_tokens : options_.step_tokens) - decoding;
  share_step(prompts, budget, [&](size_t prompt, std::span<const size_t> others) {
    const Generation::Shared& waiter = *active_[readers[prompt]];
    return std::any_of(others.begin(), others.end(), [&](size_t other) {
      const Generation::Shared& filler = *active_[readers[other]];
      return pages_.can_wait(waiter.pages, waiter.content(), filler.pages, filler.content());
    });
  });
  for (size_t i = 0; i < prompts.size(); ++i) counts[readers[i]] = prompts[i].tokens;
  return counts;
}

void Scheduler::run_step() {
  adopt_known_pages();
  std::vector<int64_t> counts = plan_step();
  take_pages(counts);
  const int priority = active_.front()->request.priority;  // the highest, see insert_in_order
  std::vector<SequenceStep> steps;
  std::vector<PromptImages::Step> images;
  images.reserve(active_.size());  // the steps refer to them
  std::vector<SharedPtr> members;
  std::vector<TokenChooser*> masked;  // whose next token needs a mask
  for (size_t i = 0; i < active_.size(); ++i) {
    const SharedPtr& generation = active_[i];
    const int64_t count = counts[i];
    if (count == 0) continue;
    const bool complete = count == generation->pending();
    // Where several answers share a step, their tokens are worth more than guesses.
    const bool drafts = generation->decodes() && active_.size() == 1 && !generation->request.constraint;
    if (drafts) append_draft(*generation, options_.step_tokens - count);
    const auto with_draft = static_cast<size_t>(count) + generation->draft.size();
    const std::span<const TokenId> tokens(generation->tokens);
    images.push_back(generation->images.step(generation->cached, static_cast<int64_t>(with_draft)));
    steps.push_back({tokens.subspan(static_cast<size_t>(generation->cached), with_draft), generation->cached,
                     generation->pages.pages, complete ? count - 1 : count,
                     generation->chooser.wanted(kMostRanked), images.back().axes, images.back().images});
    members.push_back(generation);
    if (complete && generation->chooser.needs_mask()) masked.push_back(&generation->chooser);
  }
  // A step that only carries one token of a cancelled answer is soon over, and others' work in it is not
  // thrown away. Neither is it twice in a row, so that many who go away don't keep the rest from going on.
  const auto stops_step = [&](size_t i) {
    return members.size() == 1 || (steps[i].tokens.size() > 1 && !was_interrupted_);
  };
  std::optional<TimePoint> deadline;
  for (size_t i = 0; i < members.size(); ++i) {
    const auto& wanted = members[i]->request.deadline;
    if (wanted && stops_step(i)) deadline = std::min(deadline.value_or(*wanted), *wanted);
  }
  const auto control = std::make_shared<RunControl>(priority, deadline);
  for (size_t i = 0; i < members.size(); ++i) {
    std::lock_guard lock(members[i]->mutex);
    if (stops_step(i)) members[i]->interruptible_step = control;
    if (members[i]->cancel_asked.load() && members[i]->interruptible_step) control->cancel();
  }
  Tensor logits;
  RankedLogits ranked;
  const RunState state = [&] {
    const MaskWorker::Batch batch = masks_.start(masked);
    return runner_.step(steps, *control, logits, &ranked);
  }();
  was_interrupted_ = state != RunState::kDone;
  for (const SharedPtr& member : members) {
    member->tokens.resize(member->tokens.size() - member->draft.size());
    if (state != RunState::kDone) member->draft.clear();
    std::lock_guard lock(member->mutex);
    member->interruptible_step.reset();
  }
  if (state != RunState::kDone) return;
  count_step(steps);  // before anybody hears of what it brought
  size_t row = 0, ranked_row = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    const size_t wanted = steps[i].tokens.size() - static_cast<size_t>(steps[i].logits_from);
    members[i]->cached += static_cast<int64_t>(steps[i].tokens.size() - members[i]->draft.size());
    publish(*members[i]);
    const bool ranks = steps[i].rank.count > 0;
    size_t& first = ranks ? ranked_row : row;
    take_tokens(*members[i], wanted, [&](size_t at) {
      return ranks ? pick_ranked(members[i]->chooser, ranked, first + at)
                   : pick(members[i]->chooser, logits, first + at);
    });
    first += wanted;
  }
}

void Scheduler::count_step(std::span<const SequenceStep> steps) {
  std::lock_guard lock(mutex_);
  ++counts_.steps;
  for (const SequenceStep& step : steps) counts_.computed_tokens += static_cast<int64_t>(step.tokens.size());
  counts_.last_step_end = Clock::now();
}

TokenId Scheduler::pick(TokenChooser& chooser, const Tensor& logits, size_t row) const {
  const auto vocab = static_cast<size_t>(runner_.vocab_size());
  return chooser.pick(logits.values<float>().subspan(row * vocab, vocab));
}

TokenId Scheduler::pick_ranked(TokenChooser& chooser, const RankedLogits& ranked, size_t row) const {
  const auto most = static_cast<size_t>(kMostRanked);
  return chooser.pick_ranked(ranked.values.values<float>().subspan(row * most, most),
                             ranked.ids.values<int32_t>().subspan(row * most, most));
}

// Guesses what comes next, to be checked in the step that computes it.
void Scheduler::append_draft(Generation::Shared& generation, int64_t room) {
  const auto made = static_cast<int64_t>(generation.result.token_ids.size());
  room = std::min(room, generation.request.max_tokens - made - 1);
  generation.draft = generation.lookup.draft(generation.tokens, room);
  if (generation.draft.empty()) return;
  {
    std::lock_guard lock(mutex_);
    const auto with_draft = generation.tokens.size() + generation.draft.size();
    if (!pages_.grow(generation.pages, static_cast<int64_t>(with_draft))) generation.draft.clear();
  }
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
void Scheduler::fail_all(ErrorCode code, const char* why) {
  std::vector<SharedPtr> failed;
  {
    std::lock_guard lock(mutex_);
    failed.swap(active_);
    if (failed.empty()) failed.swap(waiting_);
    std::erase_if(failed, [](const SharedPtr& generation) { return generation->has_ended; });
    ending_ += static_cast<int64_t>(failed.size());
  }
  for (const SharedPtr& generation : failed) finish(*generation, FinishReason::kError, why, code);
}

void Scheduler::run() {
  name_thread("oag-scheduler");
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty() || !active_.empty(); });
      if (stopping_ && waiting_.empty() && active_.empty()) break;
    }
    try {
      drop_stopped();
      admit();
      if (!active_.empty()) run_step();
    } catch (const std::bad_alloc&) {
      fail_all(ErrorCode::kOutOfMemory, "out of memory");
    } catch (const Error& error) {
      // No request gives a step its arguments.
      const bool own = error.code() == ErrorCode::kInvalidArgument;
      fail_all(own ? ErrorCode::kInternal : error.code(), error.what());
    } catch (const std::exception& error) {
      fail_all(ErrorCode::kInternal, error.what());
    } catch (...) {
      fail_all(ErrorCode::kInternal, "a step threw");
    }
  }
  // Nobody makes one any more.
  queue_watch_->ring();
  if (watch_.joinable()) watch_.join();
}

}  // namespace oag
