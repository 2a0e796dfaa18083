#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/tensor/tensor.h"
#include "llm/generate/sampler.h"
#include "llm/vision/image_grid.h"

namespace oag {

enum class FinishReason { kStop, kLength, kCancelled, kError };

// "stop", "length", "cancelled", "error"
std::string_view finish_reason_name(FinishReason reason);

// One generated token, as it is made. `text` is what it completes: whole UTF-8 characters, often empty; text
// that might become a stop string is held back.
struct TokenEvent {
  TokenId id;
  std::string_view text;
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

struct GenerationRequest {
  std::vector<TokenId> prompt;
  std::vector<PromptImage> images;  // by first_token
  int64_t max_tokens = -1;          // 0: the prompt is read and no token made; -1: until the context is full
  SamplingOptions sampling;
  bool ignore_end = false;        // go on past end tokens
  std::vector<std::string> stop;  // texts that end the answer; not part of it
  // Speculative decoding: at most so many tokens at a time are guessed from prompt and answer and checked
  // together, while no other answer is at work; 0: none. The answer is the same. Up to PromptLookup::kMost.
  int64_t lookup_tokens = 0;
  int priority = 0;
  std::optional<TimePoint> deadline;
  std::string cache_salt;  // requests with another one never share cache pages with this one
  // Called on the scheduler's thread for every token of the answer, so it must be quick. False ends the
  // answer as cancelled, an exception ends it as failed with the exception's text; neither touches other
  // answers. It is not called again then, and is let go before the answer is done.
  std::function<bool(const TokenEvent&)> on_token;
};

struct GenerationResult {
  FinishReason finish_reason = FinishReason::kError;
  std::string error;               // with kError: one line
  std::vector<TokenId> token_ids;  // without the end token
  std::string text;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;    // of the prompt, whose keys and values another request had computed
  int64_t drafted_tokens = 0;   // guessed with lookup_tokens
  int64_t accepted_tokens = 0;  // of these, right
  double queue_ms = 0;          // submitted to first scheduled
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

}  // namespace oag
