#pragma once

#include "base/json.h"

namespace oag {

// What OpenAI asks of the messages of a conversation beyond their shape: content in every one but an
// assistant's that calls, a tool's with the id of the call that it answers, a function's with its name.
// Errors: RequestError naming the message.
void check_messages(const Json& messages);

}  // namespace oag
