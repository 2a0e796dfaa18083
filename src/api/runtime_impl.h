#pragma once

#include <memory>

#include "engine/session/runtime.h"
#include "openautoglm/openautoglm.h"

namespace openautoglm {

// Errors: kInvalidArgument for a number of threads out of range.
void check_options(const RuntimeOptions& options);

struct Runtime::Impl {
  std::shared_ptr<oag::Runtime> runtime;
};

}  // namespace openautoglm
