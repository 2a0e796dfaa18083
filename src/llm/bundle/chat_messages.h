#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "llm/text/tokenizer.h"

namespace oag {

// How texts and pictures of one message join. Engines differ, and a model answers as it was trained:
// docs/prompts.md shows both.
enum class ContentFormat {
  kList,    // parts in their order, which the template writes one after the other: transformers
  kString,  // one text, the pictures' tokens first, joined by newlines: vLLM's "string"
};

// "list" or "string".
std::string_view content_format_name(ContentFormat format);

// A conversation as chat templates take it.
struct ChatMessages {
  Json list = Json::array();          // for render_chat
  std::vector<std::string> pictures;  // where each is, in order: a data URI, another address, or "" for a
                                      // part that names none
};

// Brings a list of messages in OpenAI's layout into the one of `format`. A message has a role, any text, and
// a content: a text, a list of parts of type text, image or image_url, or null, which is an empty text; its
// other keys stay. What
// looks like a control token anywhere in a message becomes plain text in encode_rendered_chat, but for the
// assistant's, whose own words may hold such tokens (<think>). `where` names the list in errors.
// Errors: kInvalidArgument naming the message and part; kUnsupported for parts of another type.
ChatMessages read_chat_messages(const Tokenizer& tokenizer, const Json& messages, ContentFormat format,
                                std::string_view where = "messages");

// The message of a user with `images` pictures, which name no address, and a text behind them.
Json user_message(std::string_view text, size_t images);

}  // namespace oag
