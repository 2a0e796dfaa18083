// Constrained answers through a model, with constraints that are written out here.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "llm/generate/language_model.h"
#include "llm/generate/token_mask.h"
#include "tests/no_new_threads.h"
#include "tests/tiny_generation.h"

namespace oag {
namespace {

using test::greedy;
using test::Held;
using test::prompt_of;
using test::test_runtime;
using test::tiny_llama;
using test::tiny_options;

// At step i one of choices[i], and nothing after the last.
class Choices : public TokenConstraint {
 public:
  explicit Choices(std::vector<std::vector<TokenId>> choices) : choices_(std::move(choices)) {}

  void mask(std::span<uint32_t> bits) override {
    ++masks;
    mask_thread = std::this_thread::get_id();
    if (fails_at == at_) throw_failure();
    std::fill(bits.begin(), bits.end(), 0);
    const std::vector<uint32_t> allowed = mask_of(choices_.at(at_));
    std::copy(allowed.begin(), allowed.end(), bits.begin());
  }

  bool accept(TokenId id) override {
    accept_thread = std::this_thread::get_id();
    if (at_ == choices_.size()) return false;
    if (std::count(choices_[at_].begin(), choices_[at_].end(), id) == 0) return false;
    ++at_;
    return true;
  }

  bool complete() const override { return at_ == choices_.size(); }

  void throw_failure() const {
    if (throws_error) fail(ErrorCode::kUnsupported, "grammar", "too much work");
    throw std::runtime_error("broken");
  }

  std::atomic<int> masks{0};
  std::thread::id mask_thread, accept_thread;
  size_t fails_at = SIZE_MAX;
  bool throws_error = true;

 private:
  std::vector<std::vector<TokenId>> choices_;
  size_t at_ = 0;
};

std::vector<std::vector<TokenId>> choices_of(int seed, size_t length) {
  std::vector<std::vector<TokenId>> choices;
  for (size_t i = 0; i < length; ++i)
    choices.push_back(prompt_of(seed * 1000 + static_cast<int>(i), 1 + i % 4));
  return choices;
}

void expect_follows(const std::vector<TokenId>& answer, const std::vector<std::vector<TokenId>>& choices) {
  ASSERT_EQ(answer.size(), choices.size());
  for (size_t i = 0; i < answer.size(); ++i) {
    EXPECT_EQ(std::count(choices[i].begin(), choices[i].end(), answer[i]) > 0, true) << i;
  }
}

TEST(Constraint, TheAnswerHoldsWhatItAllowsAndEndsWhereItIsComplete) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 0, 4));
  for (const float temperature : {0.0f, 1.0f}) {
    const auto choices = choices_of(1, 20);
    const auto constraint = std::make_shared<Choices>(choices);
    GenerationRequest request = greedy(prompt_of(2, 30), 100);
    request.sampling.temperature = temperature;
    request.lookup_tokens = 8;
    request.constraint = constraint;
    const GenerationResult result = model.submit(request).result();
    EXPECT_EQ(result.finish_reason, FinishReason::kStop);
    expect_follows(result.token_ids, choices);
    EXPECT_EQ(result.drafted_tokens, 0);
    EXPECT_EQ(constraint->masks.load(), 20);
    EXPECT_EQ(constraint.use_count(), 2) << "the model let it go";
  }
}

// Of equal probability of all tokens that are left: the model's own best among those allowed.
TEST(Constraint, TheBestAllowedTokenIsTaken) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 0, 4));
  const std::vector<TokenId> prompt = prompt_of(2, 30);
  GenerationRequest request = greedy(prompt, 1);
  request.logprobs = kMostLogprobs;
  std::vector<TokenCandidate> order;
  request.on_token = [&](const TokenEvent& event) {
    order.assign(event.logprobs->top.begin(), event.logprobs->top.end());
    return true;
  };
  model.submit(request).wait();
  ASSERT_GT(order.size(), 300u);
  for (const size_t from : {1u, 17u, 200u}) {
    std::vector<TokenId> allowed;
    for (size_t i = from; i < order.size(); i += 3) allowed.push_back(order[i].id);
    GenerationRequest constrained = greedy(prompt, 1);
    constrained.constraint = std::make_shared<Choices>(std::vector<std::vector<TokenId>>{allowed});
    EXPECT_EQ(model.submit(constrained).result().token_ids, std::vector<TokenId>{order[from].id});
  }
}

TEST(Constraint, AnEndTokenItAllowsEndsTheAnswer) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 0, 4));
  const TokenId end = tiny_llama().tokenizer->end_ids()[0];
  GenerationRequest request = greedy(prompt_of(2, 30), 100);
  request.constraint = std::make_shared<Choices>(std::vector<std::vector<TokenId>>{{50}, {51}, {end}, {52}});
  const GenerationResult result = model.submit(request).result();
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  EXPECT_EQ(result.token_ids, (std::vector<TokenId>{50, 51}));
}

TEST(Constraint, OneThatIsCompleteFromTheStartGivesAnEmptyAnswer) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 0, 4));
  GenerationRequest request = greedy(prompt_of(2, 30), 100);
  request.constraint = std::make_shared<Choices>(std::vector<std::vector<TokenId>>{});
  const GenerationResult result = model.submit(request).result();
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  EXPECT_TRUE(result.token_ids.empty());
}

TEST(Constraint, OneThatThrowsEndsItsOwnAnswerAlone) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 1024, 4));
  const GenerationRequest other = greedy(prompt_of(7, 10), 30);
  const std::vector<TokenId> alone = model.submit(other).result().token_ids;
  for (const bool throws_error : {true, false}) {
    const auto choices = choices_of(3, 20);
    const auto constraint = std::make_shared<Choices>(choices);
    constraint->fails_at = 5;
    constraint->throws_error = throws_error;
    GenerationRequest request = greedy(prompt_of(2, 30), 100);
    request.constraint = constraint;
    const Generation beside = model.submit(other);
    const GenerationResult result = model.submit(request).result();
    EXPECT_EQ(result.finish_reason, FinishReason::kError);
    EXPECT_EQ(result.error_code, throws_error ? ErrorCode::kUnsupported : ErrorCode::kInternal);
    EXPECT_EQ(result.error, throws_error ? "grammar: too much work" : "constraint: broken");
    EXPECT_EQ(result.token_ids.size(), 5u);
    EXPECT_EQ(beside.result().token_ids, alone);
  }
}

TEST(Constraint, SeesWhatTheEndOfThinkingPutsIn) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 0, 4));
  GenerationRequest request = greedy(prompt_of(2, 30), 100);
  request.thinking = ThinkingLimit{2, {"no such text"}, {60, 61}};
  request.constraint =
      std::make_shared<Choices>(std::vector<std::vector<TokenId>>{{50}, {51}, {60, 70}, {61}, {52}});
  EXPECT_EQ(model.submit(request).result().token_ids, (std::vector<TokenId>{50, 51, 60, 61, 52}));
  request.constraint =
      std::make_shared<Choices>(std::vector<std::vector<TokenId>>{{50}, {51}, {60}, {62}, {52}});
  const GenerationResult result = model.submit(request).result();
  EXPECT_EQ(result.finish_reason, FinishReason::kError);
  EXPECT_EQ(result.error_code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.token_ids, (std::vector<TokenId>{50, 51, 60}));
}

TEST(Constraint, MasksThatLeaveNothingEndTheAnswerAsAnError) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 0, 4));
  GenerationRequest request = greedy(prompt_of(2, 30), 100);
  request.constraint = std::make_shared<Choices>(std::vector<std::vector<TokenId>>{{50}, {51}, {52}});
  request.sampling.bad_words = {{50, 51}};
  const GenerationResult result = model.submit(request).result();
  EXPECT_EQ(result.finish_reason, FinishReason::kError);
  EXPECT_EQ(result.error_code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(result.request_at_fault);
}

// Pages for a third of what they grow to: answers give way and come back in the middle.
TEST(Constraint, StateSurvivesPreemption) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(128, 128, 6));
  std::vector<Generation> generations;
  std::vector<std::vector<std::vector<TokenId>>> choices;
  const std::vector<TokenId> forced = {60, 61, 62};
  for (int i = 0; i < 6; ++i) {
    choices.push_back(choices_of(10 + i, 50));
    for (size_t k = 0; k < 3; ++k) choices.back()[30 + k].push_back(forced[k]);
    GenerationRequest request = greedy(prompt_of(i, 10), 100);
    request.constraint = std::make_shared<Choices>(choices.back());
    request.thinking = ThinkingLimit{30, {"no such text"}, forced};
    request.repetition = RepetitionLimit{};
    generations.push_back(model.submit(request));
  }
  for (size_t i = 0; i < 6; ++i) {
    const GenerationResult result = generations[i].result();
    EXPECT_EQ(result.finish_reason, FinishReason::kStop);
    expect_follows(result.token_ids, choices[i]);
    EXPECT_TRUE(std::equal(forced.begin(), forced.end(), result.token_ids.begin() + 30));
  }
  EXPECT_GT(model.stats().preemptions, 0);
}

TEST(Constraint, ManyAtOnceWithCancelsAndEnds) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(128, 1024, 8));
  std::vector<Generation> generations;
  for (int i = 0; i < 24; ++i) {
    GenerationRequest request = greedy(prompt_of(i, 10 + i), 40);
    request.constraint = std::make_shared<Choices>(choices_of(i, 15));
    if (i % 3 == 1) request.deadline = Clock::now() + std::chrono::milliseconds(i);
    generations.push_back(model.submit(request));
    if (i % 3 == 2) generations[static_cast<size_t>(i - 1)].cancel();
  }
  for (int i = 0; i < 24; ++i) {
    const GenerationResult result = generations[static_cast<size_t>(i)].result();
    if (i % 3 != 1) {
      EXPECT_EQ(result.token_ids.size(), 15u) << result.error;
    }
  }
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

#if defined(__GLIBC__)
TEST(Constraint, MasksAreComputedAlsoWithoutAThreadForThem) {
  LanguageModel model(test_runtime(1), tiny_llama(), tiny_options(256, 0, 4));
  const auto constraint = std::make_shared<Choices>(choices_of(4, 10));
  GenerationRequest request = greedy(prompt_of(2, 30), 100);
  request.constraint = constraint;
  const test::NoNewThreads none;
  EXPECT_EQ(model.submit(request).result().token_ids.size(), 10u);
  EXPECT_EQ(constraint->mask_thread, constraint->accept_thread);
}
#endif

}  // namespace
}  // namespace oag
