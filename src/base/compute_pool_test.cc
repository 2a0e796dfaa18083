#include "base/compute_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace oag {
namespace {

constexpr int64_t kSlow = 1'000'000;  // an estimate that makes regions parallel

TEST(ComputePool, RunsEveryTileOnce) {
  ComputePool pool(4);
  const RunControl control;
  for (const int64_t tiles : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> counts(static_cast<size_t>(tiles));
    EXPECT_TRUE(pool.parallel_for(control, tiles, kSlow, [&](int64_t i, int worker) {
      EXPECT_GE(worker, 0);
      EXPECT_LT(worker, pool.threads());
      ++counts[static_cast<size_t>(i)];
    }));
    for (const auto& count : counts) EXPECT_EQ(count.load(), 1);
  }
}

TEST(ComputePool, TwoTilesNeverShareAWorkerIndexAtOnce) {
  ComputePool pool(4);
  const RunControl control;
  std::vector<std::atomic<int>> inside(4);
  std::atomic<int> clashes{0};
  pool.parallel_for(control, 2000, kSlow, [&](int64_t, int worker) {
    if (++inside[static_cast<size_t>(worker)] != 1) ++clashes;
    --inside[static_cast<size_t>(worker)];
  });
  EXPECT_EQ(clashes.load(), 0);
}

// Each tile waits for the other three, so the region ends in time only if every worker comes. What a worker
// does meanwhile depends on how long ago the last region was: it spins, falls asleep or sleeps.
TEST(ComputePool, EveryWorkerComesHoweverLongItHasWaited) {
  constexpr int kThreads = 4, kRounds = 25;
  constexpr double kPatienceMs = 10'000;
  ComputePool pool(kThreads);
  ASSERT_EQ(pool.threads(), kThreads);
  const RunControl control;
  std::atomic<bool> missed{false};
  for (const int gap : {0, 40, 60, 2000}) {
    for (int round = 0; round < kRounds; ++round) {
      for (const TimePoint end = Clock::now() + std::chrono::microseconds(gap); Clock::now() < end;)
        std::this_thread::yield();
      std::atomic<unsigned> inside{0};  // a bit for each worker
      EXPECT_TRUE(pool.parallel_for(control, kThreads, kSlow, [&](int64_t, int worker) {
        inside.fetch_or(1u << worker);
        for (const TimePoint begin = Clock::now(); inside.load() != (1u << kThreads) - 1 && !missed.load();) {
          if (elapsed_ms(begin) > kPatienceMs) missed.store(true);
          std::this_thread::yield();
        }
      }));
      ASSERT_FALSE(missed.load()) << "only workers " << inside.load() << " came after " << gap << " µs";
    }
  }
}

// Worker w's first tile is the same in each region, so that what it reads there is in its cache.
TEST(ComputePool, EveryWorkerBeginsWithItsOwnTiles) {
  constexpr int kThreads = 4, kEach = 3;
  ComputePool pool(kThreads);
  const RunControl control;
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> inside{0};
    std::vector<std::atomic<int64_t>> first(kThreads);
    for (auto& tile : first) tile.store(-1);
    EXPECT_TRUE(pool.parallel_for(control, kThreads * kEach, kSlow, [&](int64_t i, int worker) {
      auto& mine = first[static_cast<size_t>(worker)];
      if (mine.load() >= 0) return;
      mine.store(i);
      ++inside;  // nobody goes on, to help others, before all have begun
      for (const TimePoint begin = Clock::now(); inside.load() < kThreads && elapsed_ms(begin) < 10'000;)
        std::this_thread::yield();
    }));
    for (int worker = 0; worker < kThreads; ++worker)
      EXPECT_EQ(first[static_cast<size_t>(worker)].load(), worker * kEach);
  }
}

TEST(ComputePool, HintsOfWhatIsReadMayNameAnyMemory) {
  ComputePool pool(2);
  const RunControl control;
  const auto* nowhere = reinterpret_cast<const std::byte*>(uintptr_t{4096});
  std::vector<std::byte> gone(1 << 20);
  for (const std::span<const std::byte> hint :
       {std::span(nowhere, size_t{1} << 40), std::span<const std::byte>(gone),
        std::span<const std::byte>()}) {
    gone = std::vector<std::byte>(1);  // frees what the second hint names
    for (int round = 0; round < 20; ++round) {
      pool.expect_reads(hint);
      std::atomic<int> tiles{0};
      EXPECT_TRUE(pool.parallel_for(control, 8, kSlow, [&](int64_t, int) { ++tiles; }));
      EXPECT_EQ(tiles.load(), 8);
    }
  }
}

TEST(ComputePool, ShortRegionsStayOnTheCaller) {
  ComputePool pool(4);
  const RunControl control;
  const auto caller = std::this_thread::get_id();
  pool.parallel_for(control, 100, 10, [&](int64_t, int) { EXPECT_EQ(std::this_thread::get_id(), caller); });
}

TEST(ComputePool, StopsBetweenTilesWhenCancelled) {
  ComputePool pool(2);
  RunControl control;
  std::atomic<int> done{0};
  EXPECT_FALSE(pool.parallel_for(control, 1'000'000, kSlow, [&](int64_t, int) {
    if (++done == 50) control.cancel();
  }));
  EXPECT_LT(done.load(), 60);
  EXPECT_FALSE(
      pool.parallel_for(control, 10, kSlow, [&](int64_t, int) { FAIL() << "a cancelled run computes"; }));
}

TEST(ComputePool, StopsPastTheDeadline) {
  ComputePool pool(2);
  const RunControl control(0, Clock::now() + std::chrono::milliseconds(20));
  const TimePoint begin = Clock::now();
  EXPECT_FALSE(pool.parallel_for(control, 100'000, kSlow, [](int64_t, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }));
  EXPECT_LT(elapsed_ms(begin), 2000);
}

TEST(ComputePool, WhatATileThrowsReachesTheCallerAndThePoolGoesOn) {
  ComputePool pool(3);
  const RunControl control;
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> done{0};
    try {
      // Every worker's tiles throw, so that one on another thread than the caller's does in some round.
      pool.parallel_for(control, 100'000, kSlow, [&](int64_t i, int) {
        ++done;
        if (i >= 10) throw std::runtime_error("tile " + std::to_string(i));
      });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, 5), "tile ");
    }
    EXPECT_LT(done.load(), 1000);  // the rest was not started
    std::atomic<int> after{0};
    EXPECT_TRUE(pool.parallel_for(control, 50, kSlow, [&](int64_t, int) { ++after; }));
    EXPECT_EQ(after.load(), 50);
  }
}

// A low-priority region is under way; a high-priority one must be let in long before the first has ended.
TEST(ComputePool, AHigherPriorityOvertakesARegionUnderWay) {
  ComputePool pool(2);
  std::atomic<int64_t> low_tiles{0};
  constexpr int64_t kLowTotal = 2000;
  std::thread low([&] {
    const RunControl control(0);
    EXPECT_TRUE(pool.parallel_for(control, kLowTotal, kSlow, [&](int64_t, int) {
      std::this_thread::sleep_for(std::chrono::microseconds(500));
      ++low_tiles;
    }));
  });
  while (low_tiles.load() < 10) std::this_thread::yield();
  const RunControl control(5);
  EXPECT_TRUE(pool.parallel_for(control, 4, kSlow, [](int64_t, int) {}));
  EXPECT_LT(low_tiles.load(), kLowTotal);
  low.join();
  EXPECT_EQ(low_tiles.load(), kLowTotal);
}

// Two tiles that keep the pool until they are let go, or 5 s have passed.
class Holder {
 public:
  explicit Holder(ComputePool& pool)
      : thread_([this, &pool] {
          const RunControl control;
          finished_ = pool.parallel_for(control, 2, kSlow, [&](int64_t, int) {
            inside_.store(true);
            for (const TimePoint begin = Clock::now(); !go_.load() && elapsed_ms(begin) < 5000;)
              std::this_thread::sleep_for(std::chrono::milliseconds(1));
          });
        }) {
    while (!inside_.load()) std::this_thread::yield();
  }
  bool finish() {
    go_.store(true);
    thread_.join();
    return finished_;
  }

 private:
  std::atomic<bool> inside_{false}, go_{false};
  bool finished_ = false;
  std::thread thread_;
};

TEST(ComputePool, ARegionThatWaitsStopsAtItsDeadline) {
  ComputePool pool(2);
  Holder holder(pool);
  const RunControl control(0, Clock::now() + std::chrono::milliseconds(30));
  const TimePoint begin = Clock::now();
  EXPECT_FALSE(pool.parallel_for(control, 4, kSlow, [](int64_t, int) { ADD_FAILURE() << "it computed"; }));
  EXPECT_LT(elapsed_ms(begin), 2500);  // not when the pool became free
  EXPECT_TRUE(holder.finish());
}

TEST(ComputePool, ACancelledWaiterLeavesAndThoseBehindItGoOn) {
  ComputePool pool(2);
  Holder holder(pool);
  RunControl first(7);
  std::atomic<bool> left{false};
  std::thread waiter([&] {
    EXPECT_FALSE(pool.parallel_for(first, 4, kSlow, [](int64_t, int) { ADD_FAILURE() << "it computed"; }));
    left.store(true);
  });
  std::atomic<int> tiles{0};
  std::thread behind([&] {
    const RunControl control;
    EXPECT_TRUE(pool.parallel_for(control, 4, kSlow, [&](int64_t, int) { ++tiles; }));
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // both wait by now, or soon
  first.cancel();
  for (const TimePoint begin = Clock::now(); !left.load() && elapsed_ms(begin) < 2500;)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(left.load());
  EXPECT_TRUE(holder.finish());  // and gives way to nobody who has left
  waiter.join();
  behind.join();
  EXPECT_EQ(tiles.load(), 4);
}

TEST(ComputePool, ManyCallersShareItWithoutLosingTiles) {
  ComputePool pool(3);
  std::vector<std::thread> callers;
  std::atomic<int64_t> sum{0};
  for (int c = 0; c < 8; ++c) {
    callers.emplace_back([&, c] {
      const RunControl control(c % 3);
      for (int round = 0; round < 50; ++round) {
        EXPECT_TRUE(pool.parallel_for(control, 20, kSlow, [&](int64_t i, int) { sum += i; }));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum.load(), 8 * 50 * 190);
}

}  // namespace
}  // namespace oag
