#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "llm/bundle/bundle.h"
#include "llm/text/chat_template.h"
#include "llm/text/tokenizer.h"

namespace oag {

// The model's chat template, ready to render; warns where it is not the file's own. Errors: as
// ChatTemplate::compile.
ChatTemplate compile_chat_template(const ModelBundle& bundle);

// A conversation as prompt text. `messages` is an array of {role, content}. Errors: as ChatTemplate::render.
std::string render_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const Json& messages,
                        bool add_generation_prompt = true);

// The token ids of a rendered prompt. Most templates write the bos token themselves; where one does not, and
// the model wants it, it is put in front.
std::vector<TokenId> encode_rendered_chat(const Tokenizer& tokenizer, std::string_view prompt);

}  // namespace oag
