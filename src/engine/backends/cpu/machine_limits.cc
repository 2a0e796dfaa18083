#include "engine/backends/cpu/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/clock.h"
#include "engine/backends/cpu/micro_kernels.h"
#include "engine/tensor/tensor.h"

namespace oag::cpu {
namespace {

constexpr size_t kBytes = size_t{512} << 20;
constexpr double kBudgetSeconds = 0.4;
constexpr size_t kMostSamples = 9;

// Runs `work(tile)` for `tiles` tiles on every thread and again until the budget is spent; the median of
// units/s.
template <typename Work>
double median_rate(ComputePool& pool, int64_t tiles, double units, Work work) {
  const RunControl control;
  const TimePoint start = Clock::now();
  std::vector<double> rates;
  do {
    const TimePoint before = Clock::now();
    pool.parallel_for(control, tiles, 1'000'000, [&](int64_t tile, int) { work(tile); });
    const TimePoint after = Clock::now();
    rates.push_back(units / std::chrono::duration<double>(after - before).count());
    if (std::chrono::duration<double>(after - start).count() > kBudgetSeconds) break;
  } while (rates.size() < kMostSamples);
  std::nth_element(rates.begin(), rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2), rates.end());
  return rates[rates.size() / 2];
}

double measure_bandwidth(const MicroKernels& micro, ComputePool& pool) {
  const auto buffer = allocate_host(kBytes);
  constexpr int64_t kTile = 1 << 20;  // floats
  const int64_t tiles = static_cast<int64_t>(kBytes / sizeof(float)) / kTile;
  auto* data = reinterpret_cast<float*>(buffer->data());
  const RunControl control;
  pool.parallel_for(control, tiles, 1'000'000,
                    [&](int64_t tile, int) { std::fill_n(data + tile * kTile, kTile, 1.0f); });
  std::atomic<float> sink{0};
  return median_rate(pool, tiles, static_cast<double>(kBytes) * 1e-9, [&](int64_t tile) {
    sink.store(micro.read_all(data + tile * kTile, kTile), std::memory_order_relaxed);
  });
}

// A loop of multiply-adds, sized so that a tile takes a few milliseconds.
template <typename Loop>
double measure_arithmetic(ComputePool& pool, Loop loop) {
  int64_t rounds = 1000, done = 0;
  for (double seconds = 0; seconds < 4e-3; rounds *= 2) {
    const TimePoint before = Clock::now();
    done = loop(rounds);
    seconds = std::chrono::duration<double>(Clock::now() - before).count();
  }
  const int64_t tiles = 4 * pool.threads();
  return median_rate(pool, tiles, 2e-9 * static_cast<double>(tiles * done),
                     [&](int64_t) { loop(rounds / 2); });
}

}  // namespace

MachineLimits measure_machine_limits(Isa isa, ComputePool& pool) {
  const MicroKernels& micro = micro_kernels(isa);
  MachineLimits limits;
  limits.bandwidth_gb_s = measure_bandwidth(micro, pool);
  std::atomic<float> sink{0};
  const float values[2] = {0.5f, 1.0f};
  limits.f32_gflop_s = measure_arithmetic(pool, [&](int64_t rounds) {
    float result;
    const int64_t done = micro.f32_multiply_adds(rounds, values, &result);
    sink.store(result, std::memory_order_relaxed);
    return done;
  });
  std::vector<int8_t> bytes(512);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<int8_t>(i % 16);
  limits.int8_gop_s = measure_arithmetic(pool, [&](int64_t rounds) {
    float result;
    const int64_t done = micro.int8_multiply_adds(rounds, bytes.data(), &result);
    sink.store(result, std::memory_order_relaxed);
    return done;
  });
  return limits;
}

}  // namespace oag::cpu
