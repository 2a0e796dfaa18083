#include "llm/generate/language_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <latch>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "engine/formats/gguf/gguf_file.h"
#include "llm/generate/prompt_lookup.h"
#include "tests/no_new_threads.h"
#include "tests/tiny_generation.h"

namespace oag {
namespace {

using test::greedy;
using test::prompt_of;
using test::test_runtime;

const ModelBundle& tiny() {
  return test::tiny_llama();
}

LanguageModelOptions options(int64_t context, int64_t cache, int64_t sequences) {
  return test::tiny_options(context, cache, sequences);
}

TEST(LanguageModel, AnswersInABatchEqualAnswersAlone) {
  std::vector<std::vector<TokenId>> alone;
  {
    LanguageModel model(test_runtime(), tiny(), options(128, 0, 1));
    for (int i = 0; i < 8; ++i)
      alone.push_back(model.submit(greedy(prompt_of(i, 5 + 9 * i), 12)).result().token_ids);
  }
  LanguageModel model(test_runtime(), tiny(), options(128, 1024, 8));
  std::vector<Generation> generations;
  for (int i = 0; i < 8; ++i) generations.push_back(model.submit(greedy(prompt_of(i, 5 + 9 * i), 12)));
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(generations[i].result().token_ids, alone[i]) << "sequence " << i;
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

// Answers that repeat themselves, so that many guesses are right, and draws, of which few are.
TEST(LanguageModel, GuessedTokensChangeNoAnswer) {
  LanguageModel model(test_runtime(), tiny(), options(256, 0, 1));
  int64_t accepted = 0, drafted = 0;
  for (int i = 0; i < 6; ++i) {
    std::vector<TokenId> prompt = prompt_of(i, 20);
    const std::vector<TokenId> once = prompt;
    prompt.insert(prompt.end(), once.begin(), once.end());
    GenerationRequest request = greedy(prompt, 150);
    if (i % 3 == 1) request.sampling.temperature = 0.3f;
    if (i % 3 == 2) request.sampling.repeat_penalty = 1.05f;
    const GenerationResult plain = model.submit(request).result();
    EXPECT_EQ(plain.drafted_tokens, 0);
    for (const int64_t most : {1, 5, 16}) {
      request.lookup_tokens = most;
      const GenerationResult guessed = model.submit(request).result();
      EXPECT_EQ(guessed.token_ids, plain.token_ids) << "prompt " << i << ", drafts of " << most;
      EXPECT_EQ(guessed.text, plain.text);
      EXPECT_LE(guessed.accepted_tokens, guessed.drafted_tokens);
      const GenerationResult again = model.submit(request).result();
      EXPECT_EQ(again.accepted_tokens, guessed.accepted_tokens);
      accepted += guessed.accepted_tokens;
      drafted += guessed.drafted_tokens;
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, drafted);
  EXPECT_EQ(model.free_pages(), model.runner().pages());
  GenerationRequest request = greedy(prompt_of(1, 5), 3);
  request.lookup_tokens = PromptLookup::kMost + 1;
  EXPECT_THROW(model.submit(request), Error);
}

// A prompt whose answer repeats what stands in it, so that guesses are right.
GenerationRequest repeating_request(LanguageModel& model) {
  for (int seed = 0; seed < 100; ++seed) {
    GenerationRequest request = greedy(prompt_of(seed, 20), 150);
    const std::vector<TokenId> answer = model.submit(request).result().token_ids;
    request.prompt.insert(request.prompt.end(), answer.begin(), answer.begin() + 120);
    request.max_tokens = 60;
    request.lookup_tokens = 8;
    const GenerationResult result = model.submit(request).result();
    const std::set<TokenId> distinct(result.token_ids.begin(), result.token_ids.end());
    if (result.accepted_tokens > 20 && distinct.size() >= 4) return request;
  }
  throw std::runtime_error("no answer repeats itself");
}

TEST(LanguageModel, AStopTextAmongGuessesEndsTheAnswer) {
  LanguageModel model(test_runtime(), tiny(), options(256, 0, 1));
  GenerationRequest request = repeating_request(model);
  const GenerationResult free = model.submit(request).result();
  int stopped = 0;
  for (const size_t at : {3u, 5u, 17u, 40u}) {
    const std::string stop = tiny().tokenizer->decode(std::vector<TokenId>{free.token_ids[at]});
    if (stop.empty()) continue;
    request.stop = {stop};
    request.lookup_tokens = 0;
    const GenerationResult plain = model.submit(request).result();
    request.lookup_tokens = 8;
    const GenerationResult guessed = model.submit(request).result();
    EXPECT_EQ(guessed.token_ids, plain.token_ids);
    EXPECT_EQ(guessed.text, plain.text);
    EXPECT_EQ(guessed.finish_reason, plain.finish_reason);
    stopped += plain.finish_reason == FinishReason::kStop;
  }
  EXPECT_GT(stopped, 0);
}

TEST(LanguageModel, AnEndTokenAmongGuessesEndsTheAnswer) {
  GenerationRequest request;
  std::vector<TokenId> answer;
  {
    LanguageModel model(test_runtime(), tiny(), options(256, 0, 1));
    request = repeating_request(model);
    answer = model.submit(request).result().token_ids;
  }
  // A token that comes for the first time after a few others ends answers from now on; the prompt has it.
  size_t at = 2;
  while (std::find(answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(at), answer[at]) !=
         answer.begin() + static_cast<std::ptrdiff_t>(at)) {
    ASSERT_LT(++at, answer.size());
  }
  ModelBundle bundle = tiny();
  Vocabulary vocabulary = bundle.tokenizer->vocabulary();
  vocabulary.more_end_ids = {answer[at]};
  bundle.tokenizer = Tokenizer::create(vocabulary);
  LanguageModel model(test_runtime(), bundle, options(256, 0, 1));
  request.ignore_end = false;
  const GenerationResult guessed = model.submit(request).result();
  EXPECT_EQ(guessed.finish_reason, FinishReason::kStop);
  EXPECT_GT(guessed.accepted_tokens, 0);
  answer.resize(at);
  EXPECT_EQ(guessed.token_ids, answer);
}

TEST(LanguageModel, ACallbackThatWantsNoMoreStopsAmongGuesses) {
  LanguageModel model(test_runtime(), tiny(), options(256, 0, 1));
  GenerationRequest request = repeating_request(model);
  const std::vector<TokenId> whole = model.submit(request).result().token_ids;
  for (const size_t wanted : {1u, 2u, 7u, 30u}) {
    size_t seen = 0;
    request.on_token = [&](const TokenEvent&) { return ++seen < wanted; };
    const GenerationResult result = model.submit(request).result();
    EXPECT_EQ(result.finish_reason, FinishReason::kCancelled);
    EXPECT_EQ(result.token_ids,
              std::vector<TokenId>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(wanted)));
  }
}

TEST(LanguageModel, MoreRequestsThanPagesAllEnd) {
  LanguageModel model(test_runtime(), tiny(), options(64, 64, 8));
  std::vector<Generation> generations;
  for (int i = 0; i < 12; ++i) generations.push_back(model.submit(greedy(prompt_of(i, 20), 20)));
  for (const Generation& generation : generations) {
    EXPECT_EQ(generation.result().finish_reason, FinishReason::kLength);
    EXPECT_EQ(generation.result().token_ids.size(), 20u);
  }
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

TEST(LanguageModel, TokensArriveInOrderAndMakeUpTheText) {
  LanguageModel model(test_runtime(), tiny(), options(128, 0, 2));
  std::vector<TokenId> ids;
  std::string text;
  GenerationRequest request = greedy(prompt_of(1, 10), 30);
  request.on_token = [&](const TokenEvent& event) {
    if (ids.empty() || ids.back() != event.id || !event.text.empty()) ids.push_back(event.id);
    text += event.text;
    return true;
  };
  const GenerationResult result = model.submit(request).result();
  EXPECT_EQ(result.text, text);
  EXPECT_EQ(result.prompt_tokens, 10);
  EXPECT_GE(result.ttft_ms, result.prefill_ms);
}

TEST(LanguageModel, NoTokensAreMadeWhenNoneAreWantedAndThePromptIsCheckedAllTheSame) {
  LanguageModel model(test_runtime(), tiny(), options(32, 0, 1));
  int calls = 0;
  GenerationRequest request = greedy(prompt_of(1, 10), 0);
  request.on_token = [&](const TokenEvent&) { return ++calls > 0; };
  const GenerationResult result = model.submit(request).result();
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
  EXPECT_EQ(result.token_ids, std::vector<TokenId>{});
  EXPECT_EQ(result.text, "");
  EXPECT_EQ(result.prompt_tokens, 10);
  EXPECT_EQ(calls, 0);
  EXPECT_THROW(model.submit(greedy({}, 0)), Error);
  EXPECT_THROW(model.submit(greedy(prompt_of(1, 32), 0)), Error);
  EXPECT_THROW(model.submit(greedy({100000}, 0)), Error);
  EXPECT_THROW(model.submit(greedy(prompt_of(1, 10), -2)), Error);
  EXPECT_EQ(model.submit(greedy(prompt_of(1, 10), -1)).result().token_ids.size(), 22u);
}

// Two prompts that are read at once, the less urgent one admitted first. An answer that is already running
// holds the scheduler still while they are submitted.
TEST(LanguageModel, PromptsOfHigherPriorityAreReadFirst) {
  LanguageModel model(test_runtime(), tiny(), options(512, 2048, 3));
  std::latch low_submitted(1), high_submitted(1), first_token(1), second_token(1);
  int tokens = 0;
  GenerationRequest running = greedy(prompt_of(1, 4), 100);
  running.on_token = [&](const TokenEvent&) {
    if (++tokens == 1) {
      first_token.count_down();
      low_submitted.wait();
    } else if (tokens == 2) {
      second_token.count_down();
      high_submitted.wait();
    }
    return true;
  };
  const Generation background = model.submit(std::move(running));
  std::vector<int> order;  // by first token; the scheduler's thread writes it
  const auto noting = [&](int priority) {
    GenerationRequest request = greedy(prompt_of(priority, 300), 1);
    request.priority = priority;
    request.on_token = [&order, priority](const TokenEvent&) {
      order.push_back(priority);
      return true;
    };
    return request;
  };
  first_token.wait();
  const Generation low = model.submit(noting(1));
  low_submitted.count_down();
  second_token.wait();
  const Generation high = model.submit(noting(2));
  high_submitted.count_down();
  low.wait();
  high.wait();
  background.cancel();
  background.wait();
  EXPECT_EQ(order, (std::vector<int>{2, 1}));
}

TEST(LanguageModel, ACallbackThatThrowsFailsItsOwnAnswerWithItsText) {
  LanguageModel model(test_runtime(), tiny(), options(128, 512, 4));
  const auto expected = model.submit(greedy(prompt_of(3, 12), 30)).result().token_ids;
  for (const int64_t last_token : {int64_t{1}, int64_t{100}}) {
    int calls = 0;
    GenerationRequest throwing = greedy(prompt_of(4, 12), last_token);
    throwing.on_token = [&](const TokenEvent&) -> bool {
      ++calls;
      throw std::runtime_error("disk is full");
    };
    const Generation survivor = model.submit(greedy(prompt_of(3, 12), 30));
    const GenerationResult failed = model.submit(std::move(throwing)).result();
    EXPECT_EQ(failed.finish_reason, FinishReason::kError);
    EXPECT_EQ(failed.error, "the token callback threw: disk is full");
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(survivor.result().token_ids, expected);
  }
  GenerationRequest odd = greedy(prompt_of(4, 12), 5);
  odd.on_token = [](const TokenEvent&) -> bool { throw 7; };
  EXPECT_EQ(model.submit(std::move(odd)).result().error, "the token callback threw");
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

TEST(LanguageModel, ACallbackThatWantsNoMoreEndsItsAnswerAndIsLetGo) {
  LanguageModel model(test_runtime(), tiny(), options(128, 0, 1));
  auto calls = std::make_shared<int>(0);
  GenerationRequest request = greedy(prompt_of(4, 12), 100);
  request.on_token = [calls](const TokenEvent&) { return ++*calls < 3; };
  const GenerationResult result = model.submit(std::move(request)).result();
  EXPECT_EQ(result.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(result.token_ids.size(), 3u);
  EXPECT_EQ(*calls, 3);
  EXPECT_EQ(calls.use_count(), 1);
}

TEST(LanguageModel, ACallbackThatWantsNoMoreAtTheLastTokenCancelsToo) {
  LanguageModel model(test_runtime(), tiny(), options(128, 0, 1));
  GenerationRequest request = greedy(prompt_of(4, 12), 5);
  int calls = 0;
  request.on_token = [&](const TokenEvent&) { return ++calls < 5; };
  const GenerationResult last = model.submit(request).result();
  EXPECT_EQ(last.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(last.token_ids.size(), 5u);

  // Held back: all of the text might become the stop text, which goes on with a byte that no text has.
  request = greedy(prompt_of(2, 10), 5);
  const std::string whole = model.submit(request).result().text;
  ASSERT_FALSE(whole.empty());
  request.stop = {whole + "\xFF"};
  request.on_token = [](const TokenEvent& event) { return event.text.empty(); };
  const GenerationResult tail = model.submit(request).result();
  EXPECT_EQ(tail.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(tail.text, whole);
}

TEST(LanguageModel, ACallbackMayHoldTheLastReferenceToTheModel) {
  for (const bool while_called : {false, true}) {
    auto model = std::make_shared<LanguageModel>(test_runtime(), tiny(), options(128, 512, 2));
    const std::weak_ptr<LanguageModel> gone = model;
    std::latch dropped_here(1);
    auto owner = std::make_shared<std::shared_ptr<LanguageModel>>();
    GenerationRequest request = greedy(prompt_of(4, 12), 3);
    request.on_token = [&dropped_here, owner, while_called](const TokenEvent&) {
      dropped_here.wait();
      if (while_called) owner->reset();
      return true;
    };
    GenerationRequest waiting = greedy(prompt_of(5, 12), 100);
    const Generation first = model->submit(std::move(request));
    const Generation second = model->submit(std::move(waiting));
    *owner = std::move(model);
    owner.reset();
    dropped_here.count_down();
    first.wait();
    EXPECT_EQ(first.result().finish_reason, while_called ? FinishReason::kCancelled : FinishReason::kLength);
    EXPECT_EQ(second.result().finish_reason, FinishReason::kCancelled);
    EXPECT_TRUE(gone.expired());
  }
}

// A norm whose weights are NaN makes every logit NaN.
TEST(LanguageModel, LogitsThatAreNotNumbersFailTheAnswer) {
  const std::filesystem::path path = test::tiny_models_detail::scratch_folder() / "nan.gguf";
  std::filesystem::copy_file(test::tiny_model("llama", "f32"), path,
                             std::filesystem::copy_options::overwrite_existing);
  const auto file = GgufFile::open(path);
  std::fstream bytes(path, std::ios::binary | std::ios::in | std::ios::out);
  const std::string original = read_file(path);
  for (const GgufTensor& tensor : file->tensors()) {
    if (tensor.name != "output_norm.weight") continue;
    const std::vector<float> nans(tensor.bytes.size() / sizeof(float), std::nanf(""));
    const std::string_view stored(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    bytes.seekp(static_cast<std::streamoff>(original.find(stored)));
    bytes.write(reinterpret_cast<const char*>(nans.data()), static_cast<std::streamsize>(stored.size()));
  }
  bytes.close();
  const ModelBundle bundle = load_bundle(path);
  LanguageModel model(test_runtime(), bundle, options(64, 0, 2));
  for (const float temperature : {0.0f, 0.7f}) {
    GenerationRequest request = greedy(prompt_of(1, 10), 5);
    request.sampling.temperature = temperature;
    const GenerationResult result = model.submit(std::move(request)).result();
    EXPECT_EQ(result.finish_reason, FinishReason::kError);
    EXPECT_NE(result.error.find("NaN"), std::string::npos) << result.error;
    EXPECT_TRUE(result.token_ids.empty());
  }
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

#if defined(__GLIBC__)
TEST(LanguageModel, AThreadThatCannotStartIsAnError) {
  const auto runtime = test_runtime();
  const test::NoNewThreads none;
  try {
    LanguageModel model(runtime, tiny(), options(32, 0, 1));
    ADD_FAILURE() << "a model without a thread";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_NE(error.message().find("no thread"), std::string::npos) << error.what();
  }
}
#endif

TEST(LanguageModel, AStopTextEndsTheAnswerBeforeIt) {
  LanguageModel model(test_runtime(), tiny(), options(128, 0, 1));
  const std::string whole = model.submit(greedy(prompt_of(2, 10), 40)).result().text;
  ASSERT_GT(whole.size(), 12u);
  GenerationRequest request = greedy(prompt_of(2, 10), 40);
  request.stop = {whole.substr(8, 3)};
  const GenerationResult result = model.submit(request).result();
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  EXPECT_EQ(result.text, whole.substr(0, whole.find(request.stop[0])));
}

TEST(LanguageModel, CancelGivesThePagesBackAndLeavesOthersAlone) {
  LanguageModel model(test_runtime(), tiny(), options(256, 1024, 4));
  const auto expected = model.submit(greedy(prompt_of(3, 12), 60)).result().token_ids;
  const Generation survivor = model.submit(greedy(prompt_of(3, 12), 60));
  const Generation victim = model.submit(greedy(prompt_of(4, 200), 50));
  victim.cancel();
  EXPECT_EQ(victim.result().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(survivor.result().token_ids, expected);
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

TEST(LanguageModel, ADeadlineEndsTheAnswer) {
  LanguageModel model(test_runtime(), tiny(), options(256, 0, 1));
  GenerationRequest request = greedy(prompt_of(5, 20), 200);
  request.deadline = Clock::now() - std::chrono::milliseconds(1);
  const GenerationResult result = model.submit(request).result();
  EXPECT_EQ(result.finish_reason, FinishReason::kError);
  EXPECT_EQ(result.error, "passed its deadline");
}

TEST(LanguageModel, RefusesWhatCanNeverRun) {
  LanguageModel model(test_runtime(), tiny(), options(32, 0, 1));
  EXPECT_THROW(model.submit(greedy({}, 5)), Error);
  EXPECT_THROW(model.submit(greedy(prompt_of(1, 32), 5)), Error);
  EXPECT_THROW(model.submit(greedy({1, 2, 100000}, 5)), Error);
  EXPECT_THROW(model.submit(greedy({-1}, 5)), Error);
  EXPECT_EQ(model.submit(greedy(prompt_of(1, 31), 500)).result().token_ids.size(), 1u);
}

TEST(LanguageModel, RefusesWhenTooManyWait) {
  LanguageModelOptions limited = options(512, 0, 1);
  limited.max_waiting = 2;
  LanguageModel model(test_runtime(), tiny(), limited);
  std::vector<Generation> accepted;
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    try {
      accepted.push_back(model.submit(greedy(prompt_of(i, 100), 300)));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBusy);
      ++refused;
    }
  }
  EXPECT_GE(refused, 1);
  for (const Generation& generation : accepted) generation.cancel();
}

TEST(LanguageModel, GoesAwayWhileAnswersRun) {
  std::vector<Generation> generations;
  {
    LanguageModel model(test_runtime(), tiny(), options(512, 2048, 4));
    for (int i = 0; i < 6; ++i) generations.push_back(model.submit(greedy(prompt_of(i, 50), 400)));
  }
  for (const Generation& generation : generations) {
    EXPECT_TRUE(generation.done());
    EXPECT_EQ(generation.result().finish_reason, FinishReason::kCancelled);
  }
}

TEST(LanguageModel, ManyThreadsSubmitAndCancel) {
  LanguageModel model(test_runtime(), tiny(), options(128, 512, 4));
  std::vector<std::thread> threads;
  std::atomic<int> ended{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 6; ++i) {
        const Generation generation = model.submit(greedy(prompt_of(t * 10 + i, 10 + i), 20));
        if (i % 2 == 0) generation.cancel();
        generation.wait();
        ++ended;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ended.load(), 24);
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

TEST(ModelRunner, SaysHowMuchMemoryIsNeededBeforeItIsUsed) {
  ModelBundle bundle = tiny();
  bundle.config.context_tokens = int64_t{1} << 40;
  RunnerOptions huge;
  huge.context_tokens = int64_t{1} << 36;
  try {
    ModelRunner runner(test_runtime(), bundle, huge);
    FAIL() << "an absurd cache was allocated";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_NE(error.message().find("would fit (--ctx)"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace oag
