#include "cli/step_profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

// Widest cells: with the columns of numbers, a line of 110.
constexpr size_t kOperatorWidth = 16, kKernelWidth = 18, kWeightsWidth = 8, kShapeWidth = 17;
constexpr double kLeastShare = 0.001;  // kinds below it share a row

std::string cut(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 2) + "..";
}

std::string percent(double share) {
  return fmt::format("{:.{}f}", share * 100, share < 0.0995 ? 1 : 0);
}

std::string rate(double amount, double ms) {
  if (amount <= 0 || ms <= 0) return "-";
  const double value = amount / ms / 1e6;  // 10^9 a second
  return fmt::format("{:.{}f}", value, value < 9.95 ? 1 : 0);
}

double all_ops(const StepCost& cost) {
  return cost.f32_ops + cost.int8_ops;
}

double share_of(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

}  // namespace

double Breakdown::between_ms() const {
  double inside = 0;
  for (const OperatorTime& each : operators) inside += each.ms;
  return std::max(0.0, total_ms - inside);
}

LimitShare limit_share(const OperatorTime& time, const MachineLimits& limits) {
  const auto ms = [](double amount, double per_second) {
    return per_second > 0 ? amount / per_second / 1e6 : 0;
  };
  const double memory = ms(time.cost.bytes, limits.bandwidth_gb_s);
  const double arithmetic =
      ms(time.cost.f32_ops, limits.f32_gflop_s) + ms(time.cost.int8_ops, limits.int8_gop_s);
  return {memory >= arithmetic, share_of(std::max(memory, arithmetic), time.ms)};
}

StepProfile::StepProfile(const Program& program) : program_(program) {
  for (const Step& step : program.steps) {
    StepKind kind = step_kind(program, step);
    const auto same = std::find_if(groups_.begin(), groups_.end(),
                                   [&](const OperatorTime& group) { return group.kind == kind; });
    group_of_.push_back(static_cast<size_t>(same - groups_.begin()));
    if (same == groups_.end()) groups_.push_back({std::move(kind), 0, 0, {}});
  }
  drop_sample();
}

void StepProfile::on_step(size_t step, const KernelContext& context, TimePoint begin, TimePoint end) {
  if (!counting_) {
    sample_[group_of_[step]] += elapsed_ms(begin, end);
    return;
  }
  OperatorTime& group = groups_[group_of_[step]];
  group.calls += 1;
  group.cost += step_cost(program_.steps[step], context);
}

void StepProfile::add_sample(double total_ms) {
  samples_.push_back({total_ms, std::move(sample_)});
  drop_sample();
}

Breakdown StepProfile::result() const {
  Breakdown breakdown{0, groups_};
  if (samples_.empty()) return breakdown;
  std::vector<const Sample*> sorted;
  for (const Sample& sample : samples_) sorted.push_back(&sample);
  std::sort(sorted.begin(), sorted.end(),
            [](const Sample* a, const Sample* b) { return a->total_ms < b->total_ms; });
  const size_t first = sorted.size() / 3, end = sorted.size() - first;
  const auto count = static_cast<double>(end - first);
  for (size_t i = first; i < end; ++i) {
    breakdown.total_ms += sorted[i]->total_ms / count;
    for (size_t g = 0; g < groups_.size(); ++g) breakdown.operators[g].ms += sorted[i]->ms[g] / count;
  }
  std::erase_if(breakdown.operators, [](const OperatorTime& each) { return each.calls == 0; });
  std::sort(breakdown.operators.begin(), breakdown.operators.end(),
            [](const OperatorTime& a, const OperatorTime& b) { return a.ms > b.ms; });
  return breakdown;
}

std::string breakdown_table(std::string_view head, const Breakdown& breakdown, const MachineLimits& limits) {
  std::vector<std::vector<std::string>> rows = {
      {"operator", "kernel", "weights", "shape", "calls", "ms", "%", "GB/s", "Gop/s", "limit %"}};
  int more = 0;
  double more_ms = 0, more_calls = 0;
  for (const OperatorTime& each : breakdown.operators) {
    if (each.ms < kLeastShare * breakdown.total_ms) {
      ++more;
      more_ms += each.ms;
      more_calls += each.calls;
      continue;
    }
    const LimitShare limit = limit_share(each, limits);
    rows.push_back({cut(each.kind.op.substr(each.kind.op.starts_with("oag.") ? 4 : 0), kOperatorWidth),
                    cut(each.kind.kernel, kKernelWidth), cut(each.kind.weights, kWeightsWidth),
                    cut(each.kind.shape, kShapeWidth), fmt::format("{:.0f}", each.calls),
                    fmt::format("{:.3f}", each.ms), percent(share_of(each.ms, breakdown.total_ms)),
                    rate(each.cost.bytes, each.ms), rate(all_ops(each.cost), each.ms),
                    fmt::format("{} {}", percent(limit.share), limit.by_memory ? "mem" : "ops")});
  }
  if (more > 0) {
    rows.push_back({fmt::format("{} more kinds", more), "", "", "", fmt::format("{:.0f}", more_calls),
                    fmt::format("{:.3f}", more_ms), percent(share_of(more_ms, breakdown.total_ms)), "", "",
                    ""});
  }
  rows.push_back({"between operators", "", "", "", "", fmt::format("{:.3f}", breakdown.between_ms()),
                  percent(share_of(breakdown.between_ms(), breakdown.total_ms)), "", "", ""});
  return fmt::format("{}: {:.3f} ms\n{}", head, breakdown.total_ms, format_table(rows));
}

Json breakdown_json(const Breakdown& breakdown, const MachineLimits& limits) {
  Json operators = Json::array();
  for (const OperatorTime& each : breakdown.operators) {
    const LimitShare limit = limit_share(each, limits);
    operators.push_back({{"operator", each.kind.op},
                         {"kernel", each.kind.kernel},
                         {"weights", each.kind.weights},
                         {"shape", each.kind.shape},
                         {"calls", static_cast<int64_t>(each.calls)},
                         {"ms", each.ms},
                         {"share", share_of(each.ms, breakdown.total_ms)},
                         {"bytes", each.cost.bytes},
                         {"f32_ops", each.cost.f32_ops},
                         {"int8_ops", each.cost.int8_ops},
                         {"gb_s", share_of(each.cost.bytes / 1e6, each.ms)},
                         {"gop_s", share_of(all_ops(each.cost) / 1e6, each.ms)},
                         {"limit", limit.by_memory ? "memory" : "arithmetic"},
                         {"limit_share", limit.share}});
  }
  return {{"total_ms", breakdown.total_ms},
          {"between_ms", breakdown.between_ms()},
          {"operators", std::move(operators)}};
}

}  // namespace oag::cli
