#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "llm/bundle/bundle.h"
#include "llm/bundle/chat_messages.h"
#include "llm/text/chat_template.h"
#include "llm/text/tokenizer.h"

namespace oag {

// The layout of messages that a model was served with where its makers say so: kString for one whose name or
// file says AutoGLM, whose project starts vLLM with --chat-template-content-format string; else kList.
ContentFormat own_content_format(const ModelBundle& bundle);

// The model's chat template, ready to render; warns where it is not the file's own. Errors: as
// ChatTemplate::compile.
ChatTemplate compile_chat_template(const ModelBundle& bundle);

// A conversation as prompt text. `messages` is an array of {role, content}; `variables` are what else the
// template sees (tools, enable_thinking, …). Errors: as ChatTemplate::render.
std::string render_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const Json& messages,
                        const Json& variables);
std::string render_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const Json& messages,
                        bool add_generation_prompt = true);

// The text of a user as the content of a message: what looks like a control token in it is marked, and
// becomes plain text again in encode_rendered_chat. The mark is the noncharacter U+FDD0; a text's own are
// doubled until then.
std::string shield_control_tokens(const Tokenizer& tokenizer, std::string_view text);

// The same for a text whose control tokens are meant: only its own U+FDD0 are doubled.
std::string keep_control_tokens(std::string_view text);

// A rendered prompt as people may read it: without the marks of shield_control_tokens.
std::string shown_chat(std::string_view rendered);

// The token ids of a rendered prompt. Most templates write the bos token themselves; where one does not, and
// the model wants it, it is put in front.
std::vector<TokenId> encode_rendered_chat(const Tokenizer& tokenizer, std::string_view prompt);

}  // namespace oag
