#include "llm/bundle/chat_prompt.h"

#include "base/log.h"

namespace oag {
namespace {

std::string token_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_bytes(*id, true)) : std::string();
}

}  // namespace

ChatTemplate compile_chat_template(const ModelBundle& bundle) {
  if (bundle.template_is_fallback()) {
    log(LogLevel::kWarning, "{} has no chat template; using that of the family \"{}\"", bundle.path.string(),
        bundle.fallback_template);
  }
  return ChatTemplate::compile(bundle.chat_template, bundle.path.filename().string() + " chat template");
}

std::string render_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const Json& messages,
                        bool add_generation_prompt) {
  return chat_template.render({{"messages", messages},
                               {"add_generation_prompt", add_generation_prompt},
                               {"bos_token", token_text(tokenizer, tokenizer.vocabulary().bos)},
                               {"eos_token", token_text(tokenizer, tokenizer.vocabulary().eos)}});
}

std::vector<TokenId> encode_rendered_chat(const Tokenizer& tokenizer, std::string_view prompt) {
  std::vector<TokenId> ids = tokenizer.encode(prompt, {.parse_special = true, .add_special = false});
  const std::optional<TokenId> bos = tokenizer.vocabulary().bos;
  if (tokenizer.adds_bos() && bos && (ids.empty() || ids.front() != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

}  // namespace oag
