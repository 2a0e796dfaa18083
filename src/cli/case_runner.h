#pragma once

#include <memory>
#include <string>

#include "base/run_control.h"
#include "cli/compile_setup.h"
#include "cli/model_case.h"
#include "engine/session/session.h"

namespace oag::cli {

struct CaseResult {
  enum class Status { kPassed, kFailed, kSkipped };  // skipped: cancelled before its end
  Status status = Status::kSkipped;
  std::string reason;  // why it failed, one line
  double ms = 0;
};

// Loads the case's model and compares what it makes of each data set's inputs with the outputs there.
// Whatever is wrong with the case makes it failed.
CaseResult run_case(const ModelCase& model_case, const std::shared_ptr<Runtime>& runtime,
                    const CompileSetup& setup, const RunControl& control);

}  // namespace oag::cli
