#include "llm/models/tensor_names.h"

#include <algorithm>

namespace oag {
namespace {

// Longest first. Models with a vision tower put their text part behind language_model, in either order.
constexpr std::string_view kTextPrefixes[] = {"model.language_model.", "language_model.model.",
                                              "language_model.", "transformer.", "model."};
constexpr std::string_view kEndings[] = {".weight", ".bias"};

// The digits that {} stands for (empty where the pattern has none), or nothing when the text differs.
std::optional<std::string_view> match(std::string_view pattern, std::string_view text) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos)
    return pattern == text ? std::optional(std::string_view()) : std::nullopt;
  const std::string_view before = pattern.substr(0, hole), after = pattern.substr(hole + 2);
  if (text.size() <= before.size() + after.size() || !text.starts_with(before) || !text.ends_with(after))
    return std::nullopt;
  const std::string_view digits = text.substr(before.size(), text.size() - before.size() - after.size());
  const bool is_number = digits.size() <= 6 && (digits.size() == 1 || digits[0] != '0') &&
                         std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? std::optional(digits) : std::nullopt;
}

std::string fill(std::string_view pattern, std::string_view digits) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return std::string(pattern);
  return std::string(pattern.substr(0, hole)) + std::string(digits) + std::string(pattern.substr(hole + 2));
}

struct Split {
  std::string_view stem, ending;
};

std::optional<Split> split_ending(std::string_view name) {
  for (const std::string_view ending : kEndings) {
    if (name.ends_with(ending)) return Split{name.substr(0, name.size() - ending.size()), ending};
  }
  return std::nullopt;
}

}  // namespace

std::string_view without_text_prefix(std::string_view hugging_face) {
  for (const std::string_view prefix : kTextPrefixes) {
    if (hugging_face.starts_with(prefix)) return hugging_face.substr(prefix.size());
  }
  return hugging_face;
}

std::optional<std::string> gguf_tensor_name(const NameTable& table, std::string_view hugging_face) {
  const auto name = split_ending(without_text_prefix(hugging_face));
  if (!name) return std::nullopt;
  for (const NameRule& rule : table.rules) {
    if (const auto digits = match(rule.hugging_face, name->stem))
      return fill(rule.gguf, *digits) + std::string(name->ending);
  }
  return std::nullopt;
}

std::optional<std::string> hugging_face_tensor_name(const NameTable& table, std::string_view gguf) {
  const auto name = split_ending(gguf);
  if (!name) return std::nullopt;
  for (const NameRule& rule : table.rules) {
    if (const auto digits = match(rule.gguf, name->stem)) {
      return std::string(rule.at_top ? std::string_view() : table.prefix) + fill(rule.hugging_face, *digits) +
             std::string(name->ending);
    }
  }
  return std::nullopt;
}

}  // namespace oag
