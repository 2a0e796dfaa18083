#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
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

  // The tree over the classes of the bytes, each written as `class_byte[class]`: tokens that are alike class
  // by class share a node. Nothing when it would have more than `max_nodes` nodes.
  static std::optional<TokenTrie> merged(const TokenTrie& trie, const std::array<uint8_t, 256>& class_of,
                                         std::span<const uint8_t> class_byte, uint32_t max_nodes);

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

// The vocabulary as a grammar sees it that tells only some bytes apart: for text within a string, say, most
// letters are one. Far fewer nodes than the whole tree, so it is walked where that would take long. Thread
// safe.
class ClassTrie {
 public:
  static constexpr size_t kDenseTokens = 512;

  ClassTrie(TokenTrie trie, size_t tokens);

  const TokenTrie& trie() const { return trie_; }
  // The tokens of a node that has at least kDenseTokens, as a mask; empty for others.
  std::span<const uint32_t> dense(uint32_t node) const;
  // What the tokens below a node hold behind the node, byte for byte.
  const TokenTrie& behind(uint32_t node, const class GrammarVocabulary& vocabulary) const;

 private:
  TokenTrie trie_;
  std::unordered_map<uint32_t, std::vector<uint32_t>> dense_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<uint32_t, TokenTrie> behind_;
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
  const TokenTrie& escaped() const { return escaped_; }  // tokens with a backslash

  // The tree for grammars with these boundaries between bytes (see ByteBoundaries), made when first asked for
  // (some 10 ms at 150,000 tokens) and kept while it is one of the kMaxClassTries last used. Null where
  // classes would not make it much smaller.
  std::shared_ptr<const ClassTrie> class_trie(const std::array<uint64_t, 4>& boundaries) const;

 private:
  static constexpr size_t kMaxClassTries = 16;

  struct CachedTrie {
    std::shared_ptr<const ClassTrie> trie;
    uint64_t used = 0;
  };

  std::shared_ptr<const ClassTrie> make_class_trie(const std::array<uint64_t, 4>& boundaries) const;
  GrammarVocabulary(const std::vector<std::string_view>& texts, std::vector<TokenId> end_ids);

  std::string texts_;  // one after the other
  std::vector<size_t> begin_;
  std::vector<TokenId> end_ids_;
  TokenTrie trie_, escaped_;
  mutable std::mutex mutex_;
  mutable std::map<std::array<uint64_t, 4>, CachedTrie> class_tries_;
  mutable uint64_t uses_ = 0;
};

}  // namespace oag
