#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "llm/generate/generation.h"

namespace oag {

// The part of a picture that stands in one page.
struct PagePicture {
  int64_t first_token = 0;  // counted in the page
  int64_t first_row = 0;    // of the picture
  int64_t rows = 0;
  ContentHash hash;
  int64_t grid_rows = 0, grid_columns = 0;

  bool operator==(const PagePicture&) const = default;
};

// What fills a page of the KV cache. Behind equal pages, equal content means equal keys and values, positions
// on three axes included: they follow from the lengths of texts and the grids of pictures before them.
struct PageContent {
  std::vector<TokenId> tokens;
  std::vector<PagePicture> pictures;

  bool operator==(const PageContent&) const = default;
};

uint64_t content_hash(const PageContent& content) noexcept;

// Which full pages of the KV cache hold which tokens: a trie, one page a node. Whoever holds a node holds all
// before it. Nodes that nobody holds stay until their page is wanted, the one that was let go first going
// first. Contents are compared whole, so two that share a hash are never taken for each other. Not thread
// safe.
class PrefixCache {
 public:
  struct Node;

  PrefixCache();
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Takes hold of the root of everything under `salt`.
  Node* open(const std::string& salt);
  // The same without holding it; null where nothing is.
  Node* root(const std::string& salt) const;

  // The page of this content behind `parent`; null where there is none.
  Node* find(const Node* parent, const PageContent& content) const;
  // Adds and holds one that find() does not find. The caller holds `parent`.
  Node* insert(Node* parent, PageContent content, int32_t page);
  void hold(Node* node) noexcept;
  // Lets go of a node and all before it, root included.
  void release(Node* last) noexcept;

  // Forgets the page that has been unused for longest and hands it out; -1 where none is unused.
  int32_t evict() noexcept;

  static int32_t page(const Node* node);
  static bool held(const Node* node);
  int64_t unused_pages() const { return static_cast<int64_t>(unused_.size()); }

 private:
  struct ContentHasher {
    size_t operator()(const PageContent& content) const noexcept { return content_hash(content); }
  };
  using Nodes = std::list<Node>;

  void drop_root_if_empty(Node* root) noexcept;

  std::map<std::string, std::unique_ptr<Node>> roots_;
  Nodes held_;
  // In the order in which they were let go. A node comes before its parent, since that is let go later; so
  // the first one has no children.
  Nodes unused_;
};

}  // namespace oag
