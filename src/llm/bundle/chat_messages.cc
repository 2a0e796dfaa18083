#include "llm/bundle/chat_messages.h"

#include <fmt/format.h>

#include "base/error.h"
#include "llm/bundle/chat_prompt.h"

namespace oag {
namespace {

constexpr std::string_view kPictureTokens = "<|begin_of_image|><|image|><|end_of_image|>";

class MessageReader {
 public:
  MessageReader(const Tokenizer& tokenizer, ContentFormat format, std::string where)
      : tokenizer_(tokenizer), format_(format), where_(std::move(where)) {}

  Json read(const Json& message, std::vector<std::string>& pictures) {
    if (!message.is_object())
      wrong("", "is {}, expected an object with role and content", message.type_name());
    const auto role = message.find("role");
    if (role == message.end() || !role->is_string() || role->get_ref<const std::string&>().empty())
      wrong("role", "is {}, expected a text such as \"user\"",
            role == message.end() ? "missing" : "no such text");
    trusted_ = *role == "assistant";
    Json out = shielded_all(message);
    const auto content = message.find("content");
    out["content"] = content != message.end() ? read_content(*content, pictures) : "";
    return out;
  }

 private:
  template <typename... Args>
  [[noreturn]] void wrong(std::string_view part, fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kInvalidArgument, where_ + (part.empty() ? "" : ".") + std::string(part), format,
         std::forward<Args>(args)...);
  }

  std::string shielded(const std::string& text) const {
    return trusted_ ? keep_control_tokens(text) : shield_control_tokens(tokenizer_, text);
  }

  // Every text in a value, keys too: templates write names, tools and their calls as well.
  Json shielded_all(const Json& value) const {
    if (value.is_string()) return shielded(value.get_ref<const std::string&>());
    if (!value.is_structured()) return value;
    Json out = value.is_array() ? Json::array() : Json::object();
    for (const auto& [key, part] : value.items()) {
      if (value.is_array()) {
        out.push_back(shielded_all(part));
      } else {
        out[shielded(key)] = shielded_all(part);
      }
    }
    return out;
  }

  Json read_content(const Json& content, std::vector<std::string>& pictures) const {
    if (content.is_null()) return "";  // which templates join with texts
    if (content.is_string()) return shielded(content.get_ref<const std::string&>());
    if (!content.is_array())
      wrong("content", "is {}, expected a text, a list of parts, or null", content.type_name());
    Json parts = Json::array();
    std::vector<std::string> texts;
    const size_t before = pictures.size();
    for (size_t i = 0; i < content.size(); ++i) {
      const std::string name = fmt::format("content[{}]", i);
      if (const auto picture = picture_of(content[i], name)) {
        pictures.push_back(*picture);
        parts.push_back({{"type", "image"}});
      } else {
        texts.push_back(text_of(content[i], name));
        parts.push_back({{"type", "text"}, {"text", texts.back()}});
      }
    }
    const size_t count = pictures.size() - before;
    if (format_ == ContentFormat::kString) {
      texts.insert(texts.begin(), count, std::string(kPictureTokens));
      // A picture alone is followed by the newline too.
      if (texts.size() == count && count > 0) texts.emplace_back();
      return fmt::format("{}", fmt::join(texts, "\n"));
    }
    // Templates that know no pictures take texts alone.
    return count == 0 ? Json(fmt::format("{}", fmt::join(texts, ""))) : parts;
  }

  std::string_view type_of(const Json& part, const std::string& name) const {
    const auto type = part.is_object() ? part.find("type") : part.end();
    if (!part.is_object() || type == part.end() || !type->is_string())
      wrong(name, "is {}, expected an object with a type",
            part.is_object() ? "without a type" : part.type_name());
    return type->get_ref<const std::string&>();
  }

  std::string text_of(const Json& part, const std::string& name) const {
    if (const std::string_view type = type_of(part, name); type != "text") {
      fail(ErrorCode::kUnsupported, where_ + "." + name,
           "is a part of type \"{}\", known are text, image and image_url", type);
    }
    const auto text = part.find("text");
    if (text == part.end() || !text->is_string()) wrong(name, "has no text");
    return shielded(text->get_ref<const std::string&>());
  }

  // The address of a picture, "" for one without; nothing for a part that is none.
  std::optional<std::string> picture_of(const Json& part, const std::string& name) const {
    const std::string_view type = type_of(part, name);
    if (type != "image" && type != "image_url") return std::nullopt;
    for (const char* key : {"image_url", "image", "url"}) {
      const auto source = part.find(key);
      if (source == part.end() || source->is_null()) continue;
      if (source->is_string()) return source->get<std::string>();
      const auto url = source->is_object() ? source->find("url") : source->end();
      if (!source->is_object() || url == source->end() || !url->is_string())
        wrong(name, "names its picture in no text: expected \"{}\": {{\"url\": \"data:…\"}}", key);
      return url->get<std::string>();
    }
    if (type == "image_url") wrong(name, "has no image_url");
    return "";
  }

  const Tokenizer& tokenizer_;
  ContentFormat format_;
  std::string where_;
  bool trusted_ = false;
};

}  // namespace

std::string_view content_format_name(ContentFormat format) {
  return format == ContentFormat::kList ? "list" : "string";
}

ChatMessages read_chat_messages(const Tokenizer& tokenizer, const Json& messages, ContentFormat format,
                                std::string_view where) {
  if (!messages.is_array() || messages.empty()) {
    fail(ErrorCode::kInvalidArgument, where, "is {}, expected a list of messages",
         messages.is_array() ? "empty" : messages.type_name());
  }
  ChatMessages chat;
  for (size_t i = 0; i < messages.size(); ++i) {
    chat.list.push_back(
        MessageReader(tokenizer, format, fmt::format("{}[{}]", where, i)).read(messages[i], chat.pictures));
  }
  return chat;
}

Json user_message(std::string_view text, size_t images) {
  if (images == 0) return {{"role", "user"}, {"content", text}};
  Json parts = Json::array();
  for (size_t i = 0; i < images; ++i) parts.push_back({{"type", "image"}});
  parts.push_back({{"type", "text"}, {"text", text}});
  return {{"role", "user"}, {"content", std::move(parts)}};
}

}  // namespace oag
