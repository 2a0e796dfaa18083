#include "service/serve/byte_budget.h"

#include <gtest/gtest.h>

#include "tests/tiny_service.h"

namespace oag {
namespace {

using testing::make_service;
using testing::port_of;
using testing::post;
using testing::RawClient;
using testing::status_of;
using testing::tiny_serve_options;

constexpr size_t kMega = size_t{1} << 20;

TEST(ByteBudget, RefusesWhatGoesBeyond) {
  ByteBudget budget(3 * kMega);
  auto first = budget.take(2 * kMega);
  EXPECT_FALSE(budget.take(2 * kMega));
  auto second = budget.take(kMega);
  EXPECT_TRUE(second);
  EXPECT_FALSE(budget.take(kMega));
  EXPECT_TRUE(budget.take(1000)) << "few bytes";
  first.reset();
  EXPECT_TRUE(budget.take(2 * kMega));
  EXPECT_EQ(budget.held(), kMega);
}

TEST(ByteBudget, TakesOneThatIsLargerThanAllWhenNobodyElseHoldsAnything) {
  ByteBudget budget(kMega);
  EXPECT_TRUE(budget.take(5 * kMega));
}

TEST(ByteBudget, GivesBackWhatAHoldNeedsNoMore) {
  ByteBudget budget(3 * kMega);
  const auto hold = budget.take(3 * kMega);
  hold->shrink(kMega);
  EXPECT_EQ(budget.held(), kMega);
  hold->shrink(2 * kMega);
  EXPECT_EQ(budget.held(), kMega);
}

// A body with a member that nobody reads.
std::string large_completion() {
  return R"({"model": "tiny", "prompt": "on", "max_tokens": 900, "ignore_eos": true, "stream": true, "metadata": {"a": ")" +
         std::string(kMega, 'x') + "\"}}";
}

TEST(ByteBudget, BoundsTheBodiesOfRequests) {
  ServeOptions options = tiny_serve_options();
  options.max_held_bytes = 2 * kMega;
  options.http.max_body_bytes = 2 * kMega;
  const auto service = make_service(options);
  service->start();
  auto hold = service->held_bytes().take(3 * kMega / 2);
  {
    RawClient refused(port_of(*service));
    const std::string answer = refused.ask(post("/v1/completions", large_completion()));
    EXPECT_EQ(status_of(answer), 429);
    EXPECT_NE(answer.find("Retry-After: "), std::string::npos);
    RawClient small(port_of(*service));
    EXPECT_EQ(status_of(small.ask(post("/tokenize", R"({"model": "tiny", "prompt": "a"})"))), 200);
  }
  hold.reset();
  RawClient taken(port_of(*service));
  taken.send(post("/v1/completions", large_completion()));
  EXPECT_EQ(status_of(taken.read_until("\r\n\r\n")), 200);
  service->drain();
}

TEST(ByteBudget, LetsGoOfABodyWhenThePromptIsThere) {
  const auto service = make_service(tiny_serve_options());
  service->start();
  const std::shared_ptr<ServedModel> model = service->models().models().front();
  test::Held held(model->language_model());
  RawClient waits(port_of(*service));
  waits.send(post("/v1/completions", large_completion()));
  EXPECT_EQ(status_of(waits.read_until("\r\n\r\n")), 200);
  EXPECT_TRUE(testing::eventually([&] { return service->held_bytes().held() == 0; }));
  EXPECT_EQ(model->admitted(), 1);
  held.release();
  service->drain();
}

}  // namespace
}  // namespace oag
