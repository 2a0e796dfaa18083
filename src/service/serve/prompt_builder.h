#pragma once

#include <string>
#include <vector>

#include "llm/generate/generation.h"
#include "service/protocol/request.h"
#include "service/serve/picture_store.h"
#include "service/serve/served_model.h"

namespace oag {

// What a model is asked to go on from.
struct Prompt {
  std::vector<TokenId> tokens;  // one for each picture until place_pictures()
  std::vector<Picture> pictures;
  int64_t picture_tokens = 0;    // that pictures take
  std::string text;              // as rendered; of a completion, its own
  int64_t total_tokens() const;  // with the pictures'
};

// The prompt of a chat: its template over its messages. Warns in `request` of template arguments that the
// template does not know. Errors: those of read_chat_messages, ChatTemplate::render and PictureStore::open;
// RequestError context_length_exceeded.
Prompt chat_prompt(ServedModel& model, Request& request);

// The prompts of a completion. Errors: RequestError.
std::vector<Prompt> completion_prompts(ServedModel& model, const TextRequest& text);

// Puts the rows of the pictures, which are known, in their places.
std::vector<PromptImage> place_pictures(ServedModel& model, Prompt& prompt);

// The messages of /tokenize as the model reads them, a token for each picture. Warns as chat_prompt does.
std::vector<TokenId> tokenize_messages(ServedModel& model, Request& request);

}  // namespace oag
