// parse_json on arbitrary bytes: it returns a document or throws oag::Error, and what it returns survives
// being written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  oag::Json document;
  try {
    document = oag::parse_json(text, "input");
  } catch (const oag::Error&) {
    return 0;
  }
  const std::string written = document.dump();
  if (oag::parse_json(written, "written").dump() != written) std::abort();
  return 0;
}
