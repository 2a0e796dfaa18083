#pragma once

#include <memory>

#include "engine/session/runtime.h"
#include "openautoglm/openautoglm.h"

namespace openautoglm {

struct Runtime::Impl {
  std::shared_ptr<oag::Runtime> runtime;
};

}  // namespace openautoglm
