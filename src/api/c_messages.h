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

// Calls `take` with each struct of an array of the C API. Elements are as far apart as the first one's
// struct_size says.
template <typename Struct, typename Take>
void for_each_struct(const Struct* list, size_t count, const char* list_name, const char* name,
                     const Take& take) {
  if (count == 0) return;
  require(list, list_name);
  const size_t stride = list->struct_size;
  for (size_t i = 0; i < count; ++i) {
    const auto* at = reinterpret_cast<const unsigned char*>(list) + i * stride;
    const Struct element = read_struct(*reinterpret_cast<const Struct*>(at), name);
    if (element.struct_size != stride) {
      oag::fail(oag::ErrorCode::kInvalidArgument, list_name,
                "element {} has struct_size {}, the first has {}", i, element.struct_size, stride);
    }
    take(element);
  }
}

inline std::vector<Image> images_of(const oag_image* images, size_t count) {
  std::vector<Image> list;
  for_each_struct(images, count, "images", "oag_image", [&](const oag_image& image) {
    Image& made = list.emplace_back();
    if (image.source != nullptr) made.source = image.source;
    if (image.byte_count == 0) return;
    require(image.bytes, "bytes");
    made.bytes.assign(static_cast<const char*>(image.bytes), image.byte_count);
  });
  return list;
}

inline std::vector<Message> messages_of(const oag_message* messages, size_t count) {
  std::vector<Message> list;
  for_each_struct(messages, count, "messages", "oag_message", [&](const oag_message& message) {
    require(message.role, "role");
    require(message.content, "content");
    list.push_back({message.role, message.content, images_of(message.images, message.image_count)});
  });
  return list;
}

}  // namespace openautoglm
