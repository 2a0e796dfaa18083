#include "openautoglm/openautoglm.h"

namespace openautoglm {

std::string_view version() {
  return OAG_VERSION;
}

}  // namespace openautoglm
