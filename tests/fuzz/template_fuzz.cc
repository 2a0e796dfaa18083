// Compiles arbitrary bytes as a chat template and renders it against a small conversation.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "llm/text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const oag::Json context = oag::parse_json(
      R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"image"},{"type":"text","text":"é\n"}]},
          {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{"a":1.5}}}]}],
          "tools":[{"type":"function","function":{"name":"f","parameters":{"x":[1,true,null]}}}],
          "add_generation_prompt":true,"bos_token":"<s>","eos_token":"</s>"})",
      "context");
  oag::RenderLimits limits;
  limits.max_steps = 20'000;
  limits.max_output_bytes = 1 << 20;
  try {
    const std::string source(reinterpret_cast<const char*>(data), size);
    oag::ChatTemplate::compile(source, "fuzz").render(context, limits);
  } catch (const oag::Error&) {
  }
  return 0;
}
