// A tokenizer from an arbitrary tokenizer.json: it encodes and decodes, or is refused with oag::Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "llm/text/tokenizer.h"
#include "llm/text/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = oag::Tokenizer::create(oag::read_tokenizer_json(text, "input"), "input");
    tokenizer->decode(tokenizer->encode("A \xE2\x96\x81z<s>\xC3\xA9\xFF 12"));
    tokenizer->decode(tokenizer->encode(text));
  } catch (const oag::Error&) {
  }
  return 0;
}
