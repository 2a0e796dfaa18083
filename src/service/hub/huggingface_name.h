#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace oag {

// A model on a Hugging Face compatible hub: [hf:]ORG/NAME[@REVISION][:FILE.gguf or :QUANTISATION].
struct HuggingFaceName {
  std::string repository;         // "ORG/NAME"; behind hf: also "NAME" alone, as the oldest models are called
  std::string revision = "main";  // a branch, tag or commit; may hold '/'
  std::string selector;           // which GGUF of several; usually empty

  // The name as the user would write it, without the selector.
  std::string text() const;
};

// Nothing when `text` has not the form of such a name. Errors: kInvalidArgument when it begins with hf: and
// has not.
std::optional<HuggingFaceName> parse_huggingface_name(std::string_view text);

// True when `path` is a relative path of plain segments that stays inside its folder: it comes from a server.
bool is_safe_path(std::string_view path);

}  // namespace oag
