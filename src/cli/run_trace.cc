#include "cli/run_trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "cli/output.h"
#include "cli/tensor_values.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

double share_of(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

}  // namespace

void RunTrace::on_step(size_t step, const KernelContext& context, TimePoint begin, TimePoint end) {
  Event event{step, begin, end, ""};
  for (size_t i = 0; i < context.output_count(); ++i) {
    if (context.wants_output(i))
      event.outputs += (event.outputs.empty() ? "" : ", ") + type_text(context.output(i));
  }
  events_.push_back(std::move(event));
}

void RunTrace::start() {
  events_.clear();
  begin_ = end_ = Clock::now();
}

void RunTrace::finish() {
  end_ = Clock::now();
}

std::vector<RunTrace::Row> RunTrace::rows() const {
  std::vector<Row> rows;
  for (const Event& event : events_) {
    const Step& step = program_.steps[event.step];
    const std::string op = step.node->full_op();
    auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& each) {
      return each.op == op && each.kernel == step.kernel_name;
    });
    if (row == rows.end()) row = rows.insert(rows.end(), {op, step.kernel_name});
    ++row->calls;
    row->ms += elapsed_ms(event.begin, event.end);
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.ms > b.ms; });
  return rows;
}

std::string RunTrace::table() const {
  std::vector<std::vector<std::string>> lines = {{"operator", "kernel", "calls", "ms", "%"}};
  double rest = total_ms();
  for (const Row& row : rows()) {
    lines.push_back({printable(row.op), row.kernel, std::to_string(row.calls), fmt::format("{:.3f}", row.ms),
                     fmt::format("{:.1f}", share_of(row.ms, total_ms()) * 100)});
    rest -= row.ms;
  }
  lines.push_back({"between operators", "", "", fmt::format("{:.3f}", std::max(0.0, rest)),
                   fmt::format("{:.1f}", std::max(0.0, share_of(rest, total_ms()) * 100))});
  return fmt::format("one run: {:.3f} ms\n{}", total_ms(), format_table(lines));
}

Json RunTrace::json() const {
  Json operators = Json::array();
  for (const Row& row : rows()) {
    operators.push_back({{"operator", row.op},
                         {"kernel", row.kernel},
                         {"calls", row.calls},
                         {"ms", row.ms},
                         {"share", share_of(row.ms, total_ms())}});
  }
  return {{"total_ms", total_ms()}, {"operators", std::move(operators)}};
}

void RunTrace::write_chrome_trace(const std::filesystem::path& file) const {
  const auto microseconds = [&](TimePoint from, TimePoint to) { return elapsed_ms(from, to) * 1e3; };
  Json events = Json::array();
  for (const Event& event : events_) {
    const Step& step = program_.steps[event.step];
    const std::string op = step.node->full_op();
    events.push_back(
        {{"name", step.node->name.empty() ? op : step.node->name},
         {"cat", op},
         {"ph", "X"},
         {"ts", microseconds(begin_, event.begin)},
         {"dur", microseconds(event.begin, event.end)},
         {"pid", 1},
         {"tid", 1},
         {"args", {{"operator", op}, {"kernel", step.kernel_name}, {"outputs", event.outputs}}}});
  }
  AtomicFile out(file);
  out.write(json_text({{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}));
  out.commit();
}

}  // namespace oag::cli
