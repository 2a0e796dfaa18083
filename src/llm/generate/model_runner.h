#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/session/session.h"
#include "llm/bundle/bundle.h"
#include "llm/generate/generation.h"
#include "llm/generate/sampler.h"

namespace oag {

struct RunnerOptions {
  int64_t context_tokens = 4096;    // longest sequence
  int64_t cache_tokens = 0;         // positions in the cache, all sequences together; 0: one full context
  DType cache_dtype = DType::kF16;  // f32, f16 or q8_0
  int64_t page_tokens = 32;
  // The largest step that memory is estimated for; others run all the same.
  int64_t step_tokens = 512;
  int64_t logits_rows = 8;
};

// Rows of a vision tower that stand for tokens of a step.
struct ImageRows {
  int64_t token = 0;              // the first of them, counted in the step's tokens of its sequence
  std::span<const float> values;  // [tokens, hidden size]
};

// One sequence's part of a step.
struct SequenceStep {
  std::span<const TokenId> tokens;  // new tokens, at least one
  int64_t first_position = 0;       // of the first of them: how many are in the cache already
  std::span<const int32_t> pages;   // at least enough for first_position + tokens.size()
  int64_t logits_from = 0;          // logits are wanted of tokens[logits_from ..]; tokens.size() for none
  RankRequest rank;                 // with a count: of these tokens the best next ones alone are wanted
  // With M-RoPE, [3, tokens]: positions in time, height and width; empty: first_position and on, in all.
  std::span<const int32_t> axes = {};
  std::span<const ImageRows> images = {};
};

// For each wanted token of steps with a RankRequest, in order, kMostRanked places: logits and ids of the best
// next tokens, best first, of equal logits the lower id; then -inf and -1.
struct RankedLogits {
  Tensor values, ids;  // [rows, kMostRanked] f32 and i32
};

// A language model on a Runtime: its session, its KV cache, and steps over ragged batches. Steps run one at a
// time.
class ModelRunner {
 public:
  // Errors: kInvalidArgument for options out of range; those of compile; kOutOfMemory before the cache is
  // allocated, when weights, cache and the values of a step need more than is free then: with what is needed
  // and what would fit.
  ModelRunner(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
              const RunnerOptions& options);

  // Runs all sequences' new tokens at once and stores their keys and values. On kDone `logits` is [rows,
  // vocab] f32, rows in order of the wanted tokens of steps without a RankRequest, and `ranked`, which such a
  // request needs, has those of the others. A step that did not finish may be repeated: positions are
  // simply written again. Errors: kInvalidArgument for tokens, positions or pages out of range; kCorruptData
  // when the model file was damaged while in use.
  RunState step(std::span<const SequenceStep> sequences, const RunControl& control, Tensor& logits,
                RankedLogits* ranked = nullptr);

  // Errors: kUnsupported when the model was loaded without a vision tower; kInvalidArgument for rows of
  // another width than the model's.
  void check_images(std::span<const PromptImage> images) const;

  // Steps from now on are shown to `observer`, which outlives them; null: to nobody.
  void observe(StepObserver* observer) { observer_ = observer; }

  const RunnerOptions& options() const { return options_; }
  int64_t pages() const { return pages_; }
  int64_t pages_for(int64_t tokens) const {
    return (tokens + options_.page_tokens - 1) / options_.page_tokens;
  }
  int64_t vocab_size() const { return config_.vocab_size; }
  uint64_t cache_bytes() const { return cache_bytes_; }
  const Session& session() const { return session_; }

 private:
  void check(const SequenceStep& step) const;
  void check_axes(const SequenceStep& step) const;
  Tensor positions_of(std::span<const SequenceStep> sequences, int64_t tokens) const;
  void bind_images(std::span<const SequenceStep> sequences, RunBindings& bindings) const;
  void find_lookup_tables();
  void drop_looked_up(size_t tokens);

  TextConfig config_;
  RunnerOptions options_;
  std::shared_ptr<const Weights> weights_;
  Session session_;
  int64_t pages_;
  uint64_t cache_bytes_ = 0;
  StepObserver* observer_ = nullptr;
  std::vector<Tensor> lookup_tables_;  // in the file, of rows that are looked up alone
  size_t lookups_ = 0;                 // since their pages were dropped
  std::vector<Tensor> states_;
  std::vector<size_t> batch_inputs_, image_inputs_, state_inputs_;  // which of the session's inputs they are
};

// Bytes that a model takes while it runs.
struct MemoryNeed {
  uint64_t weights = 0;  // as kernels hold them
  uint64_t cache = 0;
  uint64_t step = 0;  // values of the largest step

  uint64_t total() const { return weights + cache + step; }
};

// What a ModelRunner with these options would take, without taking it. Errors: those of ModelRunner but
// kOutOfMemory.
MemoryNeed memory_need(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                       const RunnerOptions& options);

// Bytes of KV cache for one token of this model.
uint64_t cache_bytes_per_token(const TextConfig& config, DType cache_dtype);

}  // namespace oag
