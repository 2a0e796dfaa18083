// Every request that was taken ends once, and says so once.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
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

// What on_end heard, and when it was let go.
struct Ending {
  std::atomic<int> calls{0};
  GenerationResult result;
  std::shared_ptr<int> token = std::make_shared<int>();
};

Generation submit(LanguageModel& model, GenerationRequest request, Ending& ending) {
  request.on_end = [&ending, token = ending.token](const GenerationResult& result) {
    ++ending.calls;
    ending.result = result;
  };
  return model.submit(std::move(request));
}

class AnswerEnd : public testing::Test {
 protected:
  void expect(const Ending& ending, FinishReason reason, ErrorCode code = ErrorCode::kInternal) {
    model_.reset();  // after which nothing comes any more
    EXPECT_EQ(ending.calls.load(), 1);
    EXPECT_EQ(ending.result.finish_reason, reason);
    EXPECT_EQ(ending.result.error_code, code);
    EXPECT_EQ(ending.result.error.empty(), reason != FinishReason::kError);
    EXPECT_EQ(ending.token.use_count(), 1);
  }

  std::optional<LanguageModel> model_{std::in_place, test_runtime(), tiny_llama(), tiny_options(256, 0, 1)};
  GenerationRequest request_ = greedy(prompt_of(1, 20), 10);
  Ending ending_;
};

TEST_F(AnswerEnd, IsToldWhenResultAndPagesAreThere) {
  std::atomic<bool> seen{false};
  std::mutex submitting;
  std::optional<Generation> generation;
  request_.on_end = [&](const GenerationResult& result) {
    std::lock_guard lock(submitting);
    EXPECT_TRUE(generation->done());
    EXPECT_EQ(generation->result().token_ids, result.token_ids);
    EXPECT_EQ(result.token_ids.size(), 10u);
    EXPECT_EQ(model_->free_pages(), model_->runner().pages());
    EXPECT_EQ(model_->stats().running, 0);
    // It may ask for more.
    submit(*model_, greedy(prompt_of(2, 5), 3), ending_);
    seen = true;
  };
  {
    std::lock_guard lock(submitting);
    generation = model_->submit(request_);
  }
  generation->wait();
  while (!seen || ending_.calls == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  expect(ending_, FinishReason::kLength);
}

TEST_F(AnswerEnd, OfOneCancelledInTheQueue) {
  Held held(*model_);
  submit(*model_, request_, ending_).cancel();
  held.release();
  expect(ending_, FinishReason::kCancelled);
}

TEST_F(AnswerEnd, OfOneCancelledAtWork) {
  request_.max_tokens = 200;
  request_.on_token = [tokens = 0](const TokenEvent&) mutable { return ++tokens < 5; };
  submit(*model_, request_, ending_).wait();
  expect(ending_, FinishReason::kCancelled);
}

TEST_F(AnswerEnd, OfOneThatPassesItsDeadlineInTheQueue) {
  Held held(*model_);
  request_.deadline = Clock::now() + std::chrono::milliseconds(5);
  submit(*model_, request_, ending_).wait();
  held.release();
  expect(ending_, FinishReason::kError, ErrorCode::kDeadlineExceeded);
}

TEST_F(AnswerEnd, OfOneThatPassesItsDeadlineAtWork) {
  request_.max_tokens = 200;
  request_.deadline = Clock::now() + std::chrono::milliseconds(50);
  request_.on_token = [&](const TokenEvent&) {
    std::this_thread::sleep_until(*request_.deadline);
    return true;
  };
  submit(*model_, request_, ending_).wait();
  expect(ending_, FinishReason::kError, ErrorCode::kDeadlineExceeded);
}

TEST_F(AnswerEnd, OfOneWhoseCallbackThrows) {
  request_.on_token = [](const TokenEvent&) -> bool { throw std::runtime_error("no"); };
  submit(*model_, request_, ending_).wait();
  expect(ending_, FinishReason::kError);
  EXPECT_EQ(ending_.result.error, "the token callback threw: no");
}

TEST_F(AnswerEnd, OfOneWhoseCallbackThrowsAnErrorOfItsKind) {
  request_.on_token = [](const TokenEvent&) -> bool { fail(ErrorCode::kNetwork, "peer", "left"); };
  submit(*model_, request_, ending_).wait();
  expect(ending_, FinishReason::kError, ErrorCode::kNetwork);
}

TEST_F(AnswerEnd, OfThoseThatTheModelTakesDownWithIt) {
  Ending waiting;
  request_.max_tokens = 200;
  submit(*model_, request_, ending_);
  submit(*model_, request_, waiting);
  model_.reset();
  for (const Ending* ending : {&ending_, &waiting}) {
    EXPECT_EQ(ending->calls.load(), 1);
    EXPECT_EQ(ending->result.finish_reason, FinishReason::kCancelled);
    EXPECT_EQ(ending->token.use_count(), 1);
  }
}

TEST_F(AnswerEnd, OfOneWhoseListenerThrowsHurtsNobody) {
  GenerationRequest throwing = request_;
  throwing.on_end = [](const GenerationResult&) { throw std::runtime_error("no"); };
  EXPECT_EQ(model_->submit(throwing).result().finish_reason, FinishReason::kLength);
  EXPECT_EQ(submit(*model_, request_, ending_).result().finish_reason, FinishReason::kLength);
  expect(ending_, FinishReason::kLength);
}

TEST_F(AnswerEnd, IsNotToldOfARequestThatWasRefused) {
  request_.stop_ids = {-1};
  EXPECT_THROW(submit(*model_, request_, ending_), Error);
  EXPECT_EQ(ending_.calls.load(), 0);
  EXPECT_EQ(ending_.token.use_count(), 1);
}

}  // namespace
}  // namespace oag
