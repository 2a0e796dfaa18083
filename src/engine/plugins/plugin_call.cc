#include "engine/plugins/plugin_call.h"

#include <algorithm>

#include "base/control_characters.h"

namespace oag {

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const size_t control = control_size(text);
    line += control > 0 ? ' ' : text.front();
    text.remove_prefix(std::max<size_t>(control, 1));
  }
  return line;
}

}  // namespace oag
