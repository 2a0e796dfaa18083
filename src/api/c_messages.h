#pragma once

#include <string_view>
#include <vector>

#include "api/c_status.h"
#include "api/c_struct.h"

namespace openautoglm {

// A text of the C API: `bytes` long, or up to its NUL with OAG_NUL_TERMINATED. Null only with 0 bytes.
inline std::string_view text_of(const char* text, size_t bytes, const char* name) {
  if (bytes == 0) return {};
  require(text, name);
  return bytes == OAG_NUL_TERMINATED ? std::string_view(text) : std::string_view(text, bytes);
}

// An array of messages, whose elements are as far apart as the first one's struct_size says.
inline std::vector<Message> messages_of(const oag_message* messages, size_t count) {
  std::vector<Message> list;
  if (count == 0) return list;
  require(messages, "messages");
  const size_t stride = messages->struct_size;
  for (size_t i = 0; i < count; ++i) {
    const auto* at = reinterpret_cast<const unsigned char*>(messages) + i * stride;
    const oag_message message = read_struct(*reinterpret_cast<const oag_message*>(at), "oag_message");
    if (message.struct_size != stride) {
      oag::fail(oag::ErrorCode::kInvalidArgument, "messages",
                "message {} has struct_size {}, the first has {}", i, message.struct_size, stride);
    }
    require(message.role, "role");
    require(message.content, "content");
    list.push_back({message.role, message.content});
  }
  return list;
}

}  // namespace openautoglm
