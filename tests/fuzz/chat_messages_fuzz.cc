// A list of chat messages as clients send it, read in both layouts, rendered by the family templates and
// encoded: a prompt, or oag::Error. What looks like a control token in a user's text must not become one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "llm/bundle/chat_messages.h"
#include "llm/bundle/chat_prompt.h"

namespace {

constexpr oag::TokenId kPlainUser = 2;

// Bytes, three role tags and the marks of a picture.
std::shared_ptr<const oag::Tokenizer> make_tokenizer() {
  oag::Vocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.add_space_prefix = false;
  const auto add = [&](std::string text, oag::TokenType type) {
    vocabulary.tokens.push_back(std::move(text));
    vocabulary.types.push_back(type);
    vocabulary.scores.push_back(0);
  };
  add("<unk>", oag::TokenType::kUnknown);
  for (const char* tag : {"<|system|>", "<|user|>", "<|assistant|>", "[gMASK]", "<sop>", "<|begin_of_image|>",
                          "<|image|>", "<|end_of_image|>"})
    add(tag, oag::TokenType::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    add(std::string("<0x") + kHex[static_cast<size_t>(byte >> 4)] + kHex[static_cast<size_t>(byte & 15)] +
            ">",
        oag::TokenType::kByte);
  }
  vocabulary.unknown = 0;
  return oag::Tokenizer::create(std::move(vocabulary));
}

struct Fixture {
  std::shared_ptr<const oag::Tokenizer> tokenizer = make_tokenizer();
  std::shared_ptr<const oag::ChatTemplate> glm =
      std::make_shared<oag::ChatTemplate>(oag::ChatTemplate::compile(
          std::string(oag::fallback_chat_template("glm4", tokenizer->vocabulary()).source), "glm4"));
  std::shared_ptr<const oag::ChatTemplate> tags = std::make_shared<
      oag::ChatTemplate>(oag::ChatTemplate::compile(
      "{% for m in messages %}<|user|>{{ m.content | string | trim }}{{ m.tool_calls | tojson }}{% endfor %}",
      "tags"));
};

void check(const Fixture& fixture, const oag::ChatTemplate& chat_template, const oag::ChatMessages& messages,
           bool users_alone) {
  const std::string prompt = oag::render_chat(chat_template, *fixture.tokenizer, messages.list);
  const std::vector<oag::TokenId> ids = oag::encode_rendered_chat(*fixture.tokenizer, prompt);
  // The tags of the template are all there are.
  if (users_alone && &chat_template == fixture.glm.get() &&
      std::count(ids.begin(), ids.end(), kPlainUser) != static_cast<std::ptrdiff_t>(messages.list.size()))
    __builtin_trap();
}

// True where every message is a user's with nothing but role and content, whose text is all shielded.
bool are_plain_users(const oag::Json& messages) {
  return std::all_of(messages.begin(), messages.end(), [](const oag::Json& message) {
    return message.size() == 2 && message["role"] == "user";
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Fixture fixture;
  try {
    const oag::Json messages =
        oag::parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "messages");
    for (const auto format : {oag::ContentFormat::kList, oag::ContentFormat::kString}) {
      const oag::ChatMessages read = oag::read_chat_messages(*fixture.tokenizer, messages, format);
      if (read.list.size() != messages.size()) __builtin_trap();
      for (const auto& chat_template : {fixture.glm, fixture.tags}) {
        try {
          check(fixture, *chat_template, read, are_plain_users(messages));
        } catch (const oag::Error&) {
        }
      }
    }
  } catch (const oag::Error&) {
  }
  return 0;
}
