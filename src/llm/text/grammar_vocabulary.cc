#include "llm/text/grammar_vocabulary.h"

#include <algorithm>

#include "base/error.h"
#include "llm/text/token_constraint.h"

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

std::optional<TokenTrie> TokenTrie::merged(const TokenTrie& trie, const std::array<uint8_t, 256>& class_of,
                                           std::span<const uint8_t> class_byte, uint32_t max_nodes) {
  constexpr uint32_t kNone = UINT32_MAX;
  const size_t classes = class_byte.size();
  std::vector<uint32_t> children(classes, kNone);  // [merged nodes and the root, classes]
  std::vector<uint32_t> node_of(trie.size()), path(size_t{trie.max_depth()} + 1, 0), counts{0};
  std::vector<uint32_t> taken;
  for (uint32_t i = 0; i < trie.size();) {
    const Node& node = trie.node(i);
    if (node.byte == '\\') {
      i = node.end;
      continue;
    }
    taken.push_back(i);
    uint32_t& child = children[path[node.depth - 1u] * classes + class_of[node.byte]];
    if (child == kNone) {
      if (counts.size() > max_nodes) return std::nullopt;
      child = static_cast<uint32_t>(counts.size());
      counts.push_back(0);
      node_of[i] = path[node.depth] = child;
      children.resize(children.size() + classes, kNone);
    } else {
      node_of[i] = path[node.depth] = child;
    }
    counts[node_of[i]] += static_cast<uint32_t>(trie.tokens_at(i).size());
    ++i;
  }
  // Depth first, with the numbers of the nodes in that order.
  TokenTrie merged;
  merged.max_depth_ = trie.max_depth();
  std::vector<uint32_t> order(counts.size());
  std::vector<std::pair<uint32_t, size_t>> open{{0, 0}};  // node, next class
  uint32_t tokens = 0;
  while (!open.empty()) {
    auto& [node, next] = open.back();
    while (next < classes && children[node * classes + next] == kNone) ++next;
    if (next == classes) {
      if (node != 0) merged.nodes_[order[node]].end = static_cast<uint32_t>(merged.nodes_.size());
      open.pop_back();
      continue;
    }
    const uint32_t child = children[node * classes + next];
    const uint8_t byte = class_byte[next++];
    order[child] = static_cast<uint32_t>(merged.nodes_.size());
    merged.nodes_.push_back({0, tokens, static_cast<uint16_t>(open.size()), byte});
    tokens += counts[child];
    open.emplace_back(child, 0);
  }
  merged.nodes_.push_back({0, tokens, 0, 0});
  merged.tokens_.resize(tokens);
  std::vector<uint32_t> filled(merged.nodes_.size());
  for (const uint32_t i : taken) {
    const uint32_t node = order[node_of[i]];
    for (const TokenId id : trie.tokens_at(i)) {
      merged.tokens_[merged.nodes_[node].first_token + filled[node]++] = id;
    }
  }
  return merged;
}

ClassTrie::ClassTrie(TokenTrie trie, size_t tokens) : trie_(std::move(trie)) {
  for (uint32_t i = 0; i < trie_.size(); ++i) {
    const auto ids = trie_.tokens_at(i);
    if (ids.size() < kDenseTokens) continue;
    std::vector<uint32_t>& bits = dense_[i];
    bits.resize(mask_words(tokens));
    for (const TokenId id : ids)
      bits[static_cast<size_t>(id) / 32] |= uint32_t{1} << (static_cast<size_t>(id) % 32);
  }
}

std::span<const uint32_t> ClassTrie::dense(uint32_t node) const {
  const auto found = dense_.find(node);
  return found == dense_.end() ? std::span<const uint32_t>() : std::span<const uint32_t>(found->second);
}

const TokenTrie& ClassTrie::behind(uint32_t node, const GrammarVocabulary& vocabulary) const {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = behind_.try_emplace(node);
  if (is_new) {
    std::vector<TokenTrie::Entry> entries;
    for (const TokenId id : trie_.tokens_between(node + 1, trie_.node(node).end)) {
      entries.push_back({vocabulary.bytes(id).substr(trie_.node(node).depth), id});
    }
    found->second = TokenTrie(std::move(entries));
  }
  return found->second;
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
  std::vector<TokenTrie::Entry> escaped;
  std::copy_if(entries.begin(), entries.end(), std::back_inserter(escaped),
               [](const TokenTrie::Entry& entry) { return entry.text.find('\\') != std::string_view::npos; });
  trie_ = TokenTrie(std::move(entries));
  escaped_ = TokenTrie(std::move(escaped));
}

std::shared_ptr<const ClassTrie> GrammarVocabulary::class_trie(
    const std::array<uint64_t, 4>& boundaries) const {
  const std::lock_guard lock(mutex_);
  if (!class_tries_.contains(boundaries)) {
    if (class_tries_.size() == kMaxClassTries) {
      class_tries_.erase(
          std::min_element(class_tries_.begin(), class_tries_.end(),
                           [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
    }
    class_tries_[boundaries].trie = make_class_trie(boundaries);
  }
  CachedTrie& cached = class_tries_[boundaries];
  cached.used = ++uses_;
  return cached.trie;
}

std::shared_ptr<const ClassTrie> GrammarVocabulary::make_class_trie(
    const std::array<uint64_t, 4>& boundaries) const {
  constexpr size_t kMaxClasses = 64;
  std::array<uint8_t, 256> class_of{};
  std::vector<uint8_t> class_byte;
  for (size_t byte = 0; byte < 256; ++byte) {
    if (byte == 0 || (boundaries[byte / 64] >> (byte % 64) & 1) != 0)
      class_byte.push_back(static_cast<uint8_t>(byte));
    class_of[byte] = static_cast<uint8_t>(class_byte.size() - 1);
  }
  if (class_byte.size() > kMaxClasses) return nullptr;
  auto merged = TokenTrie::merged(trie_, class_of, class_byte, trie_.size() / 4);
  if (!merged) return nullptr;
  return std::make_shared<const ClassTrie>(std::move(*merged), size_tokens());
}

}  // namespace oag
