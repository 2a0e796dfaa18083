#include "openautoglm/openautoglm.h"

namespace openautoglm {

struct Error::Parts {
  ErrorCode code;
  std::string where, message, line;
};

Error::Error(ErrorCode code, std::string where, std::string message) {
  std::string line = where.empty() ? message : where + ": " + message;
  parts_ = std::make_shared<const Parts>(Parts{code, std::move(where), std::move(message), std::move(line)});
}

const char* Error::what() const noexcept {
  return parts_->line.c_str();
}
ErrorCode Error::code() const noexcept {
  return parts_->code;
}
const std::string& Error::where() const noexcept {
  return parts_->where;
}
const std::string& Error::message() const noexcept {
  return parts_->message;
}

}  // namespace openautoglm
