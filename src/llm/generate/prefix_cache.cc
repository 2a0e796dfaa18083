#include "llm/generate/prefix_cache.h"

#include <utility>

namespace oag {

struct PrefixCache::Node {
  Node* parent = nullptr;                // null: a root
  const PageContent* content = nullptr;  // the parent's key of it
  const std::string* salt = nullptr;     // of a root
  int32_t page = -1;
  int64_t holders = 0;
  std::unordered_map<PageContent, Node*, ContentHasher> children;
  Nodes::iterator place;  // in held_ or unused_
};

PrefixCache::PrefixCache() = default;
PrefixCache::~PrefixCache() = default;

uint64_t content_hash(const PageContent& content) noexcept {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t hash = content.tokens.size();
  const auto mix = [&](uint64_t value) {
    hash = (hash ^ value) * kMultiplier;
    hash ^= hash >> 29;
  };
  for (const TokenId id : content.tokens) mix(static_cast<uint64_t>(id));
  for (const PagePicture& picture : content.pictures) {
    mix(picture.hash.high);
    mix(picture.hash.low);
    mix(static_cast<uint64_t>(picture.first_row));
  }
  return hash;
}

PrefixCache::Node* PrefixCache::open(const std::string& salt) {
  auto [place, added] = roots_.try_emplace(salt);
  if (added) {
    try {
      place->second = std::make_unique<Node>();
    } catch (...) {
      roots_.erase(place);
      throw;
    }
    place->second->salt = &place->first;
  }
  ++place->second->holders;
  return place->second.get();
}

PrefixCache::Node* PrefixCache::root(const std::string& salt) const {
  const auto found = roots_.find(salt);
  return found == roots_.end() ? nullptr : found->second.get();
}

PrefixCache::Node* PrefixCache::find(const Node* parent, const PageContent& content) const {
  const auto found = parent->children.find(content);
  return found == parent->children.end() ? nullptr : found->second;
}

PrefixCache::Node* PrefixCache::insert(Node* parent, PageContent content, int32_t page) {
  Nodes added(1);  // nothing fails once the parent knows it
  Node& node = added.front();
  const auto key = parent->children.emplace(std::move(content), &node).first;
  node.parent = parent;
  node.content = &key->first;
  node.page = page;
  node.holders = 1;
  node.place = added.begin();
  held_.splice(held_.end(), added);
  return &node;
}

void PrefixCache::hold(Node* node) noexcept {
  if (node->holders++ == 0) held_.splice(held_.end(), unused_, node->place);
}

void PrefixCache::release(Node* last) noexcept {
  for (Node* node = last; node != nullptr;) {
    Node* const parent = node->parent;
    if (--node->holders == 0) {
      if (parent != nullptr) {
        unused_.splice(unused_.end(), held_, node->place);
      } else {
        drop_root_if_empty(node);
      }
    }
    node = parent;
  }
}

int32_t PrefixCache::evict() noexcept {
  if (unused_.empty()) return -1;
  const Node& oldest = unused_.front();
  const int32_t page = oldest.page;
  Node* const parent = oldest.parent;
  parent->children.erase(parent->children.find(*oldest.content));
  unused_.pop_front();
  if (parent->parent == nullptr) drop_root_if_empty(parent);
  return page;
}

void PrefixCache::drop_root_if_empty(Node* root) noexcept {
  if (root->holders == 0 && root->children.empty()) roots_.erase(roots_.find(*root->salt));
}

int32_t PrefixCache::page(const Node* node) {
  return node->page;
}

bool PrefixCache::held(const Node* node) {
  return node->holders > 0;
}

}  // namespace oag
