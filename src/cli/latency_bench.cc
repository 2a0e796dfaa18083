#include "cli/latency_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/output.h"
#include "cli/tensor_values.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

constexpr int kWarmUps = 2;  // after the first run

bool alike(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.dims() == b.dims() && holds_numbers(a.dtype());
}

void compare(const std::vector<Tensor>& seen, const std::vector<Tensor>& first, LatencyResult& result) {
  if (seen.size() != first.size()) return;
  double difference = 0, greatest = 0;
  for (size_t k = 0; k < seen.size(); ++k) {
    if (!alike(seen[k], first[k])) return;
    for (int64_t i = 0; i < seen[k].count(); ++i) {
      const AnyNumber a = number_at(seen[k], i), b = number_at(first[k], i);
      difference = std::max(difference, static_cast<double>(std::abs(a - b)));
      greatest = std::max(greatest, static_cast<double>(std::abs(b)));
    }
  }
  result.difference = difference;
  result.greatest = greatest;
}

}  // namespace

std::vector<LatencyResult> measure_latency(std::span<const std::unique_ptr<LatencyEngine>> engines,
                                           int repeats, const RunControl& control,
                                           const std::function<void(int done)>& on_round) {
  std::vector<LatencyResult> results;
  for (const auto& engine : engines) {
    LatencyResult& result = results.emplace_back(LatencyResult{engine->name(), engine->load_ms()});
    result.first_ms = engine->run_ms(control);
    if (results.size() > 1) compare(engine->outputs(), engines[0]->outputs(), result);
    for (int i = 0; i < kWarmUps; ++i) engine->run_ms(control);
  }
  for (int round = 0; round < repeats; ++round) {
    for (size_t k = 0; k < engines.size(); ++k) {
      const size_t turn = (k + static_cast<size_t>(round)) % engines.size();
      results[turn].latency_ms.add(engines[turn]->run_ms(control));
    }
    on_round(round + 1);
  }
  return results;
}

std::string latency_table(std::span<const LatencyResult> results) {
  std::vector<std::vector<std::string>> rows = {
      {"engine", "load ms", "first ms", "latency ms", "spread", "of the first", "difference"}};
  const double first = results[0].latency_ms.median();
  for (const LatencyResult& result : results) {
    const double median = result.latency_ms.median();
    rows.push_back(
        {printable(result.engine), fmt::format("{:.1f}", result.load_ms),
         fmt::format("{:.2f}", result.first_ms), fmt::format("{:.3g}", median),
         fmt::format("{:.1f} %", result.latency_ms.spread() * 100), fmt::format("{:.2f}", median / first),
         result.difference ? fmt::format("{:.2g} of {:.2g}", *result.difference, *result.greatest) : "-"});
  }
  return format_table(rows);
}

Json latency_json(const LatencyResult& result, uint64_t peak_bytes) {
  return {{"engine", result.engine},
          {"name", "latency"},
          {"runs", result.latency_ms.size()},
          {"load_ms", result.load_ms},
          {"first_ms", result.first_ms},
          {"peak_rss_mb", static_cast<double>(peak_bytes) / 1e6},
          {"latency_ms",
           {{"median", result.latency_ms.median()},
            {"p10", result.latency_ms.at(0.1)},
            {"p90", result.latency_ms.at(0.9)}}},
          {"difference", result.difference ? Json(*result.difference) : Json(nullptr)},
          {"greatest", result.greatest ? Json(*result.greatest) : Json(nullptr)}};
}

}  // namespace oag::cli
