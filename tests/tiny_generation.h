#pragma once

#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/backends.h"
#include "llm/generate/language_model.h"
#include "tests/tiny_models.h"

namespace oag::test {

// A llama of a few thousand weights.
inline const ModelBundle& tiny_llama() {
  static const ModelBundle bundle = load_bundle(tiny_model("llama", "bf16"));
  return bundle;
}

inline std::shared_ptr<Runtime> test_runtime(int threads = 2) {
  return std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", threads});
}

// Pages of 8 tokens, steps of 64, of 16 while an answer is made.
inline LanguageModelOptions tiny_options(int64_t context, int64_t cache, int64_t sequences) {
  LanguageModelOptions result;
  result.runner.context_tokens = context;
  result.runner.cache_tokens = cache;
  result.runner.cache_dtype = DType::kF32;
  result.runner.page_tokens = 8;
  result.max_sequences = sequences;
  result.step_tokens = 64;
  result.shared_step_tokens = 16;
  return result;
}

// Token ids that look drawn; the same for the same seed, whatever the length.
inline std::vector<TokenId> prompt_of(int seed, int64_t length) {
  std::vector<TokenId> ids;
  uint32_t random = static_cast<uint32_t>(seed) * 2654435761u + 1;
  for (int64_t i = 0; i < length; ++i) {
    random = random * 1664525 + 1013904223;
    ids.push_back(static_cast<TokenId>(3 + (random >> 8) % 400));
  }
  return ids;
}

inline GenerationRequest greedy(std::vector<TokenId> prompt, int64_t tokens) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = tokens;
  request.sampling.temperature = 0;
  request.ignore_end = true;
  return request;
}

// Holds a model still, inside the callback of an answer of its own, until told to go on.
class Held {
 public:
  explicit Held(LanguageModel& model) {
    GenerationRequest request = greedy(prompt_of(99, 4), 2);
    request.on_token = [this](const TokenEvent&) {
      inside_.count_down();
      released_.wait();
      return false;
    };
    generation_ = model.submit(std::move(request));
    inside_.wait();
  }
  ~Held() {
    if (!released_.try_wait()) release();
  }
  void release() {
    released_.count_down();
    generation_->wait();
  }

 private:
  std::latch inside_{1}, released_{1};
  std::optional<Generation> generation_;
};

}  // namespace oag::test
