#include "llm/text/grammar_vocabulary.h"

#include <algorithm>

#include "base/error.h"

namespace oag {

TokenTrie::TokenTrie(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) { return entry.text.empty(); });
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    const int order = a.text.compare(b.text);
    return order != 0 ? order < 0 : a.id < b.id;
  });
  std::vector<uint32_t> path;  // nodes of the last entry
  std::string_view last;
  const auto close_to = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back())
      nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
  };
  for (const auto& [text, id] : entries) {
    if (text.size() > kMaxTokenBytes || nodes_.size() + text.size() >= UINT32_MAX) {
      fail(ErrorCode::kUnsupported, "tokenizer", "token {} or all tokens together are too long for a grammar",
           id);
    }
    const auto same = std::mismatch(last.begin(), last.end(), text.begin(), text.end()).first;
    close_to(static_cast<size_t>(same - last.begin()));
    while (path.size() < text.size()) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), static_cast<uint16_t>(path.size()),
                        static_cast<uint8_t>(text[path.size() - 1])});
    }
    tokens_.push_back(id);
    max_depth_ = std::max(max_depth_, static_cast<uint32_t>(path.size()));
    last = text;
  }
  close_to(0);
  nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), 0, 0});
  nodes_.shrink_to_fit();
}

std::shared_ptr<const GrammarVocabulary> GrammarVocabulary::create(const Tokenizer& tokenizer) {
  std::vector<std::string_view> texts;
  texts.reserve(tokenizer.size_tokens());
  for (size_t id = 0; id < tokenizer.size_tokens(); ++id) {
    texts.push_back(tokenizer.token_bytes(static_cast<TokenId>(id)));
  }
  const auto ends = tokenizer.end_ids();
  return std::shared_ptr<const GrammarVocabulary>(new GrammarVocabulary(texts, {ends.begin(), ends.end()}));
}

std::shared_ptr<const GrammarVocabulary> GrammarVocabulary::create(std::vector<std::string> texts,
                                                                   std::vector<TokenId> end_ids) {
  return std::shared_ptr<const GrammarVocabulary>(
      new GrammarVocabulary({texts.begin(), texts.end()}, std::move(end_ids)));
}

GrammarVocabulary::GrammarVocabulary(const std::vector<std::string_view>& texts, std::vector<TokenId> end_ids)
    : end_ids_(std::move(end_ids)) {
  size_t total = 0;
  for (const std::string_view text : texts) total += text.size();
  texts_.reserve(total);
  begin_.reserve(texts.size() + 1);
  for (const std::string_view text : texts) {
    begin_.push_back(texts_.size());
    texts_ += text;
  }
  begin_.push_back(texts_.size());
  std::vector<TokenTrie::Entry> entries;
  entries.reserve(texts.size());
  for (size_t id = 0; id < texts.size(); ++id) {
    const bool ends = std::find(end_ids_.begin(), end_ids_.end(), static_cast<TokenId>(id)) != end_ids_.end();
    if (!ends) entries.push_back({bytes(static_cast<TokenId>(id)), static_cast<TokenId>(id)});
  }
  trie_ = TokenTrie(std::move(entries));
}

}  // namespace oag
