// What decides the tokens of an answer and its end, seen through a model. Logits come from the model's
// runner.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "llm/generate/language_model.h"
#include "llm/generate/prompt_lookup.h"
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

// One model for all tests, gone after them: others count the memory that is promised.
class Answer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<LanguageModel>(test_runtime(), tiny_llama(), tiny_options(256, 1024, 4));
  }
  static void TearDownTestSuite() { model_.reset(); }

 public:
  static inline std::unique_ptr<LanguageModel> model_;
};

LanguageModel& model() {
  return *Answer::model_;
}

size_t vocabulary_size() {
  return tiny_llama().tokenizer->size_tokens();
}

std::vector<TokenId> first(const std::vector<TokenId>& ids, size_t count) {
  return {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count)};
}

// The logits that stand before each token of `answer`, of usable tokens.
std::vector<std::vector<float>> logits_before(const std::vector<TokenId>& prompt,
                                              const std::vector<TokenId>& answer) {
  RunnerOptions options;
  options.context_tokens = 256;
  options.cache_dtype = DType::kF32;
  options.logits_rows = 128;
  ModelRunner runner(test_runtime(), tiny_llama(), options);
  std::vector<TokenId> text = prompt;
  text.insert(text.end(), answer.begin(), answer.end() - 1);
  std::vector<int32_t> pages(static_cast<size_t>(runner.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const SequenceStep step{text, 0, pages, static_cast<int64_t>(prompt.size()) - 1};
  Tensor logits;
  EXPECT_EQ(runner.step(std::span(&step, 1), RunControl(), logits), RunState::kDone);
  std::vector<std::vector<float>> rows;
  for (size_t i = 0; i < answer.size(); ++i) {
    const auto row =
        logits.values<float>().subspan(i * static_cast<size_t>(runner.vocab_size()), vocabulary_size());
    rows.emplace_back(row.begin(), row.end());
  }
  return rows;
}

struct Heard {
  std::vector<TokenId> ids;
  std::string text;
  std::vector<float> logprobs;
  std::vector<std::vector<TokenCandidate>> tops;
};

GenerationResult run(GenerationRequest request, Heard* heard = nullptr) {
  if (heard != nullptr) {
    request.on_token = [heard](const TokenEvent& event) {
      if (!event.is_tail) heard->ids.push_back(event.id);
      heard->text += event.text;
      if (event.logprobs != nullptr) {
        heard->logprobs.push_back(event.logprobs->logprob);
        heard->tops.emplace_back(event.logprobs->top.begin(), event.logprobs->top.end());
      }
      return true;
    };
  }
  return model().submit(std::move(request)).result();
}

// An answer whose first tokens differ from one another, as far as `distinct`.
std::vector<TokenId> plain_answer(GenerationRequest& request, size_t distinct) {
  for (int seed = 0; seed < 100; ++seed) {
    request.prompt = prompt_of(seed, 12);
    const std::vector<TokenId> answer = run(request).token_ids;
    std::vector<TokenId> begin = first(answer, distinct);
    std::sort(begin.begin(), begin.end());
    if (std::adjacent_find(begin.begin(), begin.end()) == begin.end()) return answer;
  }
  throw std::runtime_error("every answer repeats itself");
}

// The first token from `from` on that prints whole characters by itself.
size_t printing_token(const std::vector<TokenId>& answer, size_t from) {
  for (size_t at = from; at < answer.size(); ++at) {
    const std::string text = tiny_llama().tokenizer->decode(
        first({answer.begin() + static_cast<std::ptrdiff_t>(at), answer.end()}, 1));
    if (!text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0; })) return at;
  }
  throw std::runtime_error("no token prints");
}

TEST_F(Answer, LogprobsAreTheModelsOwnWhateverTheSamplerDoes) {
  GenerationRequest request = greedy(prompt_of(3, 20), 16);
  request.sampling.temperature = 1.4f;
  request.sampling.frequency_penalty = 0.7f;
  request.sampling.logit_bias = {{40, 3.0f}};
  request.logprobs = 4;
  Heard heard;
  const GenerationResult result = run(request, &heard);
  ASSERT_EQ(heard.ids, result.token_ids);
  ASSERT_EQ(heard.logprobs.size(), 16u);
  const auto rows = logits_before(request.prompt, result.token_ids);
  for (size_t i = 0; i < rows.size(); ++i) {
    double sum = 0;
    for (const float logit : rows[i]) sum += std::exp(static_cast<double>(logit));
    const auto logprob = [&](TokenId id) { return rows[i][static_cast<size_t>(id)] - std::log(sum); };
    EXPECT_NEAR(heard.logprobs[i], logprob(result.token_ids[i]), 1e-3) << i;
    std::vector<float> sorted = rows[i];
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    ASSERT_EQ(heard.tops[i].size(), 4u);
    for (size_t k = 0; k < 4; ++k) {
      EXPECT_NEAR(heard.tops[i][k].logprob, sorted[k] - std::log(sum), 1e-3);
      EXPECT_NEAR(heard.tops[i][k].logprob, logprob(heard.tops[i][k].id), 1e-3);
    }
  }
  request.logprobs = 0;
  heard = {};
  EXPECT_EQ(run(request, &heard).token_ids, result.token_ids);
  EXPECT_EQ(heard.logprobs.size(), 16u);
  EXPECT_TRUE(heard.tops[0].empty());
}

TEST_F(Answer, PenaltiesCountGeneratedTokensAndChangeGreedyAnswers) {
  GenerationRequest request = greedy(prompt_of(1, 20), 60);
  const std::vector<TokenId> plain = run(request).token_ids;
  request.sampling.frequency_penalty = 0.2f;
  request.sampling.presence_penalty = 0.1f;
  request.sampling.top_p = 0.85f;
  const std::vector<TokenId> penalized = run(request).token_ids;
  EXPECT_NE(penalized, plain);
  const auto rows = logits_before(request.prompt, penalized);
  std::map<TokenId, int> counts;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto value = [&](TokenId id) {
      const int count = counts.contains(id) ? counts[id] : 0;
      return rows[i][static_cast<size_t>(id)] - 0.2 * count - (count > 0 ? 0.1 : 0.0);
    };
    double most = -1e30;
    for (size_t id = 0; id < rows[i].size(); ++id) most = std::max(most, value(static_cast<TokenId>(id)));
    EXPECT_NEAR(value(penalized[i]), most, 1e-3) << i;
    ++counts[penalized[i]];
  }
}

TEST_F(Answer, StopIdsEndItAndAreNoPartOfIt) {
  GenerationRequest request = greedy({}, 12);
  const std::vector<TokenId> plain = plain_answer(request, 8);
  for (const bool skip_special : {true, false}) {
    request.skip_special = skip_special;
    request.stop_ids = {plain[9], plain[5]};
    Heard heard;
    const GenerationResult result = run(request, &heard);
    EXPECT_EQ(result.finish_reason, FinishReason::kStop);
    EXPECT_EQ(result.token_ids, first(plain, 5));
    EXPECT_EQ(heard.ids, result.token_ids);
    EXPECT_EQ(result.text, tiny_llama().tokenizer->decode(result.token_ids, skip_special));
    EXPECT_EQ(heard.text, result.text);
  }
}

TEST_F(Answer, AnEndTokenIsNeverWrittenAlsoWhereControlTokensAre) {
  GenerationRequest request = greedy({}, 12);
  const std::vector<TokenId> plain = plain_answer(request, 6);
  ModelBundle bundle = tiny_llama();
  Vocabulary vocabulary = bundle.tokenizer->vocabulary();
  vocabulary.types.resize(vocabulary.tokens.size(), TokenType::kNormal);
  vocabulary.types[static_cast<size_t>(plain[2])] = TokenType::kControl;
  vocabulary.types[static_cast<size_t>(plain[4])] = TokenType::kControl;
  vocabulary.more_end_ids = {plain[4]};
  bundle.tokenizer = Tokenizer::create(vocabulary);
  LanguageModel other(test_runtime(), bundle, tiny_options(256, 0, 1));
  request.ignore_end = false;
  for (const bool skip_special : {true, false}) {
    request.skip_special = skip_special;
    const GenerationResult result = other.submit(request).result();
    EXPECT_EQ(result.finish_reason, FinishReason::kStop);
    EXPECT_EQ(result.token_ids, first(plain, 4));
    EXPECT_EQ(result.text, bundle.tokenizer->decode(first(plain, 4), skip_special));
    const std::string& control = vocabulary.tokens[static_cast<size_t>(plain[2])];
    EXPECT_EQ(result.text.find(control) == std::string::npos, skip_special);
  }
}

TEST_F(Answer, NothingEndsItBeforeItsLeastLength) {
  GenerationRequest request = greedy({}, 20);
  const std::vector<TokenId> plain = plain_answer(request, 6);
  request.min_tokens = 8;
  request.stop_ids = {plain[3]};
  const GenerationResult barred = run(request);
  EXPECT_EQ(first(barred.token_ids, 3), first(plain, 3));
  EXPECT_GE(barred.token_ids.size(), 8u);
  EXPECT_EQ(std::count(barred.token_ids.begin(), barred.token_ids.end(), plain[3]), 0);
  // It may end right after: the token that comes next stops it.
  request.stop_ids = {plain[8]};
  if (std::find(plain.begin(), plain.begin() + 8, plain[8]) == plain.begin() + 8) {
    EXPECT_EQ(run(request).token_ids, first(plain, 8));
  }
  request.stop_ids.clear();
  const size_t at = printing_token(plain, 2);
  request.stop = {tiny_llama().tokenizer->decode(std::vector<TokenId>{plain[at]})};
  request.min_tokens = 0;
  const GenerationResult stopped = run(request);
  EXPECT_EQ(stopped.finish_reason, FinishReason::kStop);
  EXPECT_LE(stopped.token_ids.size(), at + 1);
  request.min_tokens = static_cast<int64_t>(at) + 2;
  EXPECT_GT(run(request).token_ids.size(), at + 1);
}

TEST_F(Answer, TheStopTextIsPartOfItOnRequest) {
  GenerationRequest request = greedy({}, 12);
  const std::vector<TokenId> plain = plain_answer(request, 6);
  const size_t at = printing_token(plain, 3);
  const std::string stop = tiny_llama().tokenizer->decode(std::vector<TokenId>{plain[at]});
  request.stop = {stop};
  Heard without, with;
  EXPECT_EQ(run(request, &without).text, without.text);
  request.include_stop = true;
  EXPECT_EQ(run(request, &with).text, with.text);
  EXPECT_EQ(with.text, without.text + stop);
}

TEST_F(Answer, BadWordsAreNeverCompleted) {
  GenerationRequest request = greedy({}, 40);
  const std::vector<TokenId> plain = plain_answer(request, 6);
  request.sampling.bad_words = {{plain[2], plain[3]}, {plain[5]}};
  const std::vector<TokenId> answer = run(request).token_ids;
  EXPECT_EQ(first(answer, 3), first(plain, 3));
  EXPECT_EQ(std::count(answer.begin(), answer.end(), plain[5]), 0);
  EXPECT_EQ(std::search(answer.begin(), answer.end(), plain.begin() + 2, plain.begin() + 4), answer.end());
}

TEST_F(Answer, ThinkingThatDoesNotEndIsEnded) {
  GenerationRequest request = greedy({}, 20);
  const std::vector<TokenId> plain = plain_answer(request, 6);
  const std::vector<TokenId> forced = {77, 78, 79};
  request.thinking = ThinkingLimit{5, {"no such text"}, forced};
  for (const int64_t lookup : {0, 8}) {
    request.lookup_tokens = lookup;
    for (const int64_t logprobs : {-1, 0}) {
      request.logprobs = logprobs;
      Heard heard;
      const GenerationResult result = run(request, &heard);
      std::vector<TokenId> begin = first(plain, 5);
      begin.insert(begin.end(), forced.begin(), forced.end());
      EXPECT_EQ(first(result.token_ids, 8), begin);
      EXPECT_EQ(heard.ids, result.token_ids);
      // It goes on as from a prompt that ends with them.
      GenerationRequest rest = greedy(request.prompt, 12);
      rest.prompt.insert(rest.prompt.end(), begin.begin(), begin.end());
      begin = run(rest).token_ids;
      EXPECT_EQ(std::vector<TokenId>(result.token_ids.begin() + 8, result.token_ids.end()), begin);
    }
  }
  const size_t at = printing_token(plain, 2);
  request.thinking->tokens = static_cast<int64_t>(at) + 1;
  request.thinking->ends = {tiny_llama().tokenizer->decode(std::vector<TokenId>{plain[at]})};
  EXPECT_EQ(run(request).token_ids, plain);
}

// An answer that goes round: how many tokens until its last 4 * p are p tokens again and again.
TEST_F(Answer, GoingRoundInCirclesEndsIt) {
  GenerationRequest request = greedy({}, 200);
  const RepetitionLimit limit{.min_pattern = 1, .max_pattern = 16, .min_count = 4};
  for (int seed = 0;; ++seed) {
    ASSERT_LT(seed, 50) << "no answer goes round";
    request.prompt = prompt_of(seed, 12);
    request.repetition.reset();
    request.lookup_tokens = 0;
    const std::vector<TokenId> plain = run(request).token_ids;
    size_t length = 0;
    const auto goes_round = [&](size_t end) {
      for (size_t p = 1; p <= 16 && 4 * p <= end; ++p) {
        size_t i = end - 3 * p;
        while (i < end && plain[i] == plain[i - p]) ++i;
        if (i == end) return true;
      }
      return false;
    };
    while (length <= plain.size() && !goes_round(length)) ++length;
    if (length < 20 || length >= plain.size()) continue;
    request.repetition = limit;
    for (const int64_t lookup : {0, 8}) {
      request.lookup_tokens = lookup;
      const GenerationResult result = run(request);
      EXPECT_EQ(result.finish_reason, FinishReason::kRepetition);
      EXPECT_EQ(finish_reason_name(result.finish_reason), "repetition");
      EXPECT_EQ(result.token_ids, first(plain, length));
    }
    return;
  }
}

TEST_F(Answer, RefusesWhatIsOutOfRange) {
  const auto refused = [](auto&& change) {
    GenerationRequest request = greedy(prompt_of(1, 4), 2);
    change(request);
    try {
      model().submit(request);
      ADD_FAILURE() << "it was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  };
  refused([](GenerationRequest& r) { r.stop_ids = {1 << 20}; });
  refused([](GenerationRequest& r) { r.min_tokens = -1; });
  refused([](GenerationRequest& r) { r.logprobs = -2; });
  refused([](GenerationRequest& r) { r.logprobs = kMostLogprobs + 1; });
  refused([](GenerationRequest& r) { r.sampling.allowed = {-1}; });
  refused([](GenerationRequest& r) { r.thinking = ThinkingLimit{-1, {}, {}}; });
  refused([](GenerationRequest& r) { r.thinking = ThinkingLimit{1, {""}, {}}; });
  refused([](GenerationRequest& r) { r.thinking = ThinkingLimit{1, {}, {-5}}; });
  refused([](GenerationRequest& r) { r.repetition = RepetitionLimit{0, 4, 4}; });
  refused([](GenerationRequest& r) { r.repetition = RepetitionLimit{5, 4, 4}; });
  refused([](GenerationRequest& r) { r.repetition = RepetitionLimit{1, 1 << 20, 4}; });
  refused([](GenerationRequest& r) { r.repetition = RepetitionLimit{1, 4, 1}; });
  LanguageModel other(test_runtime(), tiny_llama(), tiny_options(64, 0, 1));
  refused([&](GenerationRequest& r) { r.leader = other.submit(greedy(prompt_of(1, 4), 2)); });
}

TEST_F(Answer, SiblingsTakeTheirLeadersPromptOver) {
  LanguageModel shared(test_runtime(), tiny_llama(), tiny_options(256, 1024, 4));
  const GenerationRequest request = greedy(prompt_of(5, 100), 6);
  std::vector<Generation> siblings;
  {
    Held held(shared);
    const Generation leader = shared.submit(request);
    for (int i = 0; i < 3; ++i) {
      GenerationRequest sibling = request;
      sibling.leader = leader;
      sibling.priority = i;  // also when it is asked for more urgently
      siblings.push_back(shared.submit(sibling));
    }
    GenerationRequest orphan = request;
    orphan.leader = leader;
    orphan.prompt[0] += 1;
    siblings.push_back(shared.submit(orphan));
    siblings.push_back(leader);
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(siblings[static_cast<size_t>(i)].result().token_ids, siblings[4].result().token_ids);
    EXPECT_EQ(siblings[static_cast<size_t>(i)].result().cached_tokens, 96);
  }
  EXPECT_EQ(siblings[3].result().finish_reason, FinishReason::kLength);
  EXPECT_EQ(siblings[3].result().cached_tokens, 0);
}

TEST_F(Answer, SiblingsOfALeaderThatIsCancelledGoOn) {
  LanguageModel shared(test_runtime(), tiny_llama(), tiny_options(256, 1024, 4));
  std::optional<Held> held(shared);
  const GenerationRequest request = greedy(prompt_of(5, 30), 4);
  const Generation leader = shared.submit(request);
  GenerationRequest sibling = request;
  sibling.leader = leader;
  const Generation follower = shared.submit(sibling);
  leader.cancel();
  held.reset();
  EXPECT_EQ(follower.result().finish_reason, FinishReason::kLength);
  EXPECT_EQ(leader.result().finish_reason, FinishReason::kCancelled);
}

}  // namespace
}  // namespace oag
