#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llm/text/tokenizer.h"

namespace oag {

// Texts of tokens as a tree over their bytes, laid out depth first: what lies below a node follows it.
class TokenTrie {
 public:
  struct Node {
    uint32_t end;          // the first node behind those below this one
    uint32_t first_token;  // index of the node's first token; the next node's is its end
    uint16_t depth;        // bytes up to and with this node's, at least 1
    uint8_t byte;
  };
  struct Entry {
    std::string_view text;
    TokenId id;
  };

  TokenTrie() = default;
  // Entries without text are left out.
  explicit TokenTrie(std::vector<Entry> entries);

  uint32_t size() const { return nodes_.empty() ? 0 : static_cast<uint32_t>(nodes_.size() - 1); }
  const Node& node(uint32_t index) const { return nodes_[index]; }
  uint32_t max_depth() const { return max_depth_; }
  std::span<const TokenId> tokens_at(uint32_t node) const { return tokens_between(node, node + 1); }
  // Those of the nodes begin … end - 1.
  std::span<const TokenId> tokens_between(uint32_t begin, uint32_t end) const {
    const uint32_t first = nodes_[begin].first_token;
    return std::span(tokens_).subspan(first, nodes_[end].first_token - first);
  }
  size_t size_bytes() const { return nodes_.size() * sizeof(Node) + tokens_.size() * sizeof(TokenId); }

 private:
  std::vector<Node> nodes_;  // and one behind the last
  std::vector<TokenId> tokens_;
  uint32_t max_depth_ = 0;
};

// What constraints know of a tokenizer: the bytes of each token, sorted for walks. Immutable and thread safe;
// one serves all grammars of a model.
class GrammarVocabulary {
 public:
  // Tokens that print nothing (control tokens) are never allowed in a text.
  static std::shared_ptr<const GrammarVocabulary> create(const Tokenizer& tokenizer);
  // `texts` holds the bytes of each id, empty for control tokens.
  static std::shared_ptr<const GrammarVocabulary> create(std::vector<std::string> texts,
                                                         std::vector<TokenId> end_ids);

  size_t size_tokens() const { return begin_.size() - 1; }
  std::string_view bytes(TokenId id) const {
    const auto i = static_cast<size_t>(id);
    return std::string_view(texts_).substr(begin_[i], begin_[i + 1] - begin_[i]);
  }
  std::span<const TokenId> end_ids() const { return end_ids_; }
  const TokenTrie& trie() const { return trie_; }

 private:
  GrammarVocabulary(const std::vector<std::string_view>& texts, std::vector<TokenId> end_ids);

  std::string texts_;  // one after the other
  std::vector<size_t> begin_;
  std::vector<TokenId> end_ids_;
  TokenTrie trie_;
};

}  // namespace oag
