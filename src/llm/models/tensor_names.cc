#include "llm/models/tensor_names.h"

#include <algorithm>
#include <vector>

namespace oag {
namespace {

// Longest first. Models with a vision tower put their text part behind language_model, in either order.
constexpr std::string_view kTextPrefixes[] = {
    "model.language_model.", "language_model.model.", "language_model.", "transformer.", "model.", "bert."};
constexpr std::string_view kEndings[] = {".weight", ".bias"};

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 6 && (text.size() == 1 || text[0] != '0') &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The numbers that stand for {} in a pattern, in order; nothing when the text differs.
using Numbers = std::vector<std::string_view>;
std::optional<Numbers> match(std::string_view pattern, std::string_view text) {
  Numbers numbers;
  for (size_t hole = pattern.find("{}"); hole != std::string_view::npos; hole = pattern.find("{}")) {
    if (!text.starts_with(pattern.substr(0, hole))) return std::nullopt;
    text.remove_prefix(hole);
    pattern.remove_prefix(hole + 2);
    const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    if (!is_number(text.substr(0, end))) return std::nullopt;
    numbers.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return pattern == text ? std::optional(std::move(numbers)) : std::nullopt;
}

std::string fill(std::string_view pattern, const Numbers& numbers) {
  std::string text;
  for (const std::string_view number : numbers) {
    const size_t hole = pattern.find("{}");
    text += pattern.substr(0, hole);
    text += number;
    pattern.remove_prefix(hole + 2);
  }
  return text += pattern;
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
  const std::string_view whole = without_text_prefix(hugging_face);
  const auto name = split_ending(whole);
  for (const std::span<const NameRule> rules : {table.rules, table.shared}) {
    for (const NameRule& rule : rules) {
      if (rule.gguf.empty()) {
        if (match(rule.hugging_face, whole) || (name && match(rule.hugging_face, name->stem))) return "";
      } else if (split_ending(rule.gguf)) {
        if (const auto numbers = match(rule.hugging_face, whole)) return fill(rule.gguf, *numbers);
      } else if (name) {
        if (const auto numbers = match(rule.hugging_face, name->stem))
          return fill(rule.gguf, *numbers) + std::string(name->ending);
      }
    }
  }
  return std::nullopt;
}

std::optional<std::string> hugging_face_tensor_name(const NameTable& table, std::string_view gguf) {
  const auto name = split_ending(gguf);
  if (!name) return std::nullopt;
  for (const std::span<const NameRule> rules : {table.rules, table.shared}) {
    for (const NameRule& rule : rules) {
      if (rule.gguf.empty()) continue;
      const bool whole = split_ending(rule.gguf).has_value();
      const auto numbers = match(rule.gguf, whole ? gguf : name->stem);
      if (!numbers) continue;
      return std::string(rule.at_top ? std::string_view() : table.prefix) +
             fill(rule.hugging_face, *numbers) + std::string(whole ? std::string_view() : name->ending);
    }
  }
  return std::nullopt;
}

std::optional<ExpertName> parse_expert_name(std::string_view gguf) {
  constexpr std::string_view kExperts = "_exps.", kEnding = ".weight";
  const size_t at = gguf.find(kExperts);
  if (at == std::string_view::npos || !gguf.ends_with(kEnding)) return std::nullopt;
  const std::string_view stem = gguf.substr(0, at + kExperts.size() - 1);
  if (gguf.size() < stem.size() + 1 + kEnding.size()) return std::nullopt;  // that of all experts
  const std::string_view number =
      gguf.substr(stem.size() + 1, gguf.size() - stem.size() - 1 - kEnding.size());
  if (!is_number(number)) return std::nullopt;
  return ExpertName{stem, std::stoll(std::string(number))};
}

std::string expert_tensor_name(std::string_view stem, int64_t expert) {
  return std::string(stem) + "." + std::to_string(expert) + ".weight";
}

}  // namespace oag
