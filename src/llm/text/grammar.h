#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"

namespace oag {

class GrammarProgram;
class GrammarRules;

enum class JsonWhitespace : uint8_t {
  // As pretty-printers write: nothing, one space, or one line break and up to 32 blanks, none before ':' and
  // ','.
  kFlexible,
  kCompact,  // none
};

// A language of texts, independent of any vocabulary. Immutable and thread safe. Texts are matched as bytes;
// grammars speak of characters, which are their UTF-8 form. docs/structured_output.md lists what each kind
// supports and which bounds hold. `where` names the source in errors. Errors of all: kInvalidArgument for
// what is malformed or describes no text at all, kUnsupported for what is well formed but cannot be enforced
// or passes a bound.
class Grammar {
 public:
  // llama.cpp's GBNF; the text is what the rule `root` describes.
  static std::shared_ptr<const Grammar> from_gbnf(std::string_view text, std::string_view where = "grammar");

  // JSON texts that are valid under `schema` (draft 2020-12, the subset of structured outputs), properties in
  // the schema's order. Errors name the place in the schema, such as "json_schema/properties/age".
  static std::shared_ptr<const Grammar> from_json_schema(
      const Json& schema, std::string_view where = "json_schema",
      JsonWhitespace whitespace = JsonWhitespace::kFlexible);

  // JSON texts under `schema` as models write calls behind a mark: what follows `marks.begin`. Without an end
  // mark that is one text; else texts each ended by the mark, further ones begun by the other. Errors: as for
  // from_json_schema.
  struct Marks {
    std::string begin, end;
    bool several = false;
  };
  static std::shared_ptr<const Grammar> from_marked_json(const Json& schema, const Marks& marks,
                                                         std::string_view where);

  // Any JSON object, as response_format json_object asks for.
  static std::shared_ptr<const Grammar> any_json_object(
      JsonWhitespace whitespace = JsonWhitespace::kFlexible);

  // The texts that the whole pattern matches.
  static std::shared_ptr<const Grammar> from_regex(std::string_view pattern,
                                                   std::string_view where = "regex");

  // Exactly one of these texts.
  static std::shared_ptr<const Grammar> from_choices(std::span<const std::string> choices,
                                                     std::string_view where = "choice");

  // One action of the Open-AutoGLM phone agent, do(action="…", …) or finish(message="…"), ending at ")".
  static std::shared_ptr<const Grammar> phone_agent_action();

  const GrammarProgram& program() const { return *program_; }

 private:
  explicit Grammar(std::shared_ptr<const GrammarProgram> program) : program_(std::move(program)) {}

  static std::shared_ptr<const Grammar> make(GrammarRules rules, uint32_t root);

  std::shared_ptr<const GrammarProgram> program_;
};

}  // namespace oag
