#include "base/compute_pool.h"

#include <sched.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

#include "base/thread_name.h"

namespace oag {
namespace {

constexpr int64_t kInlineNs = 20'000;
constexpr int kNobody = INT_MIN;

// A sleeping worker costs tens of microseconds to wake, so it first looks for work this long.
constexpr auto kSpin = std::chrono::microseconds(50);

// Nobody is told of a cancel, so a region that waits looks for one this often.
constexpr auto kLook = std::chrono::milliseconds(2);

// The gate: bit 0, whether workers may enter; how many are inside; the regions so far.
constexpr uint64_t kOpen = 1, kInside = 2, kRegion = uint64_t{1} << 16;
constexpr uint64_t kInsideMask = kRegion - kInside;
constexpr uint64_t regions(uint64_t gate) {
  return gate / kRegion;
}

void pause_briefly(int round) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
  // On an oversubscribed machine the thread that is waited for may need this processor.
  if (round % 64 == 63) std::this_thread::yield();
}

}  // namespace

int allowed_processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

struct ComputePool::Region {
  const RunControl& control;
  int64_t tiles;
  FunctionRef<void(int64_t, int)> tile;
  alignas(64) std::atomic<bool> stop{false};        // cancelled, or giving way
  std::vector<std::pair<int64_t, int64_t>> left{};  // tiles of each share, while another region is at work
  std::mutex error_mutex{};
  std::exception_ptr error{};  // of the first tile that threw
};

// What one thread does while it waits: brings its part of the bytes hinted at into its cache, a few lines at
// a time.
class ComputePool::Prefetch {
 public:
  Prefetch(const ComputePool& pool, int worker) : pool_(pool), worker_(static_cast<size_t>(worker)) {}

  // False when there is nothing to do.
  bool step() {
    const uint64_t hints = pool_.hints_.load(std::memory_order_acquire);
    if (hints != hints_) begin(hints);
    if (at_ >= end_) return false;
    for (const uintptr_t stop = std::min(at_ + kStepBytes, end_); at_ < stop; at_ += kLineBytes)
      __builtin_prefetch(reinterpret_cast<const void*>(at_), 0, kSecondLevel);
    return true;
  }

 private:
  static constexpr size_t kLineBytes = 64, kStepBytes = 8 * kLineBytes;
  static constexpr size_t kMostBytes = size_t{128} << 10;  // fits a second-level cache beside what is at work
  static constexpr int kSecondLevel = 2;

  void begin(uint64_t hints) {
    hints_ = hints;
    const auto first = reinterpret_cast<uintptr_t>(pool_.hint_begin_.load(std::memory_order_relaxed));
    const size_t bytes = pool_.hint_bytes_.load(std::memory_order_relaxed);
    const size_t threads = pool_.shares_.size();
    at_ = first + bytes * worker_ / threads;
    end_ = std::min(first + bytes * (worker_ + 1) / threads, at_ + kMostBytes);
  }

  const ComputePool& pool_;
  const size_t worker_;
  uint64_t hints_ = 0;
  uintptr_t at_ = 0, end_ = 0;
};

ComputePool::ComputePool(int threads) : best_waiting_(kNobody) {
  constexpr int kMost = static_cast<int>(kInsideMask / kInside);
  const int total = std::min(threads > 0 ? threads : allowed_processors(), kMost);
  shares_ = std::vector<Share>(static_cast<size_t>(total));
  try {
    for (int worker = 1; worker < total; ++worker)
      workers_.emplace_back([this, worker] { worker_main(worker); });
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
    // The system gives no more threads: those that started do the work.
  }
}

ComputePool::~ComputePool() {
  {
    std::lock_guard lock(sleep_mutex_);
    stopping_.store(true);
  }
  work_ready_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ComputePool::outranked(int priority) const {
  return best_waiting_.load(std::memory_order_relaxed) > priority;
}

// Waits for the pool; false when `control` stops the run first.
bool ComputePool::acquire(const RunControl& control) {
  std::unique_lock lock(admission_mutex_);
  if (!busy_ && waiters_.empty()) {
    busy_ = true;
    return true;
  }
  const int priority = control.priority();
  const uint64_t ticket = next_ticket_++;
  waiters_.push_back({priority, ticket});
  best_waiting_.store(std::max(best_waiting_.load(), priority));
  const auto is_first = [&] {
    return std::none_of(waiters_.begin(), waiters_.end(), [&](const Waiter& other) {
      return other.priority > priority || (other.priority == priority && other.ticket < ticket);
    });
  };
  const auto may_enter = [&] { return !busy_ && is_first(); };
  while (!may_enter() && !control.should_stop()) {
    const TimePoint look = Clock::now() + kLook;
    admission_changed_.wait_until(lock, std::min(look, control.deadline().value_or(look)), may_enter);
  }
  const bool entered = may_enter();
  std::erase_if(waiters_, [&](const Waiter& waiter) { return waiter.ticket == ticket; });
  int best = kNobody;
  for (const Waiter& waiter : waiters_) best = std::max(best, waiter.priority);
  best_waiting_.store(best);
  if (entered) {
    busy_ = true;
    return true;
  }
  lock.unlock();
  admission_changed_.notify_all();  // who was behind may be first now
  return false;
}

void ComputePool::release() {
  bool wake = false;
  {
    std::lock_guard lock(admission_mutex_);
    busy_ = false;
    wake = !waiters_.empty();
  }
  if (wake) admission_changed_.notify_all();
}

// Every worker's first tiles, or what is left of them.
void ComputePool::share_out(Region& region) {
  const auto count = static_cast<int64_t>(shares_.size());
  for (int64_t i = 0; i < count; ++i) {
    Share& share = shares_[static_cast<size_t>(i)];
    const auto [begin, end] = region.left.empty()
                                  ? std::pair(region.tiles * i / count, region.tiles * (i + 1) / count)
                                  : region.left[static_cast<size_t>(i)];
    share.next.store(begin, std::memory_order_relaxed);
    share.end = end;
  }
}

// Keeps what is left of the region that was at work; false when nothing is.
bool ComputePool::take_back(Region& region) {
  if (!region.stop.load()) return false;
  region.left.clear();
  bool some = false;
  for (const Share& share : shares_) {
    region.left.emplace_back(std::min(share.next.load(), share.end), share.end);
    some = some || region.left.back().first < share.end;
  }
  return some;
}

void ComputePool::run_tiles(Region& region, int worker) {
  const size_t count = shares_.size();
  for (size_t i = 0; i < count; ++i) {
    Share& share = shares_[(static_cast<size_t>(worker) + i) % count];
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      if (region.stop.load(std::memory_order_relaxed)) return;
      if (region.control.should_stop() || outranked(region.control.priority())) {
        region.stop.store(true);
        return;
      }
      const int64_t tile = share.next.fetch_add(1);
      if (tile >= share.end) break;
      try {
        region.tile(tile, worker);
      } catch (...) {
        std::lock_guard lock(region.error_mutex);
        if (!region.error) region.error = std::current_exception();
        region.stop.store(true);
      }
    }
  }
}

void ComputePool::run_region(Region& region) {
  region.stop.store(false);
  share_out(region);
  region_ = &region;
  // Nobody is inside. Either a worker about to sleep sees this, or it is seen among the sleepers below.
  gate_.store((regions(gate_.load()) + 1) * kRegion + kOpen);
  if (sleepers_.load() > 0) {
    {
      std::lock_guard lock(sleep_mutex_);
    }  // it waits by now
    work_ready_.notify_all();
  }
  run_tiles(region, 0);
  gate_.fetch_and(~kOpen);
  Prefetch prefetch(*this, 0);
  for (int round = 0; (gate_.load(std::memory_order_acquire) & kInsideMask) != 0; ++round) {
    if (!prefetch.step()) pause_briefly(round);
  }
}

bool ComputePool::parallel_for(const RunControl& control, int64_t tiles, int64_t ns_per_tile,
                               FunctionRef<void(int64_t, int)> tile) {
  if (control.should_stop()) return false;
  if (tiles <= 1 || workers_.empty() || tiles * ns_per_tile < kInlineNs) {
    for (int64_t i = 0; i < tiles; ++i) {
      if (control.should_stop()) return false;
      tile(i, 0);
    }
    return true;
  }
  Region region{control, tiles, tile};
  bool unfinished = true;
  while (unfinished && !region.error && !control.should_stop()) {
    if (!acquire(control)) return false;
    run_region(region);
    unfinished = take_back(region);
    release();
  }
  if (region.error) std::rethrow_exception(region.error);
  return !unfinished;
}

void ComputePool::expect_reads(std::span<const std::byte> bytes) {
  hint_begin_.store(bytes.data(), std::memory_order_relaxed);
  hint_bytes_.store(bytes.size(), std::memory_order_relaxed);
  hints_.fetch_add(1, std::memory_order_release);
}

// Waits for another region than the `seen` ones; false when the pool ends.
bool ComputePool::wait_for_region(uint64_t seen, Prefetch& prefetch) {
  const auto has_work = [&] { return regions(gate_.load()) != seen || stopping_.load(); };
  const TimePoint spin_until = Clock::now() + kSpin;
  for (int round = 0; !has_work(); ++round) {
    if (!prefetch.step()) pause_briefly(round);
    if (round % 32 != 31 || Clock::now() < spin_until) continue;
    std::unique_lock lock(sleep_mutex_);
    sleepers_.fetch_add(1);
    work_ready_.wait(lock, has_work);
    sleepers_.fetch_sub(1);
  }
  return !stopping_.load();
}

// Enters the region at work, which is `seen` from then on, unless it takes no more workers.
bool ComputePool::enter(uint64_t& seen) {
  uint64_t gate = gate_.load();
  while ((gate & kOpen) != 0) {
    if (!gate_.compare_exchange_weak(gate, gate + kInside)) continue;
    seen = regions(gate);
    return true;
  }
  seen = regions(gate);
  return false;
}

void ComputePool::worker_main(int worker) {
  name_thread("oag-compute");
  Prefetch prefetch(*this, worker);
  for (uint64_t seen = 0; wait_for_region(seen, prefetch);) {
    if (!enter(seen)) continue;
    run_tiles(*region_, worker);
    gate_.fetch_sub(kInside, std::memory_order_release);
  }
}

}  // namespace oag
