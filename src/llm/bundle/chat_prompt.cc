#include "llm/bundle/chat_prompt.h"

#include "base/log.h"
#include "llm/text/special_tokens.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

std::string token_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_bytes(*id, true)) : std::string();
}

// U+FDD0, a noncharacter: Unicode keeps it for marks inside a program.
constexpr std::string_view kShield = "\xef\xb7\x90";

// Of two in a row one stays, which is a text's own.
std::string without_shields(std::string_view text) {
  std::string out;
  for (size_t at = text.find(kShield); at != std::string_view::npos; at = text.find(kShield)) {
    out += text.substr(0, at);
    text.remove_prefix(at + kShield.size());
    if (!text.starts_with(kShield)) continue;
    out += kShield;
    text.remove_prefix(kShield.size());
  }
  out += text;
  return out;
}

// Cuts at the special tokens that no shield breaks; what stands between them is plain text.
std::vector<TokenId> encode_shielded(const Tokenizer& tokenizer, std::string_view prompt) {
  const SpecialTokens& special = tokenizer.special_tokens();
  std::vector<TokenId> ids;
  while (!prompt.empty()) {
    const auto match = special.find(prompt, 0);
    const std::string plain = without_shields(prompt.substr(0, match ? match->begin : prompt.size()));
    const std::vector<TokenId> more = tokenizer.encode(plain, {.parse_special = false, .add_special = false});
    ids.insert(ids.end(), more.begin(), more.end());
    if (!match) break;
    ids.push_back(match->id);
    prompt.remove_prefix(match->end);
  }
  return ids;
}

bool says_autoglm(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return text.find("autoglm") != std::string::npos;
}

}  // namespace

ContentFormat own_content_format(const ModelBundle& bundle) {
  const bool served_as_string = says_autoglm(bundle.name()) || says_autoglm(bundle.path.filename().string());
  return served_as_string ? ContentFormat::kString : ContentFormat::kList;
}

ChatTemplate compile_chat_template(const ModelBundle& bundle) {
  if (bundle.template_is_fallback()) {
    log(LogLevel::kWarning, "{} has no chat template; using that of the family \"{}\"", bundle.path.string(),
        bundle.fallback_template);
  }
  return ChatTemplate::compile(bundle.chat_template, bundle.path.string() + " chat template");
}

std::string render_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const Json& messages,
                        const Json& variables) {
  Json context = variables;
  context["messages"] = messages;
  context["bos_token"] = token_text(tokenizer, tokenizer.vocabulary().bos);
  context["eos_token"] = token_text(tokenizer, tokenizer.vocabulary().eos);
  return chat_template.render(context);
}

std::string render_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const Json& messages,
                        bool add_generation_prompt) {
  return render_chat(chat_template, tokenizer, messages,
                     Json{{"add_generation_prompt", add_generation_prompt}});
}

std::string shield_control_tokens(const Tokenizer& tokenizer, std::string_view text) {
  const SpecialTokens& special = tokenizer.special_tokens();
  std::string out;
  size_t at = 0;
  // Past its first character only: another token may begin inside this one.
  while (const auto match = special.find(text, at)) {
    const size_t first = match->begin + decode_utf8_leniently(text.substr(match->begin)).size_bytes;
    out += keep_control_tokens(text.substr(at, first - at));
    if (tokenizer.vocabulary().type(match->id) != TokenType::kUserDefined) out += kShield;
    at = first;
  }
  out += keep_control_tokens(text.substr(at));
  return out;
}

std::string keep_control_tokens(std::string_view text) {
  std::string out;
  for (size_t at = text.find(kShield); at != std::string_view::npos; at = text.find(kShield)) {
    out += text.substr(0, at);
    out += kShield;
    out += kShield;
    text.remove_prefix(at + kShield.size());
  }
  out += text;
  return out;
}

std::string shown_chat(std::string_view rendered) {
  return without_shields(rendered);
}

std::vector<TokenId> encode_rendered_chat(const Tokenizer& tokenizer, std::string_view prompt) {
  std::vector<TokenId> ids = prompt.find(kShield) == std::string_view::npos
                                 ? tokenizer.encode(prompt, {.parse_special = true, .add_special = false})
                                 : encode_shielded(tokenizer, prompt);
  const std::optional<TokenId> bos = tokenizer.vocabulary().bos;
  if (tokenizer.adds_bos() && bos && (ids.empty() || ids.front() != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

}  // namespace oag
