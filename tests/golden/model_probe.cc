#include "tests/golden/model_probe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "api/backends.h"

namespace oag::test {
namespace {

RunnerOptions runner_options(const ProbeOptions& options) {
  RunnerOptions runner;
  runner.context_tokens = options.context_tokens;
  runner.page_tokens = 32;
  const int64_t pages = (options.context_tokens + runner.page_tokens - 1) / runner.page_tokens;
  runner.cache_tokens = options.lanes * pages * runner.page_tokens;
  runner.cache_dtype = options.cache_dtype;
  return runner;
}

// How far a lane is.
struct Progress {
  std::vector<TokenId> tokens;  // prompt and the answer so far
  int64_t cached = 0;
  std::vector<int32_t> pages;

  bool done(const Lane& lane) const { return static_cast<int64_t>(lane.greedy.size()) >= lane.answer_tokens; }
};

// Takes the logits of one step's rows of this lane.
void take_rows(Lane& lane, Progress& at, int64_t first_row_position, int64_t rows,
               std::span<const float> logits) {
  const auto prompt = static_cast<int64_t>(lane.prompt.size());
  const size_t vocab = logits.size() / static_cast<size_t>(rows);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t position = first_row_position + row;
    const std::span<const float> values = logits.subspan(vocab * static_cast<size_t>(row), vocab);
    if (lane.on_logits) lane.on_logits(position, values);
    if (position < prompt - 1) continue;
    lane.greedy.push_back(most_likely(values));
    if (lane.forced.empty()) at.tokens.push_back(lane.greedy.back());
  }
}

}  // namespace

ModelProbe::ModelProbe(const ModelBundle& bundle, const ProbeOptions& options)
    : runner_(std::make_shared<Runtime>(RuntimeOptions{default_backends(), "", options.threads}), bundle,
              runner_options(options)),
      pages_per_lane_(runner_.pages_for(options.context_tokens)) {}

void ModelProbe::run(std::span<Lane> lanes) {
  if (static_cast<int64_t>(lanes.size()) * pages_per_lane_ > runner_.pages())
    throw std::runtime_error("more lanes than the probe was made for");
  std::vector<Progress> progress(lanes.size());
  for (size_t i = 0; i < lanes.size(); ++i) {
    Lane& lane = lanes[i];
    lane.greedy.clear();
    progress[i].tokens = lane.prompt;
    // A dictated answer is known as a whole: it is read like a prompt. Its last token is never fed.
    if (!lane.forced.empty())
      progress[i].tokens.insert(progress[i].tokens.end(), lane.forced.begin(), lane.forced.end() - 1);
    progress[i].pages.resize(static_cast<size_t>(pages_per_lane_));
    std::iota(progress[i].pages.begin(), progress[i].pages.end(),
              static_cast<int32_t>(static_cast<int64_t>(i) * pages_per_lane_));
  }
  const auto all_done = [&] {
    for (size_t i = 0; i < lanes.size(); ++i) {
      if (!progress[i].done(lanes[i])) return false;
    }
    return true;
  };
  for (int64_t step = 0; !all_done(); ++step) {
    std::vector<SequenceStep> steps;
    std::vector<size_t> members;
    for (size_t i = 0; i < lanes.size(); ++i) {
      const Lane& lane = lanes[i];
      const Progress& at = progress[i];
      if (at.done(lane) || step < lane.starts_at_step) continue;
      const auto pending = static_cast<int64_t>(at.tokens.size()) - at.cached;
      const int64_t count = std::min(pending, lane.chunk);
      const int64_t wanted_from = lane.wants_prompt_logits ? 0 : static_cast<int64_t>(lane.prompt.size()) - 1;
      steps.push_back(
          {std::span(at.tokens).subspan(static_cast<size_t>(at.cached), static_cast<size_t>(count)),
           at.cached, at.pages, std::clamp<int64_t>(wanted_from - at.cached, 0, count)});
      members.push_back(i);
    }
    Tensor logits;
    RunControl control;
    if (!steps.empty() && runner_.step(steps, control, logits) != RunState::kDone)
      throw std::runtime_error("a step was stopped");
    const auto vocab = static_cast<size_t>(runner_.vocab_size());
    size_t row = 0;
    for (size_t m = 0; m < members.size(); ++m) {
      Progress& at = progress[members[m]];
      const auto count = static_cast<int64_t>(steps[m].tokens.size());
      const int64_t rows = count - steps[m].logits_from;
      const int64_t first = at.cached + steps[m].logits_from;
      at.cached += count;
      if (rows == 0) continue;
      take_rows(lanes[members[m]], at, first, rows,
                logits.values<float>().subspan(vocab * row, vocab * static_cast<size_t>(rows)));
      row += static_cast<size_t>(rows);
    }
  }
}

TokenId most_likely(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) throw std::runtime_error("spans of different sizes are compared");
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(a[i]) - b[i]);
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

}  // namespace oag::test
