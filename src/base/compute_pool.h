#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "base/run_control.h"

namespace oag {

// Processors that this process may use: those of its affinity mask. At least 1.
int allowed_processors();

// The threads that compute, shared by every run of a Runtime. It works on one parallel region at a time;
// waiting regions are admitted by priority, then in order of arrival. A region yields to a waiting one of
// higher priority, and stops when its run is cancelled or past its deadline, between any two tiles and while
// it waits.
class ComputePool {
 public:
  // `threads` counts the calling thread, which works too: 1 means no workers. 0 takes every processor allowed
  // to this process.
  explicit ComputePool(int threads = 0);
  ~ComputePool();
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls tile(i, worker) once for each i in [0, tiles), worker in [0, threads()), on the pool's threads and
  // the caller. Returns false when it stopped early because `control` says so; tiles not started are then
  // left out. A region of one tile, or one whose total is estimated under 20 µs, runs on the caller alone.
  // Worker w begins with tile tiles · w / threads() and goes on from there; who is done helps the others.
  // Tiles must not call parallel_for. What a tile throws stops the region and is thrown here once all have
  // ended.
  bool parallel_for(const RunControl& control, int64_t tiles, int64_t ns_per_tile,
                    FunctionRef<void(int64_t, int)> tile);

  // A hint: the tiles of a coming region will read `bytes`, in order. Who waits for work until then brings
  // its part into its cache. Any memory will do: nothing is read.
  void expect_reads(std::span<const std::byte> bytes);

 private:
  struct Region;
  class Prefetch;
  // Tiles that one worker does first; alone on its line, because each counts on its own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  struct Waiter {
    int priority;
    uint64_t ticket;
  };

  void worker_main(int worker);
  bool wait_for_region(uint64_t seen, Prefetch& prefetch);
  bool enter(uint64_t& seen);
  bool acquire(const RunControl& control);
  void release();
  bool outranked(int priority) const;
  void share_out(Region& region);
  bool take_back(Region& region);
  void run_tiles(Region& region, int worker);
  void run_region(Region& region);

  std::vector<std::thread> workers_;
  std::vector<Share> shares_;  // of the region at work, one a thread

  // Admission: who owns the pool.
  std::mutex admission_mutex_;
  std::condition_variable admission_changed_;
  std::vector<Waiter> waiters_;
  uint64_t next_ticket_ = 0;
  bool busy_ = false;
  std::atomic<int> best_waiting_;

  // Hand-over of the one region at work. `gate_` counts regions and the workers inside, and says whether more
  // may enter; it is alone on its line, because workers spin on it.
  alignas(64) std::atomic<uint64_t> gate_{0};
  alignas(64) Region* region_ = nullptr;  // read by who is inside
  // The last hint. Torn reads of it do no harm, since it is only prefetched.
  std::atomic<uint64_t> hints_{0};
  std::atomic<const std::byte*> hint_begin_{nullptr};
  std::atomic<size_t> hint_bytes_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stopping_{false};
  std::mutex sleep_mutex_;
  std::condition_variable work_ready_;
};

}  // namespace oag
