#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/run_control.h"
#include "llm/generate/generation.h"
#include "llm/text/answer_parser.h"
#include "llm/text/reasoning_counter.h"
#include "service/net/http_server.h"
#include "service/protocol/openai_encode.h"
#include "service/protocol/request_error.h"
#include "service/serve/byte_budget.h"
#include "service/serve/deadline_watch.h"
#include "service/serve/generation_options.h"
#include "service/serve/live_answers.h"
#include "service/serve/prompt_builder.h"
#include "service/serve/serve_metrics.h"
#include "service/serve/served_model.h"
#include "service/serve/workers.h"

namespace oag {

// The answering of one chat or completion: from a decoded request to the last byte. It lives as long as its
// generations do; the client's leaving cancels them. Its callbacks come from request workers, the picture
// store's thread, the scheduler's and the network's.
class TextAnswer : public std::enable_shared_from_this<TextAnswer> {
 public:
  struct Surroundings {
    std::shared_ptr<HttpExchange> exchange;
    std::shared_ptr<ServedModel> model;
    ServeMetrics* metrics = nullptr;
    LiveAnswers* answers = nullptr;
    DeadlineWatch* deadlines = nullptr;
    Workers* encoder = nullptr;              // takes every job
    std::unique_ptr<ByteBudget::Hold> held;  // for the request
    std::chrono::milliseconds comment_interval{0};
  };
  TextAnswer(Request request, Surroundings around);

  // Prepares prompts, answers with the headers of a stream where one is asked for, and submits. Errors come
  // before anything was sent.
  void start();

 private:
  struct Choice {
    int64_t index = 0;
    std::optional<Generation> generation;
    std::unique_ptr<AnswerParser> parser;      // null: all is text
    std::optional<ReasoningCounter> thoughts;  // of a chat
    AnswerDelta whole;                         // of an answer that is not streamed
    int64_t made = 0;                          // tokens
    TimePoint last_token{};
    int64_t calls = 0;   // tools that were called
    bool begun = false;  // its first chunk was sent
    bool ended = false;  // its parser wants no more
    GenerationResult result;
  };

  const TextRequest& text() const { return std::get<TextRequest>(request_.payload); }
  void prepare();
  void check_size() const;
  void let_go_of_request();
  HttpHeaders headers(std::string_view content_type) const;
  void begin_stream();
  void encode_pictures();
  bool over();
  void submit();
  void count_token(Choice& choice, TokenId id);
  bool take_token(size_t choice, const TokenEvent& event);
  void take_end(size_t choice, const GenerationResult& result);
  AnswerDelta delta_of(Choice& choice, AnswerPiece piece) const;
  const Prompt& prompt_of(const Choice& choice) const;
  void send(Choice& choice, AnswerDelta delta);
  static void append(AnswerDelta& whole, AnswerDelta delta);
  void finish_choice(Choice& choice);
  ApiProblem deadline_problem() const;
  void note_end(std::string_view end) const;
  void finish();
  void respond_whole(std::span<const AnswerDelta> choices, const AnswerUsage& usage,
                     const AnswerTimings& timings);
  void fail_with(const ApiProblem& problem);
  void fail_locked(const ApiProblem& problem);
  void cancel();
  void end_early();
  void expire();
  AnswerUsage usage() const;
  AnswerTimings timings() const;

  std::unique_ptr<LiveAnswers::Place> place_;  // given back last, when nothing is used any more
  Request request_;
  Surroundings around_;
  std::unique_ptr<ServedModel::Ticket> ticket_;
  AnswerHead head_;
  std::optional<OpenAiStream> stream_;
  std::vector<Prompt> prompts_;
  std::optional<AnswerPlan> plan_;
  int64_t prompt_tokens_ = 0;
  double image_ms_ = 0;
  std::atomic<bool> began_ = false;  // a stream
  double first_token_ms_ = 0;        // from the arrival; 0: none yet
  std::shared_ptr<RunControl> picture_run_ = std::make_shared<RunControl>(kTowerPriority);

  std::mutex mutex_;  // guards what follows
  std::vector<Choice> choices_;
  size_t open_choices_ = 0;
  bool cancelled_ = false, answered_ = false;
  bool submitted_ = false;  // the scheduler watches its deadline
};

}  // namespace oag
