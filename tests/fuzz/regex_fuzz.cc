// Regular expressions from models, the first line, over texts, the rest: an answer or oag::Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "engine/ops/regex.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMaxText = 256;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  const std::string_view text = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
  try {
    oag::Regex(input.substr(0, end), "input").matches(text.substr(0, kMaxText));
  } catch (const oag::Error&) {
  }
  return 0;
}
