#pragma once

#include <span>

#include "service/protocol/field.h"
#include "service/protocol/structured_output.h"

namespace oag {

// The fields of OpenAI's endpoints with the extensions of vLLM, SGLang and llama.cpp.
// One of the names of the longest answer's tokens. Errors: RequestError where another name says otherwise.
void read_max_tokens(std::string_view name, const Json& value, Request& request);

std::span<const Field> text_fields();        // of chats and completions
std::span<const Field> chat_fields();        // of /v1/chat/completions beside these
std::span<const Field> completion_fields();  // of /v1/completions beside these
std::span<const Field> embedding_fields();   // of /v1/embeddings
std::span<const Field> tokenize_fields();    // of /tokenize
std::span<const Field> detokenize_fields();  // of /detokenize

// chat_template_kwargs. Errors: RequestError for variables that the request itself sets.
void check_template_arguments(const Json& value);

}  // namespace oag
