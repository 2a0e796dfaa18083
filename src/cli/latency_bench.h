#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/json.h"
#include "base/samples.h"
#include "cli/latency_engine.h"

namespace oag::cli {

struct LatencyResult {
  std::string engine;
  double load_ms = 0;
  double first_ms = 0;  // the first run: makes plans, touches memory
  Samples latency_ms;   // of the runs after it
  // Of the outputs from those of the first engine: the greatest difference of two numbers, and the greatest
  // number. Nothing for the first engine and where types or shapes differ.
  std::optional<double> difference, greatest;
};

// Runs the engines in turns, each `repeats` times, beginning with another one each round: what slows the
// machine down for a while slows all of them. Errors: as run_ms.
std::vector<LatencyResult> measure_latency(std::span<const std::unique_ptr<LatencyEngine>> engines,
                                           int repeats, const RunControl& control,
                                           const std::function<void(int done)>& on_round);

std::string latency_table(std::span<const LatencyResult> results);
Json latency_json(const LatencyResult& result, uint64_t peak_bytes);

}  // namespace oag::cli
