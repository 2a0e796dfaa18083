#include "service/serve/text_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "service/net/sse.h"
#include "service/protocol/request_error.h"
#include "service/serve/request_log.h"
#include "service/serve/respond.h"

namespace oag {
namespace {

int64_t seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

TokenLogprob logprob_of(const Tokenizer& tokenizer, TokenId id, const TokenLogprobs& logprobs) {
  const auto candidate = [&](TokenId one, float logprob) {
    return TokenLogprob::Candidate{one, std::string(tokenizer.token_bytes(one, true)), logprob};
  };
  TokenLogprob out{candidate(id, logprobs.logprob), {}};
  for (const TokenCandidate& one : logprobs.top) out.top.push_back(candidate(one.id, one.logprob));
  return out;
}

}  // namespace

TextAnswer::TextAnswer(Request request, Surroundings around)
    : request_(std::move(request)), around_(std::move(around)) {
  if (request_.context.id.empty()) request_.context.id = random_id(text().chat ? "chatcmpl" : "cmpl");
  head_ = {request_.context.id, around_.model->name(),   seconds_now(),
           text().chat,         text().return_token_ids, text().logprobs.has_value()};
  head_.functions = text().legacy_functions;
  if (text().stream) stream_.emplace(head_, text().include_usage);
}

HttpHeaders TextAnswer::headers(std::string_view content_type) const {
  HttpHeaders headers = {{"Content-Type", std::string(content_type)},
                         {"Cache-Control", "no-cache"},
                         {"X-Accel-Buffering", "no"},
                         {"X-Request-Id", head_.id}};
  for (auto& header : warning_headers(request_.warnings)) headers.push_back(std::move(header));
  return headers;
}

void TextAnswer::start() {
  around_.exchange->note(fmt::format("id={} model={}", head_.id, head_.model));
  place_ = around_.answers->add([self = weak_from_this()] {
    if (const auto answer = self.lock()) answer->end_early();
  });
  prepare();
  const auto answers = static_cast<int64_t>(prompts_.size()) * text().n;
  if (answers > around_.model->capacity())
    reject("invalid_value", "n", "asks for {} answers, at most {} are made at once", answers,
           around_.model->capacity());
  check_size();
  ticket_ = around_.model->admit(answers);
  if (!ticket_) {
    around_.metrics->count_rejection("queue_full");
    throw RequestError(
        429, "queue_full", "",
        fmt::format("{} requests are at work or wait already; try again later", around_.model->admitted()));
  }
  {
    std::lock_guard lock(mutex_);
    choices_.resize(static_cast<size_t>(answers));
    open_choices_ = choices_.size();
    for (size_t i = 0; i < choices_.size(); ++i) {
      choices_[i].index = choices_[i].whole.choice = static_cast<int64_t>(i);
      if (text().chat) {
        const AnswerFormat format = answer_format(text(), *around_.model, prompts_.front().text);
        choices_[i].parser = make_answer_parser(format);
        choices_[i].thoughts.emplace(format.begins_in_reasoning);
      }
      if (text().echo && !stream_) choices_[i].whole.text = prompt_of(choices_[i]).text;
    }
  }
  log_warnings(head_.id, request_.warnings);
  // Counted first, and also where the answer has ended for want of a reader: who sees it gone may rely on
  // that.
  around_.exchange->on_gone([self = weak_from_this(), metrics = around_.metrics] {
    metrics->count_disconnect();
    if (const auto answer = self.lock()) answer->cancel();
  });
  // What is wrong with its options is found before the headers are sent.
  plan_.emplace(request_, *around_.model, prompts_.front().text);
  if (text().stream) begin_stream();
  encode_pictures();
}

void TextAnswer::prepare() {
  if (text().chat)
    prompts_.push_back(chat_prompt(*around_.model, request_));
  else
    prompts_ = completion_prompts(*around_.model, text());
  for (const Prompt& prompt : prompts_) prompt_tokens_ += prompt.total_tokens();
  let_go_of_request();
}

// Log probabilities of an answer that is sent as a whole are kept until its end, and take much memory.
void TextAnswer::check_size() const {
  constexpr int64_t kMostCandidates = int64_t{1} << 20;
  if (stream_ || !text().logprobs) return;
  int64_t candidates = 0;
  for (const Prompt& prompt : prompts_) {
    const int64_t room = around_.model->context_tokens() - prompt.total_tokens();
    const int64_t tokens = std::min(text().max_tokens.value_or(text().chat ? room : kCompletionTokens), room);
    candidates += text().n * tokens * (1 + *text().logprobs);
  }
  if (candidates <= kMostCandidates) return;
  reject(
      "invalid_value", text().chat ? "top_logprobs" : "logprobs",
      "asks for up to {} log probabilities in one answer, at most {} are sent: stream it, or ask for fewer "
      "tokens, choices or candidates",
      candidates, kMostCandidates);
}

// An answer may wait for long: it keeps the prompts alone, and pictures that the tower has not seen.
void TextAnswer::let_go_of_request() {
  TextRequest& text = text_of(request_);
  text.messages = nullptr;
  text.template_arguments = Json::object();
  text.prompts.clear();
  text.prompts.shrink_to_fit();
  size_t bytes = 0;
  for (const Prompt& prompt : prompts_) {
    for (const Picture& picture : prompt.pictures) bytes += picture.source ? picture.source->size() : 0;
  }
  if (around_.held) around_.held->shrink(bytes);
}

void TextAnswer::begin_stream() {
  began_ = true;
  around_.exchange->begin(200, headers(kSseContentType));
  around_.exchange->heartbeat(around_.comment_interval, sse_comment("waiting"));
}

void TextAnswer::encode_pictures() {
  std::vector<Picture>& pictures = prompts_.front().pictures;
  const bool known =
      std::ranges::all_of(pictures, [](const Picture& picture) { return picture.source == nullptr; });
  if (known) {
    submit();
    return;
  }
  if (request_.context.deadline) {
    around_.deadlines->at(*request_.context.deadline, [self = weak_from_this()] {
      if (const auto answer = self.lock()) answer->expire();
    });
  }
  const TimePoint begin = Clock::now();
  around_.model->pictures().encode(
      std::move(pictures), picture_run_,
      [self = shared_from_this(), begin](std::vector<Picture> done, std::exception_ptr error) {
        self->image_ms_ = elapsed_ms(begin);
        self->prompts_.front().pictures = std::move(done);
        try {
          if (error) std::rethrow_exception(error);
          self->submit();
        } catch (const Error& caught) {
          self->fail_with(problem_of(caught));
        } catch (...) {
          self->fail_with(internal_problem());
        }
      });
}

// The client has left, or one of its choices has failed: the others are for nothing.
bool TextAnswer::over() {
  std::lock_guard lock(mutex_);
  return cancelled_ || answered_;
}

// The copies of a prompt wait for the first one, whose prompt they share.
void TextAnswer::submit() {
  around_.held.reset();
  {
    std::lock_guard lock(mutex_);
    submitted_ = true;
  }
  size_t at = 0;
  try {
    for (Prompt& prompt : prompts_) {
      std::vector<PromptImage> images = place_pictures(*around_.model, prompt);
      std::optional<Generation> leader;
      for (int64_t copy = 0; copy < text().n; ++copy, ++at) {
        if (over()) return;
        GenerationRequest generation = plan_->answer(copy);
        generation.prompt = prompt.tokens;
        generation.images = images;
        generation.leader = leader;
        generation.on_token = [self = shared_from_this(), at](const TokenEvent& event) {
          return self->take_token(at, event);
        };
        generation.on_end = [self = shared_from_this(), at](const GenerationResult& result) {
          self->take_end(at, result);
        };
        const Generation submitted = around_.model->language_model().submit(std::move(generation));
        if (!leader) leader = submitted;
        std::lock_guard lock(mutex_);
        choices_[at].generation = submitted;
        if (cancelled_ || answered_) submitted.cancel();
      }
    }
  } catch (const Error& error) {
    fail_with(problem_of(error));
  } catch (...) {
    fail_with(internal_problem());
  }
}

void TextAnswer::count_token(Choice& choice, TokenId id) {
  if (choice.thoughts) choice.thoughts->take(around_.model->tokenizer()->token_bytes(id, true));
  const TimePoint now = Clock::now();
  if (choice.made++ > 0) {
    around_.metrics->observe_gap(elapsed_ms(choice.last_token, now));
  } else {
    const double waited = elapsed_ms(request_.context.arrival, now);
    if (first_token_ms_ == 0) first_token_ms_ = waited;
    around_.metrics->observe_first(waited);
  }
  choice.last_token = now;
}

bool TextAnswer::take_token(size_t at, const TokenEvent& event) {
  std::lock_guard lock(mutex_);
  if (cancelled_ || answered_) return false;
  Choice& choice = choices_[at];
  if (!event.is_tail) {
    count_token(choice, event.id);
    choice.result.cached_tokens = event.cached_tokens;
  }
  AnswerDelta delta = delta_of(
      choice, choice.parser ? choice.parser->push(event.text) : AnswerPiece{std::string(event.text), "", {}});
  if (event.logprobs != nullptr)
    delta.logprobs.push_back(logprob_of(*around_.model->tokenizer(), event.id, *event.logprobs));
  if (head_.return_token_ids && !event.is_tail) delta.token_ids.push_back(event.id);
  send(choice, std::move(delta));
  choice.ended = choice.parser && choice.parser->ended();
  return !choice.ended;
}

AnswerDelta TextAnswer::delta_of(Choice& choice, AnswerPiece piece) const {
  AnswerDelta delta;
  delta.choice = choice.index;
  delta.text = std::move(piece.text);
  delta.reasoning = std::move(piece.reasoning);
  for (ToolCallPiece& call : piece.calls) {
    ToolCall out{call.index, "", std::move(call.name), std::move(call.arguments)};
    if (!out.name.empty()) {
      out.id = random_id("call");
      choice.calls = std::max(choice.calls, call.index + 1);
    }
    delta.tool_calls.push_back(std::move(out));
  }
  return delta;
}

const Prompt& TextAnswer::prompt_of(const Choice& choice) const {
  return prompts_[static_cast<size_t>(choice.index / text().n)];
}

void TextAnswer::send(Choice& choice, AnswerDelta delta) {
  if (!stream_) {
    append(choice.whole, std::move(delta));
    choice.begun = true;
    return;
  }
  if (!choice.begun) {
    choice.begun = true;
    if (text().chat) around_.exchange->write(sse_event(stream_->begin(choice.index)));
    if (text().echo) delta.text = prompt_of(choice).text + delta.text;
  }
  if (delta.empty()) return;
  around_.exchange->write(
      sse_event(stream_->piece(delta, text().continuous_usage ? std::optional(usage()) : std::nullopt)));
}

// Of the last parts of an answer that is sent as a whole.
void TextAnswer::append(AnswerDelta& whole, AnswerDelta delta) {
  whole.text += delta.text;
  whole.reasoning += delta.reasoning;
  std::ranges::move(delta.logprobs, std::back_inserter(whole.logprobs));
  std::ranges::move(delta.token_ids, std::back_inserter(whole.token_ids));
  for (ToolCall& call : delta.tool_calls) {
    if (whole.tool_calls.empty() || whole.tool_calls.back().index != call.index)
      whole.tool_calls.push_back(std::move(call));
    else
      whole.tool_calls.back().arguments += call.arguments;
  }
}

void TextAnswer::take_end(size_t at, const GenerationResult& result) {
  std::lock_guard lock(mutex_);
  Choice& choice = choices_[at];
  choice.result = result;
  if (choice.ended && result.finish_reason == FinishReason::kCancelled)
    choice.result.finish_reason = FinishReason::kStop;
  around_.metrics->observe_end(head_.model, choice.result);
  if (--open_choices_ == 0) ticket_.reset();
  if (answered_) return;
  if (choice.result.finish_reason == FinishReason::kError) {
    const bool late = result.error_code == ErrorCode::kDeadlineExceeded;
    fail_locked(late ? deadline_problem() : problem_of_answer(result, text()));
  } else if (choice.result.finish_reason == FinishReason::kCancelled) {
    fail_locked(
        problem_of(Error(ErrorCode::kCancelled, "", "the answer was cancelled: the server is ending")));
  } else {
    finish_choice(choice);
    if (open_choices_ == 0) finish();
  }
}

ApiProblem TextAnswer::deadline_problem() const {
  const RequestContext& context = request_.context;
  const auto wanted = std::chrono::round<std::chrono::milliseconds>(*context.deadline - context.arrival);
  return problem_of(Error(ErrorCode::kDeadlineExceeded, "",
                          fmt::format("the answer took longer than deadline_ms {}", wanted.count())));
}

void TextAnswer::finish_choice(Choice& choice) {
  const bool cut_off = choice.result.finish_reason == FinishReason::kLength;
  AnswerDelta delta = delta_of(choice, choice.parser ? choice.parser->flush(cut_off) : AnswerPiece{});
  delta.finish_reason = finish_reason_name(choice.result.finish_reason);
  if (choice.result.stop_id)
    delta.stop_reason = int64_t{*choice.result.stop_id};
  else if (!choice.result.stop_text.empty())
    delta.stop_reason = choice.result.stop_text;
  if (choice.calls > 0 && choice.result.finish_reason == FinishReason::kStop)
    delta.finish_reason = "tool_calls";
  choice.whole.finish_reason = delta.finish_reason;
  choice.whole.stop_reason = delta.stop_reason;
  send(choice, std::move(delta));
}

// Sizes and times for the request's record; nothing of what was said.
void TextAnswer::note_end(std::string_view end) const {
  if (choices_.empty()) return;
  const AnswerUsage sizes = usage();
  around_.exchange->note(fmt::format("prompt={} cached={} answer={} first={:.0f}ms end={}",
                                     sizes.prompt_tokens, sizes.cached_tokens, sizes.completion_tokens,
                                     first_token_ms_, end));
}

void TextAnswer::finish() {
  answered_ = true;
  note_end(finish_reason_name(choices_.front().result.finish_reason));
  HttpExchange& exchange = *around_.exchange;
  if (stream_) {
    if (text().include_usage) exchange.write(sse_event(stream_->usage(usage(), timings())));
    exchange.finish(sse_event("[DONE]"));
    return;
  }
  // Of many choices with log probabilities this takes long, and other answers wait for this thread.
  auto wholes = std::make_shared<std::vector<AnswerDelta>>();
  for (Choice& choice : choices_) wholes->push_back(std::move(choice.whole));
  around_.encoder->submit(0, [self = shared_from_this(), wholes, usage = usage(), timings = timings()] {
    self->respond_whole(*wholes, usage, timings);
  });
}

void TextAnswer::respond_whole(std::span<const AnswerDelta> choices, const AnswerUsage& usage,
                               const AnswerTimings& timings) {
  if (around_.exchange->gone()) return;
  try {
    around_.exchange->respond(200, headers("application/json"),
                              openai_answer_text(head_, choices, usage, timings));
  } catch (const std::exception& error) {
    log(LogLevel::kError, "{}: {}", head_.id, error.what());
    respond_problem(*around_.exchange, internal_problem(), head_.id);
  }
}

void TextAnswer::fail_with(const ApiProblem& problem) {
  std::lock_guard lock(mutex_);
  fail_locked(problem);
}

// A stream that has begun ends with an error event and without [DONE]: a client must not take it for whole.
void TextAnswer::fail_locked(const ApiProblem& problem) {
  if (answered_) return;
  answered_ = true;
  for (const Choice& choice : choices_) {
    if (choice.generation) choice.generation->cancel();
  }
  if (around_.exchange->gone()) return;
  log(LogLevel::kWarning, "{}: {}", head_.id, problem.message);
  if (began_) {
    around_.exchange->note("error=" + problem.code);
    note_end("error");
    around_.exchange->finish(sse_event(json_line(problem_json(problem))));
  } else {
    respond_problem(*around_.exchange, problem, head_.id);
  }
}

void TextAnswer::cancel() {
  picture_run_->cancel();
  std::lock_guard lock(mutex_);
  if (!answered_) note_end("cancelled");
  cancelled_ = answered_ = true;
  for (const Choice& choice : choices_) {
    if (choice.generation) choice.generation->cancel();
  }
}

// Its pictures wait for the tower, or are at work there.
void TextAnswer::expire() {
  std::lock_guard lock(mutex_);
  if (submitted_) return;
  picture_run_->cancel();
  fail_locked(deadline_problem());
}

// The server ends and waits no longer.
void TextAnswer::end_early() {
  picture_run_->cancel();
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  fail_locked(problem_of(Error(ErrorCode::kCancelled, "", "the answer was cancelled: the server is ending")));
}

AnswerUsage TextAnswer::usage() const {
  AnswerUsage usage;
  usage.prompt_tokens = prompt_tokens_;
  for (size_t i = 0; i < choices_.size(); ++i) {
    usage.completion_tokens += choices_[i].made;
    if (choices_[i].thoughts) usage.reasoning_tokens += choices_[i].thoughts->tokens();
    // The copies of a prompt find what the first one computed.
    if (i % static_cast<size_t>(text().n) == 0) usage.cached_tokens += choices_[i].result.cached_tokens;
  }
  return usage;
}

AnswerTimings TextAnswer::timings() const {
  const GenerationResult& first = choices_.front().result;
  return {first.queue_ms, image_ms_, first.prefill_ms, image_ms_ + first.ttft_ms, first.decode_ms};
}

}  // namespace oag
