// What many requests at once may and may not do to each other. The oracle of tokens is the same request alone
// on a model that shares no pages.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <semaphore>
#include <thread>

#include "base/error.h"
#include "llm/generate/language_model.h"
#include "tests/tiny_generation.h"

namespace oag {
namespace {

using test::greedy;
using test::Held;
using test::prompt_of;
using test::test_runtime;
using test::tiny_llama;
using test::tiny_options;

constexpr auto kSoon = std::chrono::seconds(20);  // that something happens at all, on a busy machine

std::vector<GenerationResult> each_alone(const std::vector<GenerationRequest>& requests) {
  LanguageModelOptions options = tiny_options(256, 0, 1);
  options.prefix_cache = false;
  LanguageModel model(test_runtime(), tiny_llama(), options);
  std::vector<GenerationResult> results;
  for (const GenerationRequest& request : requests) results.push_back(model.submit(request).result());
  return results;
}

void expect_all_pages_back(const LanguageModel& model) {
  const LanguageModelStats stats = model.stats();
  EXPECT_EQ(stats.pages_free + stats.pages_cached, stats.pages_total);
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.waiting, 0);
  EXPECT_FALSE(stats.pending_since.has_value());
}

// What a callback heard.
struct Heard {
  std::vector<TokenId> ids;
  std::string text;
};

// 16 answers of 15 pages each in a pool of 20.
void run_in_far_too_few_pages(bool prefix_cache) {
  std::vector<GenerationRequest> requests;
  for (int i = 0; i < 16; ++i) {
    requests.push_back(greedy(prompt_of(i % 5, 20 + i % 3), 95));
    requests.back().priority = i % 2;
    if (i % 4 == 1) {
      requests.back().sampling.temperature = 1.2f;
      requests.back().sampling.frequency_penalty = 0.3f;
      requests.back().sampling.seed = static_cast<uint64_t>(i);
    }
    requests.back().stop = {"a text that does not come, so that text is held back at times"};
  }
  const std::vector<GenerationResult> expected = each_alone(requests);
  LanguageModelOptions options = tiny_options(128, 160, 16);
  options.prefix_cache = prefix_cache;
  LanguageModel model(test_runtime(), tiny_llama(), options);
  std::vector<Heard> heard(requests.size());
  std::vector<Generation> answers;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].on_token = [&to = heard[i]](const TokenEvent& event) {
      to.ids.push_back(event.id);
      to.text += event.text;
      return true;
    };
    answers.push_back(model.submit(requests[i]));
  }
  for (size_t i = 0; i < answers.size(); ++i) {
    const GenerationResult result = answers[i].result();
    EXPECT_EQ(result.finish_reason, FinishReason::kLength) << i;
    EXPECT_EQ(result.token_ids, expected[i].token_ids) << i;
    EXPECT_EQ(result.text, expected[i].text) << i;
    EXPECT_EQ(heard[i].text, result.text) << i;
    heard[i].ids.resize(result.token_ids.size());  // the tail may come with the last id once more
    EXPECT_EQ(heard[i].ids, result.token_ids) << i;
  }
  EXPECT_GT(model.stats().preemptions, 10);
  EXPECT_EQ(model.stats().generated_tokens, 16 * 95);
  expect_all_pages_back(model);
}

TEST(Batching, AnswersThatFarExceedTheCacheAllEndAsTheyDoAlone) {
  run_in_far_too_few_pages(true);
}

TEST(Batching, AnswersThatFarExceedTheCacheAllEndWithoutAPrefixCacheToo) {
  run_in_far_too_few_pages(false);
}

// The older answer of lower priority gives way to the younger one, which never loses a step.
TEST(Batching, PagesAreNeverTakenFromAHigherPriority) {
  const GenerationRequest low = greedy(prompt_of(1, 16), 100);
  GenerationRequest high = greedy(prompt_of(2, 16), 100);
  const std::vector<GenerationResult> expected = each_alone({low, high});
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(128, 128, 2));
  std::latch low_runs(1), go_on(1);
  GenerationRequest first = low;
  int low_tokens = 0;
  first.on_token = [&](const TokenEvent&) {
    if (++low_tokens == 1) low_runs.count_down(), go_on.wait();
    return true;
  };
  const Generation older = model.submit(first);
  low_runs.wait();
  std::vector<int64_t> steps;
  int low_tokens_at_end = 0;
  int64_t preemptions = 0;
  high.priority = 1;
  high.on_token = [&](const TokenEvent&) {
    steps.push_back(model.stats().steps);
    low_tokens_at_end = low_tokens;
    preemptions = model.stats().preemptions;
    return true;
  };
  const Generation younger = model.submit(high);
  go_on.count_down();
  EXPECT_EQ(younger.result().token_ids, expected[1].token_ids);
  EXPECT_EQ(older.result().token_ids, expected[0].token_ids);
  ASSERT_EQ(steps.size(), 100u);
  EXPECT_EQ(steps.back() - steps.front(), 99);
  EXPECT_GE(preemptions, 1);
  EXPECT_LT(low_tokens_at_end, 100);
  expect_all_pages_back(model);
}

TEST(Batching, AHigherPriorityFindsAPlaceWhereNoneIsFree) {
  const GenerationRequest low = greedy(prompt_of(1, 16), 100), high = greedy(prompt_of(2, 16), 20);
  const std::vector<GenerationResult> expected = each_alone({low, high});
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(128, 256, 1));
  std::latch low_runs(1), go_on(1);
  int tokens = 0;
  GenerationRequest first = low;
  first.on_token = [&](const TokenEvent&) {
    if (++tokens == 3) low_runs.count_down(), go_on.wait();
    return true;
  };
  const Generation older = model.submit(first);
  low_runs.wait();
  GenerationRequest urgent = high;
  urgent.priority = 5;
  int tokens_before = 0;
  urgent.on_token = [&](const TokenEvent&) { return (tokens_before = tokens) > 0; };
  const Generation younger = model.submit(urgent);
  const Generation equal = model.submit(high);
  go_on.count_down();
  EXPECT_EQ(younger.result().token_ids, expected[1].token_ids);
  EXPECT_EQ(tokens_before, 3);
  EXPECT_EQ(older.result().token_ids, expected[0].token_ids);
  EXPECT_EQ(equal.result().token_ids, expected[1].token_ids);
  EXPECT_EQ(model.stats().preemptions, 1);
}

// --- queue ---

TEST(Batching, ADeadlineEndsARequestInTheQueueWhileAStepRuns) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 512, 2));
  Held held(model);  // no step ends
  GenerationRequest request = greedy(prompt_of(1, 20), 5);
  request.deadline = Clock::now() + std::chrono::milliseconds(30);
  const Generation late = model.submit(request);
  const Generation patient = model.submit(greedy(prompt_of(2, 20), 5));
  ASSERT_TRUE(late.wait(Clock::now() + kSoon));
  EXPECT_EQ(late.result().error, "passed its deadline");
  EXPECT_GE(late.result().queue_ms, 25) << "it was in the queue all the time";
  EXPECT_FALSE(patient.done());
  EXPECT_EQ(model.stats().waiting, 1);
  held.release();
  EXPECT_EQ(patient.result().finish_reason, FinishReason::kLength);
}

TEST(Batching, ACancelEndsARequestInTheQueueWhileAStepRuns) {
  LanguageModelOptions options = tiny_options(256, 512, 2);
  options.max_waiting = 1;
  LanguageModel model(test_runtime(), tiny_llama(), options);
  Held held(model);
  const Generation first = model.submit(greedy(prompt_of(1, 20), 5));
  EXPECT_THROW(model.submit(greedy(prompt_of(1, 20), 5)), Error);
  first.cancel();
  ASSERT_TRUE(first.wait(Clock::now() + kSoon));
  const Generation second = model.submit(greedy(prompt_of(1, 20), 5));  // it has left the queue
  held.release();
  EXPECT_EQ(second.result().finish_reason, FinishReason::kLength);
}

TEST(Batching, ARequestThatEndsInTheQueueMayHoldTheLastReferenceToTheModel) {
  auto model = std::make_shared<LanguageModel>(test_runtime(), tiny_llama(), tiny_options(256, 512, 2));
  const std::weak_ptr<LanguageModel> gone = model;
  std::latch inside(1), go_on(1);
  GenerationRequest running = greedy(prompt_of(1, 4), 100);
  running.on_token = [&](const TokenEvent&) {
    inside.count_down();
    go_on.wait();
    return true;
  };
  const Generation first = model->submit(std::move(running));
  inside.wait();
  auto owner = std::make_shared<std::shared_ptr<LanguageModel>>();
  GenerationRequest request = greedy(prompt_of(1, 20), 5);
  request.on_token = [owner](const TokenEvent&) { return true; };
  const Generation waiting = model->submit(std::move(request));
  *owner = std::move(model);
  owner.reset();
  waiting.cancel();
  ASSERT_TRUE(waiting.wait(Clock::now() + kSoon));
  EXPECT_TRUE(gone.expired());
  EXPECT_FALSE(first.done());
  go_on.count_down();
  EXPECT_EQ(first.result().finish_reason, FinishReason::kCancelled);
}

// --- cancels ---

enum class Stage { kQueued, kPrefill, kDecode, kPreempted };

class Cancels : public ::testing::TestWithParam<std::tuple<Stage, bool>> {};

// An answer that makes one token each time it is told to, and stops the model until then.
class Stepper {
 public:
  explicit Stepper(LanguageModel& model) {
    GenerationRequest request = greedy(prompt_of(98, 4), 50);
    request.on_token = [this](const TokenEvent&) {
      made_.release();
      wanted_.acquire();
      return !ends_;
    };
    generation_ = model.submit(std::move(request));
    made_.acquire();
  }
  ~Stepper() {
    ends_ = true;
    wanted_.release();
    generation_->wait();
  }
  void step() {
    wanted_.release();
    made_.acquire();
  }

 private:
  std::binary_semaphore made_{0}, wanted_{0};
  std::atomic<bool> ends_{false};
  std::optional<Generation> generation_;
};

// Runs `request` until it is at the wanted stage, and cancels it there. Returns how many steps ended between
// the cancel and the request's end.
int64_t cancel_at(LanguageModel& model, GenerationRequest request, Stage stage) {
  std::latch decodes(1), go_on(1);
  int tokens = 0;
  request.on_token = [&](const TokenEvent&) {
    if (++tokens == 3) decodes.count_down(), go_on.wait();
    return true;
  };
  std::optional<Stepper> stepper(model);
  const Generation victim = model.submit(request);
  const auto cancel_before = [&](const auto& release) {
    const int64_t steps = model.stats().steps;
    victim.cancel();
    release();
    EXPECT_TRUE(victim.wait(Clock::now() + kSoon));
    EXPECT_EQ(victim.result().finish_reason, FinishReason::kCancelled);
    return model.stats().steps - steps;
  };
  if (stage == Stage::kQueued) return cancel_before([] {});
  if (stage == Stage::kPrefill) {
    stepper->step();
    EXPECT_EQ(model.stats().running, 2);
    return cancel_before([&] { stepper.reset(); });
  }
  stepper.reset();
  decodes.wait();
  if (stage == Stage::kDecode) return cancel_before([&] { go_on.count_down(); });
  std::latch urgent_runs(1), cancelled(1);
  GenerationRequest urgent = greedy(prompt_of(2, 20), 200);
  urgent.priority = 1;
  urgent.on_token = [&](const TokenEvent&) {
    urgent_runs.count_down();
    cancelled.wait();
    return false;
  };
  const Generation other = model.submit(urgent);
  go_on.count_down();
  urgent_runs.wait();
  EXPECT_EQ(model.stats().preemptions, 1);
  const int64_t steps = cancel_before([&] { cancelled.count_down(); });
  other.wait();
  return steps;
}

TEST_P(Cancels, GiveEverythingBackWithinAStep) {
  const auto [stage, warm] = GetParam();
  LanguageModel model(test_runtime(), tiny_llama(),
                      tiny_options(256, 256, stage == Stage::kPreempted ? 1 : 4));
  const GenerationRequest wanted = greedy(prompt_of(1, 200), 50);
  if (warm) {
    GenerationRequest part = wanted;
    part.prompt.resize(90);
    part.max_tokens = 1;
    model.submit(part).wait();
  }
  EXPECT_LE(cancel_at(model, wanted, stage), 1);
  expect_all_pages_back(model);
  EXPECT_EQ(model.stats().failures, 0);
  EXPECT_EQ(model.submit(wanted).result().token_ids, each_alone({wanted})[0].token_ids);
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Stage, bool>>& info) {
  const char* const names[] = {"Queued", "Prefill", "Decode", "Preempted"};
  const auto [stage, warm] = info.param;
  return std::string(names[static_cast<int>(stage)]) + (warm ? "WithCachedPages" : "Cold");
}

INSTANTIATE_TEST_SUITE_P(Stages, Cancels,
                         ::testing::Combine(::testing::Values(Stage::kQueued, Stage::kPrefill, Stage::kDecode,
                                                              Stage::kPreempted),
                                            ::testing::Bool()),
                         name_of);

TEST(Batching, ACancelledAnswerRunsUntilItIsCountedAsCancelled) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(128, 128, 1));
  GenerationRequest request = greedy(prompt_of(3, 12), 8);
  const std::string text = model.submit(request).result().text;
  ASSERT_FALSE(text.empty());
  // All of the text might become this stop string, so it comes at the end, on the way out.
  request.stop = {text + "which never comes"};
  std::optional<Generation> generation;
  std::latch submitted(1);
  LanguageModelStats seen;
  request.on_token = [&](const TokenEvent& event) {
    submitted.wait();
    generation->cancel();
    if (event.is_tail) seen = model.stats();
    return true;
  };
  generation = model.submit(std::move(request));
  submitted.count_down();
  EXPECT_EQ(generation->result().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(seen.submitted, 2);
  EXPECT_EQ(seen.running, 1);
  EXPECT_EQ(seen.cancellations, 0);
  EXPECT_EQ(model.stats().cancellations, 1);
}

TEST(Batching, RandomRequestsThatComeAndGoLeaveNothingBehind) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(128, 256, 4));
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 25; ++i) {
        GenerationRequest request = greedy(prompt_of(i % 6, 10 + (7 * i + client) % 80), 1 + (5 * i) % 40);
        request.priority = i % 3 == 0 ? client % 2 : 0;
        if (i % 7 == 3) request.deadline = Clock::now() + std::chrono::milliseconds(i);
        std::atomic<int> left{i % 5 == 2 ? 3 : 1000};
        request.on_token = [&left](const TokenEvent&) { return --left > 0; };
        const Generation generation = model.submit(std::move(request));
        if (i % 4 == 1) std::this_thread::sleep_for(std::chrono::microseconds(300 * i));
        if (i % 4 < 2) generation.cancel();
        generation.wait();
        const LanguageModelStats stats = model.stats();
        EXPECT_EQ(stats.submitted, stats.waiting + stats.running + stats.finished);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  expect_all_pages_back(model);
  EXPECT_EQ(model.stats().finished, 100);
}

// --- fairness ---

TEST(Batching, AShortPromptOvertakesALongOneWithinAFewSteps) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(512, 2048, 4));
  Held held(model);
  std::atomic<int64_t> long_step{0}, short_step{0};
  const auto noting = [&](int seed, int64_t length, std::atomic<int64_t>& step) {
    GenerationRequest request = greedy(prompt_of(seed, length), 1);
    request.on_token = [&](const TokenEvent&) { return (step = model.stats().steps) > 0; };
    return request;
  };
  const int64_t before = model.stats().steps;
  const Generation slow = model.submit(noting(1, 500, long_step));
  const Generation quick = model.submit(noting(2, 10, short_step));
  held.release();
  slow.wait();
  quick.wait();
  EXPECT_LE(short_step - before, 3);
  EXPECT_GE(long_step - before, 500 / 64);
}

// The long prompt has half of every step, whatever else comes.
TEST(Batching, ShortPromptsDoNotKeepALongOneFromItsEnd) {
  constexpr int64_t kLong = 400;
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(512, 2048, 4));
  Held held(model);
  const int64_t before = model.stats().steps;
  int64_t done_at = 0;
  GenerationRequest request = greedy(prompt_of(1, kLong), 1);
  request.on_token = [&](const TokenEvent&) { return (done_at = model.stats().steps) > 0; };
  const Generation slow = model.submit(request);
  std::vector<Generation> others;
  for (int i = 0; i < 200; ++i) others.push_back(model.submit(greedy(prompt_of(10 + i, 30), 1)));
  held.release();
  slow.wait();
  EXPECT_LE(done_at - before, kLong / 32 + 2);
  EXPECT_FALSE(others.back().done());
  for (const Generation& other : others) other.wait();
}

// --- stats ---

TEST(Batching, StatsCountWhatWasDone) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(128, 512, 2));
  EXPECT_EQ(model.stats().steps, 0);
  EXPECT_EQ(model.stats().last_step_end, TimePoint{});
  EXPECT_EQ(model.stats().pages_free, 64);
  const TimePoint begin = Clock::now();
  model.submit(greedy(prompt_of(1, 40), 5)).wait();
  LanguageModelStats stats = model.stats();
  EXPECT_EQ(stats.steps, 5);
  EXPECT_GE(stats.last_step_end, begin);
  EXPECT_EQ(stats.prompt_tokens, 40);
  EXPECT_EQ(stats.computed_tokens, 44);
  EXPECT_EQ(stats.generated_tokens, 5);
  EXPECT_EQ(stats.prefix_queries, 40);
  EXPECT_EQ(stats.prefix_hits, 0);
  EXPECT_EQ(stats.finished, 1);
  {
    Held held(model);
    const Generation waiting = model.submit(greedy(prompt_of(1, 40), 5));
    stats = model.stats();
    EXPECT_EQ(stats.running, 1);
    EXPECT_EQ(stats.waiting, 1);
    EXPECT_EQ(stats.pages_cached, 5);
    EXPECT_EQ(stats.pages_free, 58);
    ASSERT_TRUE(stats.pending_since.has_value());
    EXPECT_GE(*stats.pending_since, begin);
    held.release();
    waiting.wait();
  }
  stats = model.stats();
  EXPECT_EQ(stats.prefix_hits, 32);
  EXPECT_EQ(stats.finished, 3);
  EXPECT_EQ(stats.cancellations, 1);
  EXPECT_EQ(stats.failures, 0);
  EXPECT_EQ(stats.preemptions, 0);
  expect_all_pages_back(model);
}

}  // namespace
}  // namespace oag
