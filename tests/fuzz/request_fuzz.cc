// Bodies of requests, as every endpoint reads them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "service/protocol/openai_decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const oag::OpenAiDecoder decoders[] = {oag::OpenAiDecoder(false), oag::OpenAiDecoder(true)};
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const oag::OpenAiDecoder& decoder : decoders) {
    for (const auto read :
         {&oag::OpenAiDecoder::chat, &oag::OpenAiDecoder::completion, &oag::OpenAiDecoder::embedding,
          &oag::OpenAiDecoder::tokenize, &oag::OpenAiDecoder::detokenize}) {
      try {
        (decoder.*read)(body);
      } catch (const oag::Error&) {
      }
    }
  }
  return 0;
}
