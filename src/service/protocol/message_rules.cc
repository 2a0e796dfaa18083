#include "service/protocol/message_rules.h"

#include <fmt/format.h>

#include "service/protocol/request_error.h"

namespace oag {
namespace {

bool has(const Json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && !found->is_null() && !(found->is_array() && found->empty());
}

// Thoughts alone are what is left of an answer that was cut while it thought.
bool may_lack_content(const Json& message) {
  return message["role"] == "assistant" && (has(message, "tool_calls") || has(message, "function_call") ||
                                            has(message, "refusal") || has(message, "reasoning_content"));
}

}  // namespace

void check_messages(const Json& messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    const auto path = [&](const char* name) { return fmt::format("messages[{}].{}", i, name); };
    const auto role = message["role"].get<std::string>();
    if (!has(message, "content") && !may_lack_content(message)) {
      const auto content = message.find("content");
      const bool is_list = content != message.end() && content->is_array();
      reject(is_list ? "invalid_value" : "missing_required_parameter", path("content"),
             "is {}; a message of the role {} needs a text or parts", is_list ? "an empty list" : "missing",
             role);
    }
    if (role == "tool" && !has(message, "tool_call_id"))
      reject("missing_required_parameter", path("tool_call_id"), "is missing: which call does it answer?");
    if (role == "function" && !has(message, "name"))
      reject("missing_required_parameter", path("name"), "is missing: which function does it answer for?");
  }
}

}  // namespace oag
