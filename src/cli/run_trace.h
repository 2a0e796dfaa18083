#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/session/program.h"
#include "engine/session/step_observer.h"

namespace oag::cli {

// When each step of one run began and ended.
class RunTrace final : public StepObserver {
 public:
  explicit RunTrace(const Program& program) : program_(program), begin_(Clock::now()), end_(begin_) {}

  void on_step(size_t step, const KernelContext& context, TimePoint begin, TimePoint end) override;

  void start();   // drops what was seen: the run to trace begins
  void finish();  // it is over

  // The steps' time by operator and kernel, the longest first.
  struct Row {
    std::string op, kernel;
    int calls = 0;
    double ms = 0;
  };
  std::vector<Row> rows() const;
  double total_ms() const { return elapsed_ms(begin_, end_); }

  // A table for people; {total_ms, operators: [{operator, kernel, calls, ms, share}]}.
  std::string table() const;
  Json json() const;

  // In Chrome's trace event format, for chrome://tracing and ui.perfetto.dev. Errors: kIo.
  void write_chrome_trace(const std::filesystem::path& file) const;

 private:
  struct Event {
    size_t step;
    TimePoint begin, end;
    std::string outputs;  // types and dims
  };

  const Program& program_;
  TimePoint begin_, end_;
  std::vector<Event> events_;
};

}  // namespace oag::cli
