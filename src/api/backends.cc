#include "api/backends.h"

namespace oag {

#define OAG_BACKEND(space, backend) \
  namespace space {                 \
  extern const Backend backend;     \
  }
#include "engine/device/backend_list.inc"
#undef OAG_BACKEND

std::span<const Backend* const> default_backends() {
  static constexpr const Backend* kBackends[] = {
#define OAG_BACKEND(space, backend) &space::backend,
#include "engine/device/backend_list.inc"
#undef OAG_BACKEND
  };
  return kBackends;
}

}  // namespace oag
