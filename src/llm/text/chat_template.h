#pragma once

#include <cstddef>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "llm/text/vocabulary.h"

namespace oag {

// What a template may use. Templates come with model files and are not trusted.
struct RenderLimits {
  size_t max_steps = 1'000'000;            // nodes evaluated; making text or items costs steps too
  size_t max_output_bytes = 16ull << 20;   // of the output and of every text made on the way
  std::optional<std::tm> local_time = {};  // what strftime_now sees; the clock's local time when absent
};

// A compiled chat template: the Jinja that models carry, with the settings under which transformers runs it
// (trim_blocks, lstrip_blocks, immutable values, its own tojson, raise_exception and strftime_now). A
// template sees its context and nothing else. Copies share the compiled form; rendering is thread-safe.
class ChatTemplate {
 public:
  // Compiles a template; `name` stands in error messages. Errors: kCorruptData with line, column, seen and
  // expected.
  static ChatTemplate compile(std::string source, std::string name);

  // Renders with the keys of the object `context` as variables: messages, add_generation_prompt, bos_token,
  // tools, … Errors: kInvalidArgument with the template's own message for raise_exception and for operations
  // that fail; kUnsupported past a limit.
  std::string render(const Json& context, const RenderLimits& limits = {}) const;

  const std::string& source() const;
  const std::string& name() const;

 private:
  struct Compiled;
  explicit ChatTemplate(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

  std::shared_ptr<const Compiled> compiled_;
};

// A chat template for model files that carry none.
struct FallbackTemplate {
  std::string_view name;    // "llama-2", "llama-3", "chatml", "chatglm3" or "glm4"
  std::string_view source;  // Jinja
};

// The template of a model's family: by the turn marks that its vocabulary has, else by GGUF architecture name
// and kind of vocabulary; ChatML where nothing is known.
FallbackTemplate fallback_chat_template(std::string_view architecture, const Vocabulary& vocabulary);

}  // namespace oag
