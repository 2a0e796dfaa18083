#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/tensor/tensor.h"
#include "llm/generate/sampler.h"
#include "llm/text/token_constraint.h"
#include "llm/vision/image_grid.h"

namespace oag {

enum class FinishReason { kStop, kLength, kCancelled, kError, kRepetition };

// "stop", "length", "cancelled", "error", "repetition"
std::string_view finish_reason_name(FinishReason reason);

struct TokenCandidate {
  TokenId id;
  float logprob;

  bool operator==(const TokenCandidate&) const = default;
};

// Logarithms of probabilities that the model itself gives to what may stand at a token's place: log softmax
// of its logits, before biases, penalties, masks and temperature.
struct TokenLogprobs {
  float logprob;                        // of the token; -inf where the model rules it out
  std::span<const TokenCandidate> top;  // the best, best first, the token among them if it is one
};

// One generated token, as it is made. `text` is what it completes: whole UTF-8 characters, often empty; text
// that might become a stop string is held back. Valid during the callback.
struct TokenEvent {
  TokenId id;
  std::string_view text;
  const TokenLogprobs* logprobs = nullptr;  // where the request asks for them
  // No new token: text of the last one that was held back for a stop string, which did not come.
  bool is_tail = false;
  int64_t cached_tokens = 0;  // of the prompt, see GenerationResult
};

// 128 bits that stand for a content. Two contents with the same bits are taken for equal, so they come from a
// hash for which nobody can make a collision, SHA-256 for example.
struct ContentHash {
  uint64_t high = 0, low = 0;

  bool is_set() const { return high != 0 || low != 0; }
  bool operator==(const ContentHash&) const = default;
};

// A picture in a prompt: the rows that a vision tower made of it stand for as many of the prompt's tokens.
struct PromptImage {
  int64_t first_token = 0;
  ImageGrid grid;  // of merged patches, one frame: a row of `rows` for each
  Tensor rows;     // [grid.patches(), hidden size] f32
  // Of what `rows` were made of: the same for the same rows alone. Not set: what follows the picture is not
  // shared with other prompts.
  ContentHash hash = {};
};

inline constexpr int64_t kMostLogprobs = 1024;

struct GenerationResult {
  FinishReason finish_reason = FinishReason::kError;
  std::string error;                            // with kError: one line
  ErrorCode error_code = ErrorCode::kInternal;  // likewise
  // With kError: what the request asks for leaves no next token, or its constraint takes too much work. What
  // the model computed is not to blame.
  bool request_at_fault = false;
  std::vector<TokenId> token_ids;  // without the end token
  std::string text;
  // What of the request's own ended it: one of stop_ids or of stop. Neither for the model's end tokens.
  std::optional<TokenId> stop_id;
  std::string stop_text;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;    // of the prompt, whose keys and values another request had computed
  int64_t drafted_tokens = 0;   // guessed with lookup_tokens
  int64_t accepted_tokens = 0;  // of these, right
  double queue_ms = 0;          // submitted to first scheduled, or to its end where it never was
  double prefill_ms = 0;        // first scheduled to first token
  double ttft_ms = 0;           // submitted to first token
  double decode_ms = 0;         // first token to last
};

// A generation in progress. Copies refer to the same one; dropping them does not cancel it. Thread safe.
class Generation {
 public:
  bool done() const;  // never blocks
  // Waits until it has ended and its cache pages are back, or `deadline` has come; returns done().
  bool wait(std::optional<TimePoint> deadline = {}) const;
  void cancel() const;  // returns at once
  // Waits, then the outcome. Being cancelled or failing is an outcome, not an exception.
  GenerationResult result() const;

 private:
  friend class Scheduler;
  struct Shared;
  explicit Generation(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;
};

// The answer to a model that thinks without an end: once it has thought for `tokens` tokens and none of the
// texts `ends` has been written, the ids `forced` are put in as if they had been picked, one a step.
struct ThinkingLimit {
  int64_t tokens = 0;             // at least 0
  std::vector<std::string> ends;  // control tokens count with their text, whether they print or not
  std::vector<TokenId> forced;
  std::string begin = {};  // where the thought begins; empty: with the answer
};

// When an answer goes round in circles: its last min_count * p tokens are p tokens again and again, for some
// p from min_pattern to max_pattern.
struct RepetitionLimit {
  int64_t min_pattern = 1, max_pattern = 64;  // 1 to 1024
  int64_t min_count = 4;                      // at least 2
};

struct GenerationRequest {
  std::vector<TokenId> prompt;
  std::vector<PromptImage> images;  // by first_token
  int64_t max_tokens = -1;          // 0: the prompt is read and no token made; -1: until the context is full
  SamplingOptions sampling;
  // Go on past end tokens. A constraint that allows one is not asked to: it ends the answer then too.
  bool ignore_end = false;
  std::vector<std::string> stop;  // texts that end the answer; not part of it
  bool include_stop = false;      // the stop text is part of the answer's text
  std::vector<TokenId> stop_ids;  // end the answer like end tokens, ignore_end or not; no part of it
  int64_t min_tokens = 0;    // before so many, neither end tokens, stop_ids nor stop texts end the answer
  bool skip_special = true;  // control tokens print nothing in the text; off: as they are written
  int64_t logprobs = -1;     // TokenEvent::logprobs with so many best tokens; -1: none. Up to kMostLogprobs.
  std::shared_ptr<TokenConstraint> constraint;  // what the answer may hold; used by no other answer
  std::optional<ThinkingLimit> thinking;
  std::optional<RepetitionLimit> repetition;  // the answer ends as kRepetition; the tokens stay
  // Speculative decoding: at most so many tokens at a time are guessed from prompt and answer and checked
  // together, while no other answer is at work; 0: none. The answer is the same. Up to PromptLookup::kMost.
  int64_t lookup_tokens = 0;
  int priority = 0;
  std::optional<TimePoint> deadline;
  std::string cache_salt;  // requests with another one never share cache pages with this one
  // Another answer to the same prompt, submitted before: this one waits until that one has read the prompt,
  // and takes its cache pages over.
  std::optional<Generation> leader;
  // Called on the scheduler's thread for every token of the answer, so it must be quick. False ends the
  // answer as cancelled, an exception ends it as failed with the exception's text; neither touches other
  // answers. It is not called again then, and is let go before the answer is done.
  std::function<bool(const TokenEvent&)> on_token;
  // Called once for every request that was taken, however it ended, on one of the model's own threads, when
  // the result is there and its cache pages are back; then it is let go. What it throws is logged.
  std::function<void(const GenerationResult&)> on_end;
};

}  // namespace oag
