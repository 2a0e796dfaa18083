#include "service/serve/deadline_watch.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "tests/tiny_service.h"

namespace oag {
namespace {

using std::chrono::milliseconds;

TEST(DeadlineWatch, ActsInTheOrderOfTheirTimes) {
  std::vector<int> order;
  std::promise<void> done;
  DeadlineWatch watch;
  const TimePoint now = Clock::now();
  watch.at(now + milliseconds(60), [&] { done.set_value(); });
  watch.at(now + milliseconds(30), [&] { order.push_back(2); });
  watch.at(now + milliseconds(10), [&] { order.push_back(1); });
  watch.at(now - milliseconds(10), [&] { order.push_back(0); });
  done.get_future().wait();
  EXPECT_GE(Clock::now() - now, milliseconds(60));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(DeadlineWatch, EndsWithoutWaitingForWhatIsNotDue) {
  const TimePoint begin = Clock::now();
  {
    DeadlineWatch().at(begin + std::chrono::hours(1), [] { ADD_FAILURE(); });
  }
  EXPECT_LT(Clock::now() - begin, std::chrono::minutes(1));
}

// The time in the queue of the request workers counts too.
TEST(DeadlineWatch, ADeadlineRunsFromTheRequestsArrival) {
  ServeOptions options = testing::tiny_serve_options();
  options.request_workers = 1;
  const auto service = testing::make_service(options);
  service->start();
  std::promise<void> release;
  service->request_workers().submit(0, [&] { release.get_future().wait(); });
  testing::RawClient client(testing::port_of(*service));
  client.send(testing::post("/v1/completions",
                            R"({"model": "tiny", "prompt": "on", "max_tokens": 1, "deadline_ms": 50})"));
  ASSERT_TRUE(testing::eventually([&] { return service->network().requests == 1; }));
  std::this_thread::sleep_for(milliseconds(100));
  release.set_value();
  const std::string answer = client.read_answer();
  EXPECT_EQ(testing::status_of(answer), 408) << answer;
  service->drain();
}

}  // namespace
}  // namespace oag
