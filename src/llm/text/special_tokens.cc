#include "llm/text/special_tokens.h"

#include <algorithm>

namespace oag {
namespace {

bool is_wanted(TokenType type, bool with_control) {
  if (type == TokenType::kUserDefined) return true;
  return with_control && (type == TokenType::kControl || type == TokenType::kUnknown);
}

}  // namespace

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary, bool with_control) {
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (vocabulary.tokens[i].empty() || !is_wanted(vocabulary.type(id), with_control)) continue;
    sorted_.push_back({vocabulary.tokens[i], id});
  }
  // char_traits compares as unsigned char; of equal texts the last id stands first and wins.
  std::sort(sorted_.begin(), sorted_.end(), [](const Entry& a, const Entry& b) {
    const int order = a.text.compare(b.text);
    return order != 0 ? order < 0 : a.id > b.id;
  });
  for (const Entry& entry : sorted_) ++first_by_byte_[static_cast<uint8_t>(entry.text[0]) + 1u];
  for (size_t byte = 1; byte < first_by_byte_.size(); ++byte)
    first_by_byte_[byte] += first_by_byte_[byte - 1];
}

std::optional<SpecialTokens::Match> SpecialTokens::longest_at(std::string_view text, size_t at) const {
  const auto lead = static_cast<uint8_t>(text[at]);
  auto low = sorted_.begin() + first_by_byte_[lead];
  auto high = sorted_.begin() + first_by_byte_[lead + 1u];
  std::optional<Match> best;
  // Narrows the sorted range by one more byte of the text until no token shares the prefix.
  for (size_t depth = 1; low != high; ++depth) {
    if (low->text.size() == depth) {
      best = Match{at, at + depth, low->id};
      while (low != high && low->text.size() == depth) ++low;
    }
    if (at + depth >= text.size()) break;
    const auto next = static_cast<uint8_t>(text[at + depth]);
    const auto byte = [depth](const Entry& entry) { return static_cast<uint8_t>(entry.text[depth]); };
    low = std::partition_point(low, high, [&](const Entry& entry) { return byte(entry) < next; });
    high = std::partition_point(low, high, [&](const Entry& entry) { return byte(entry) == next; });
  }
  return best;
}

std::optional<SpecialTokens::Match> SpecialTokens::find(std::string_view text, size_t from) const {
  if (sorted_.empty()) return std::nullopt;
  for (size_t at = from; at < text.size(); ++at) {
    const auto lead = static_cast<uint8_t>(text[at]);
    if (first_by_byte_[lead] == first_by_byte_[lead + 1u]) continue;
    if (const auto match = longest_at(text, at)) return match;
  }
  return std::nullopt;
}

}  // namespace oag
