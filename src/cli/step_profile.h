#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/device/device.h"
#include "engine/session/step_cost.h"
#include "engine/session/step_observer.h"

namespace oag::cli {

// What the nodes of one kind took in a sample (one decode step, or reading a prompt).
struct OperatorTime {
  StepKind kind;
  double calls = 0, ms = 0;
  StepCost cost;
};

// Where the time of a phase went.
struct Breakdown {
  double total_ms = 0;
  std::vector<OperatorTime> operators;  // the longest first

  double between_ms() const;  // spent in no operator: preparing the batch, handing out tensors, the sampler
};

// Which of the machine's limits an operator is nearer to, and the time that it would take there as a part of
// what it took. Above 1 where values come out of caches.
struct LimitShare {
  bool by_memory = false;
  double share = 0;
};
LimitShare limit_share(const OperatorTime& time, const MachineLimits& limits);

// Times the steps of a program by their kind, sample by sample.
class StepProfile final : public StepObserver {
 public:
  explicit StepProfile(const Program& program);

  void on_step(size_t step, const KernelContext& context, TimePoint begin, TimePoint end) override;

  void drop_sample() { sample_.assign(groups_.size(), 0); }  // of a warm-up
  void add_sample(double total_ms);                          // what ran since the last is one sample
  // While on, runs are counted (calls, bytes, operations) and not timed. One sample is to be counted.
  void count(bool on) { counting_ = on; }

  // The mean over the middle third of the samples by their length: noise of the machine is left out, and the
  // parts still add up.
  Breakdown result() const;

 private:
  struct Sample {
    double total_ms;
    std::vector<double> ms;  // by group
  };

  const Program& program_;
  std::vector<size_t> group_of_;  // by step
  std::vector<OperatorTime> groups_;
  std::vector<double> sample_;
  std::vector<Sample> samples_;
  bool counting_ = false;
};

// The table of --explain, at most 110 columns wide, under a head line.
std::string breakdown_table(std::string_view head, const Breakdown& breakdown, const MachineLimits& limits);
Json breakdown_json(const Breakdown& breakdown, const MachineLimits& limits);

}  // namespace oag::cli
