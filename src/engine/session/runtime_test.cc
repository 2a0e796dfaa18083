#include "engine/session/runtime.h"

#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/error.h"
#include "tests/no_new_threads.h"
#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

TEST(Runtime, RunsWaitingWorkByPriority) {
  const auto runtime = std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", 1, 1});
  std::mutex mutex;
  std::vector<int> order;
  std::atomic<bool> go{false};
  std::atomic<int> ended{0};
  runtime->enqueue(9, [&] {
    while (!go.load()) std::this_thread::yield();
  });
  for (const int priority : {1, 3, 2, 3}) {
    runtime->enqueue(priority, [&, priority] {
      std::lock_guard lock(mutex);
      order.push_back(priority);
      ++ended;
    });
  }
  go.store(true);
  while (ended.load() < 4) std::this_thread::yield();
  EXPECT_EQ(order, (std::vector<int>{3, 3, 2, 1}));
}

// Holds the only driver of a Runtime until it is opened or goes away.
class Gate {
 public:
  explicit Gate(Runtime& runtime) {
    std::promise<void> inside;
    runtime.enqueue(100, [&inside, opened = open_.get_future().share()] {
      inside.set_value();
      opened.wait();
    });
    inside.get_future().wait();
  }
  ~Gate() { open(); }
  void open() {
    if (!std::exchange(is_open_, true)) open_.set_value();
  }

 private:
  std::promise<void> open_;
  bool is_open_ = false;
};

std::shared_ptr<Runtime> one_driver(int max_queued = 1024) {
  return std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", 1, 1, max_queued});
}

TEST(Session, CancelEndsARunThatWaitsAtOnce) {
  const auto runtime = one_driver();
  const Session session(runtime, polynomial());
  Gate gate(*runtime);
  std::weak_ptr<Buffer> input;
  int calls = 0;
  const RunHandle handle = [&] {
    RunBindings bindings{{floats({3}, {1})}, {}};
    input = bindings.inputs[0].buffer();
    return session.submit(std::move(bindings));
  }();
  handle.on_done([&](RunState state) { calls += state == RunState::kCancelled ? 1 : 100; });
  EXPECT_EQ(handle.status(), RunState::kQueued);
  handle.cancel();
  EXPECT_EQ(handle.status(), RunState::kCancelled);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(input.expired());  // it is in no queue
  handle.cancel();
  EXPECT_EQ(calls, 1);
  gate.open();
  EXPECT_EQ(session.submit({{floats({3}, {1})}, {}}).wait(), RunState::kDone);
}

TEST(Session, RefusesSubmitsBeyondTheQueue) {
  const auto runtime = one_driver(2);
  const Session session(runtime, polynomial());
  const auto submit = [&] { return session.submit({{floats({3}, {1})}, {}}); };
  Gate gate(*runtime);
  const RunHandle first = submit(), second = submit();
  try {
    submit();
    ADD_FAILURE() << "a third run was queued";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBusy);
    EXPECT_STREQ(error.what(), "queue: 1 runs are at work and 2 wait already; try again later");
  }
  first.cancel();
  const RunHandle third = submit();
  gate.open();
  EXPECT_EQ(second.wait(), RunState::kDone);
  EXPECT_EQ(third.wait(), RunState::kDone);
}

TEST(Session, ADeadlineEndsARunThatWaitsAndFreesItsPlace) {
  const auto runtime = one_driver(2);
  const Session session(runtime, polynomial());
  Gate gate(*runtime);
  const auto submit = [&](std::optional<TimePoint> deadline) {
    return session.submit({{floats({3}, {1})}, {}}, {.deadline = deadline});
  };
  const RunHandle patient = submit({});
  std::promise<RunState> told;
  const RunHandle late = submit(Clock::now() + std::chrono::milliseconds(20));
  late.on_done([&](RunState state) { told.set_value(state); });
  ASSERT_EQ(late.wait(Clock::now() + std::chrono::seconds(10)), RunState::kDeadlineExceeded);
  EXPECT_EQ(told.get_future().get(), RunState::kDeadlineExceeded);
  EXPECT_THROW(late.outputs(), Error);
  late.cancel();
  EXPECT_EQ(late.status(), RunState::kDeadlineExceeded);
  const RunHandle next = submit(Clock::now() + std::chrono::hours(1));  // in the place that became free
  EXPECT_EQ(patient.status(), RunState::kQueued);
  gate.open();
  EXPECT_EQ(patient.wait(), RunState::kDone);
  EXPECT_EQ(next.wait(), RunState::kDone);
}

TEST(Session, ACallbackThatThrowsStopsNeitherTheOthersNorTheDriver) {
  const auto runtime = one_driver();
  const Session session(runtime, polynomial());
  const auto submit = [&] { return session.submit({{floats({3}, {1})}, {}}); };
  Gate gate(*runtime);
  const RunHandle handle = submit();
  std::promise<RunState> told;
  handle.on_done([](RunState) { throw 7; });
  handle.on_done([](RunState) { throw std::runtime_error("disk is full"); });
  handle.on_done([&](RunState state) { told.set_value(state); });
  gate.open();
  EXPECT_EQ(told.get_future().get(), RunState::kDone);
  handle.on_done([](RunState) { throw 7; });  // at once, on this thread
  runtime->enqueue(0, [] { throw 7; });
  EXPECT_EQ(submit().wait(), RunState::kDone);
}

#if defined(__GLIBC__)

TEST(Runtime, ADriverThatCannotStartIsAnErrorAndNothingIsQueued) {
  const auto runtime = one_driver(0);
  const Session session(runtime, polynomial());
  const RunBindings bindings{{floats({3}, {1})}, {}};
  {
    const test::NoNewThreads none;
    for (int i = 0; i < 3; ++i) {
      try {
        session.submit(bindings);
        ADD_FAILURE() << "a run was queued that nobody will take";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
        EXPECT_EQ(std::string(error.what()).find("runtime: the system gives no thread"), 0u) << error.what();
      }
    }
  }
  EXPECT_EQ(session.submit(bindings).wait(), RunState::kDone);
}

TEST(Runtime, DriversThatRunTakeTheWorkOfOneThatCannotStart) {
  const auto runtime = std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", 1, 2});
  const Session session(runtime, polynomial());
  Gate gate(*runtime);
  const test::NoNewThreads none;
  const RunHandle handle = session.submit({{floats({3}, {1})}, {}});
  gate.open();
  EXPECT_EQ(handle.wait(), RunState::kDone);
}

#endif

TEST(Runtime, MayBeDestroyedByItsOwnDriver) {
  const auto ended = std::make_shared<std::promise<void>>();
  std::weak_ptr<Runtime> gone;
  {
    auto runtime = one_driver();
    gone = runtime;
    Gate gate(*runtime);
    auto session = std::make_shared<Session>(runtime, polynomial());
    session->submit({{floats({3}, {1})}, {}}).on_done([session, ended](RunState) mutable {
      session.reset();
      ended->set_value();
    });
    session.reset();
    runtime.reset();
    EXPECT_FALSE(gone.expired());
  }
  ASSERT_EQ(ended->get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_TRUE(gone.expired());
}

TEST(Runtime, TakesNoWorkWhileItIsTakenDown) {
  auto runtime = std::make_unique<Runtime>(RuntimeOptions{default_backends(), "cpu", 1, 1, 100'000});
  Runtime& stopping = *runtime;
  std::promise<void> inside;
  std::optional<ErrorCode> code;
  int accepted = 0;
  std::atomic<int> ran{0};
  stopping.enqueue(0, [&] {
    inside.set_value();
    for (const TimePoint start = Clock::now(); !code && elapsed_ms(start) < 5000;) {
      try {
        stopping.enqueue(0, [&] { ++ran; });
        ++accepted;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      } catch (const Error& error) {
        code = error.code();
      }
    }
  });
  inside.get_future().wait();
  runtime.reset();
  EXPECT_EQ(code, ErrorCode::kCancelled);
  EXPECT_EQ(ran.load(), accepted);  // what it took, it ran
}

TEST(Runtime, NamesTheDevicesItHas) {
  try {
    Runtime runtime({default_backends(), "gpu"});
    FAIL() << "an unknown device was opened";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "device gpu: is not one of this build's devices: cpu");
  }
  EXPECT_THROW(Runtime({default_backends(), "cpu:z80"}), Error);
  EXPECT_THROW(Runtime({default_backends(), "cpu:"}), Error);
}

}  // namespace
}  // namespace oag
