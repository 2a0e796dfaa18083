#include "llm/text/grammar_states.h"

#include <algorithm>

#include "base/error.h"
#include "llm/text/token_constraint.h"

namespace oag {
namespace {

void set_bit(std::span<uint32_t> bits, TokenId id) {
  bits[static_cast<size_t>(id) / 32] |= uint32_t{1} << (static_cast<size_t>(id) % 32);
}

}  // namespace

void StoredMask::add_to(std::span<uint32_t> bits) const {
  if (dense) {
    for (size_t i = 0; i < data.size(); ++i) bits[i] |= data[i];
  } else {
    for (const uint32_t id : data) set_bit(bits, static_cast<TokenId>(id));
  }
}

GrammarStates::GrammarStates(std::shared_ptr<const GrammarProgram> program,
                             std::shared_ptr<const GrammarVocabulary> vocabulary)
    : program_(std::move(program)),
      vocabulary_(std::move(vocabulary)),
      classes_(program_->classes()),
      depths_{0},
      flags_{0},
      next_(classes_, 0),
      path_(size_t{vocabulary_->trie().max_depth()} + 1),
      local_bits_(mask_words(vocabulary_->size_tokens())) {
  for (Scratch* scratch : {&closing_, &expanding_}) {
    scratch->mark.assign(size_t{program_->final_state()} + 1, 0);
    scratch->stack.assign(size_t{program_->final_state()} + 1, 0);
  }
  bottom_ = push(program_->final_state(), 0);
  clear(closing_);
  add(closing_, program_->start(), bottom_);
  start_ = close(closing_);
}

void GrammarStates::spend(uint64_t work) {
  work_ += work;
  if (work_ > kMaxGrammarWork) {
    fail(ErrorCode::kUnsupported, "grammar",
         "one token takes more than {} steps; the grammar is too ambiguous, simplify it", kMaxGrammarWork);
  }
}

uint32_t GrammarStates::intern_stack(std::span<const Frame> frames) {
  const uint32_t stack = stacks_.intern(frames);
  if (stack == depths_.size()) {
    uint32_t depth = 0;
    for (const Frame& frame : frames) depth = std::max(depth, depths_[frame.below]);
    depths_.push_back(depth + 1);
  }
  return stack;
}

uint32_t GrammarStates::push(uint32_t state, uint32_t stack) {
  const Frame frame{state, stack};
  return intern_stack({&frame, 1});
}

uint32_t GrammarStates::join(uint32_t a, uint32_t b) {
  if (a == b) return a;
  if (a > b) std::swap(a, b);
  const uint64_t key = uint64_t{a} << 32 | b;
  if (const auto known = joined_.find(key); known != joined_.end()) return known->second;
  const auto copy = [&](uint32_t stack) {
    const auto frames = stacks_[stack];
    return std::vector<Frame>(frames.begin(), frames.end());
  };
  const std::vector<Frame> left = copy(a), right = copy(b);
  spend(left.size() + right.size());
  std::vector<Frame> frames;
  auto l = left.begin();
  auto r = right.begin();
  while (l != left.end() && r != right.end()) {
    if (l->state != r->state) {
      frames.push_back(l->state < r->state ? *l++ : *r++);
    } else {
      frames.push_back({l->state, join(l->below, r->below)});
      ++l, ++r;
    }
  }
  frames.insert(frames.end(), l, left.end());
  frames.insert(frames.end(), r, right.end());
  const uint32_t joined = intern_stack(frames);
  joined_.emplace(key, joined);
  return joined;
}

void GrammarStates::clear(Scratch& scratch) const {
  scratch.open.clear();
  scratch.found.clear();
  if (++scratch.epoch == 0) {
    std::fill(scratch.mark.begin(), scratch.mark.end(), 0);
    scratch.epoch = 1;
  }
}

void GrammarStates::add(Scratch& scratch, uint32_t state, uint32_t stack) {
  spend(1);
  if (scratch.mark[state] != scratch.epoch) {
    scratch.mark[state] = scratch.epoch;
    scratch.stack[state] = stack;
    scratch.found.push_back(state);
  } else {
    const uint32_t joined = join(scratch.stack[state], stack);
    if (joined == scratch.stack[state]) return;
    scratch.stack[state] = joined;
  }
  scratch.open.push_back(state);
}

// Follows empty edges and the ends of rules, and names what was found.
GrammarStates::Configuration GrammarStates::close(Scratch& scratch) {
  while (!scratch.open.empty()) {
    const uint32_t state = scratch.open.back();
    scratch.open.pop_back();
    if (state == program_->final_state()) continue;
    const uint32_t stack = scratch.stack[state];
    for (const uint32_t target : program_->empty_edges(state)) add(scratch, target, stack);
    if (program_->ends_rule(state)) {
      const auto frames = stacks_[stack];
      const std::vector<Frame> copy(frames.begin(), frames.end());
      for (const Frame& frame : copy) add(scratch, frame.state, frame.below);
    }
  }
  std::vector<std::pair<uint32_t, uint32_t>> ways;  // stack, state
  for (const uint32_t state : scratch.found) {
    if (state == program_->final_state() || !program_->byte_edges(state).empty() ||
        !program_->call_edges(state).empty()) {
      ways.emplace_back(scratch.stack[state], state);
    }
  }
  std::sort(ways.begin(), ways.end());
  std::vector<Item> items;
  std::vector<uint32_t> states;
  for (size_t i = 0; i < ways.size(); ++i) {
    states.push_back(ways[i].second);
    if (i + 1 < ways.size() && ways[i + 1].first == ways[i].first) continue;
    items.push_back({sets_.intern(states), ways[i].first});
    states.clear();
  }
  return intern_configuration(items);
}

GrammarStates::Configuration GrammarStates::intern_configuration(std::span<const Item> items) {
  const Configuration c = configurations_.intern(items);
  if (c == flags_.size()) {
    // The final state is the largest and alone on the empty stack, which is the smallest.
    const bool may_end = !items.empty() && items[0].stack == 0;
    flags_.push_back(
        static_cast<uint8_t>((may_end ? kMayEnd : 0) | (may_end && items.size() == 1 ? kMustEnd : 0)));
    next_.resize(next_.size() + classes_, kUnknown);
  }
  return c;
}

std::span<const GrammarStates::Edge> GrammarStates::edges(Configuration c) {
  if (const auto known = edges_.find(c); known != edges_.end()) return known->second;
  Scratch& scratch = expanding_;
  clear(scratch);
  const auto items = configurations_[c];
  for (const Item& item : items) {
    for (const uint32_t state : sets_[item.states]) add(scratch, state, item.stack);
  }
  while (!scratch.open.empty()) {
    const uint32_t state = scratch.open.back();
    scratch.open.pop_back();
    const uint32_t stack = scratch.stack[state];
    for (const uint32_t target : program_->empty_edges(state)) add(scratch, target, stack);
    for (const auto& call : program_->call_edges(state)) {
      if (program_->only_ends(call.target)) {
        add(scratch, call.start, stack);
      } else if (depths_[stack] < kMaxGrammarDepth) {
        add(scratch, call.start, push(call.target, stack));
      }
    }
  }
  std::vector<Edge> edges;
  for (const uint32_t state : scratch.found) {
    const auto bytes = program_->byte_edges(state);
    spend(bytes.size());
    for (const auto& edge : bytes)
      edges.push_back({edge.first, edge.last, edge.target, scratch.stack[state]});
  }
  cached_bytes_ += edges.size() * sizeof(Edge) + 64;
  return edges_.emplace(c, std::move(edges)).first->second;
}

GrammarStates::Configuration GrammarStates::find_next(Configuration from, uint8_t byte) {
  const auto all = edges(from);
  spend(all.size() / 8 + 1);
  clear(closing_);
  for (const Edge& edge : all) {
    if (edge.first <= byte && byte <= edge.last) add(closing_, edge.target, edge.stack);
  }
  const Configuration next = close(closing_);
  next_[from * classes_ + program_->byte_class(byte)] = next;
  return next;
}

// Where the text stands when the rule above `stack` has ended.
GrammarStates::Configuration GrammarStates::behind(uint32_t stack) {
  const auto frames = stacks_[stack];
  const std::vector<Frame> copy(frames.begin(), frames.end());
  clear(closing_);
  for (const Frame& frame : copy) add(closing_, frame.state, frame.below);
  return close(closing_);
}

// Visits the nodes begin … end - 1 that can be reached from `c`, which holds at `depth`, with what holds
// there, until `visit` says no.
template <typename Visit>
void GrammarStates::walk(const TokenTrie& trie, Configuration c, uint32_t depth, uint32_t begin, uint32_t end,
                         Visit visit) {
  path_[depth] = c;
  for (uint32_t i = begin; i < end;) {
    const TokenTrie::Node& node = trie.node(i);
    const Configuration next = step(path_[node.depth - 1u], node.byte);
    if (next == 0) {
      i = node.end;
      continue;
    }
    path_[node.depth] = next;
    if (!visit(i, next)) return;
    ++i;
  }
}

void GrammarStates::add_tokens(const TokenTrie& trie, Configuration c, uint32_t depth, uint32_t begin,
                               uint32_t end, std::span<uint32_t> bits) {
  walk(trie, c, depth, begin, end, [&](uint32_t i, Configuration) {
    for (const TokenId id : trie.tokens_at(i)) set_bit(bits, id);
    return true;
  });
}

void GrammarStates::add_below(Configuration c, uint32_t node, std::span<uint32_t> bits) {
  const TokenTrie& trie = vocabulary_->trie();
  add_tokens(trie, c, trie.node(node).depth, node + 1, trie.node(node).end, bits);
}

StoredMask GrammarStates::store(std::span<const uint32_t> bits) {
  size_t count = 0;
  for (const uint32_t word : bits) count += static_cast<size_t>(__builtin_popcount(word));
  StoredMask mask;
  if (count >= bits.size()) {
    mask.dense = true;
    mask.data.assign(bits.begin(), bits.end());
  } else {
    mask.data.reserve(count);
    for (size_t i = 0; i < bits.size(); ++i) {
      for (uint32_t word = bits[i]; word != 0; word &= word - 1) {
        mask.data.push_back(static_cast<uint32_t>(32 * i) + static_cast<uint32_t>(__builtin_ctz(word)));
      }
    }
  }
  cached_bytes_ += mask.data.size() * sizeof(uint32_t) + 64;
  return mask;
}

// A set of states that takes the same tokens, and often has been asked about: far from the end of a counted
// repetition, the count does not matter.
uint32_t GrammarStates::alike(uint32_t states) {
  const auto known = sets_[states];
  std::vector<uint32_t> all(known.begin(), known.end());
  for (uint32_t& state : all) {
    if (state != program_->final_state()) {
      state = program_->nearest_alike(state, vocabulary_->trie().max_depth());
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return sets_.intern(all);
}

const GrammarStates::LocalMask& GrammarStates::local_mask(uint32_t states) {
  // Walks that reach more nodes than this are done over classes of bytes, where that helps.
  constexpr size_t kManyNodes = 4096;
  states = alike(states);
  if (const auto known = local_masks_.find(states); known != local_masks_.end()) return known->second;
  ByteBoundaries boundaries{};
  for (const uint32_t state : sets_[states]) {
    const ByteBoundaries& more = program_->boundaries(state);
    for (size_t word = 0; word < boundaries.size(); ++word) boundaries[word] |= more[word];
  }
  const Item item{states, bottom_};
  const Configuration c = intern_configuration({&item, 1});
  LocalMask local;
  auto tries = class_tries_.find(boundaries);
  if (tries == class_tries_.end() && !walk_vocabulary(c, kManyNodes, local)) {
    tries = class_tries_.emplace(boundaries, vocabulary_->class_trie(boundaries)).first;
  }
  if (tries != class_tries_.end()) {
    local.trie = tries->second;
    if (local.trie != nullptr) {
      walk_classes(c, local);
    } else {
      walk_vocabulary(c, SIZE_MAX, local);
    }
  }
  local.accepted = store(local_bits_);
  cached_bytes_ += local.ends.size() * sizeof(uint32_t) + 64;
  return local_masks_.emplace(states, std::move(local)).first->second;
}

bool GrammarStates::walk_vocabulary(Configuration c, size_t max_nodes, LocalMask& local) {
  const TokenTrie& trie = vocabulary_->trie();
  std::fill(local_bits_.begin(), local_bits_.end(), 0);
  local.ends.clear();
  size_t nodes = 0;
  walk(trie, c, 0, 0, trie.size(), [&](uint32_t i, Configuration at) {
    for (const TokenId id : trie.tokens_at(i)) set_bit(local_bits_, id);
    if (may_end(at) && trie.node(i).end > i + 1) local.ends.push_back(i);
    return ++nodes <= max_nodes;
  });
  return nodes <= max_nodes;
}

void GrammarStates::walk_classes(Configuration c, LocalMask& local) {
  const TokenTrie& trie = local.trie->trie();
  std::fill(local_bits_.begin(), local_bits_.end(), 0);
  local.ends.clear();
  walk(trie, c, 0, 0, trie.size(), [&](uint32_t i, Configuration at) {
    const auto ids = trie.tokens_at(i);
    if (ids.size() >= ClassTrie::kDenseTokens) {
      const auto dense = local.trie->dense(i);
      for (size_t word = 0; word < dense.size(); ++word) local_bits_[word] |= dense[word];
    } else {
      for (const TokenId id : ids) set_bit(local_bits_, id);
    }
    if (may_end(at) && trie.node(i).end > i + 1) local.ends.push_back(i);
    return true;
  });
  const TokenTrie& escaped = vocabulary_->escaped();
  walk(escaped, c, 0, 0, escaped.size(), [&](uint32_t i, Configuration at) {
    for (const TokenId id : escaped.tokens_at(i)) set_bit(local_bits_, id);
    if (may_end(at) && escaped.node(i).end > i + 1) local.escaped_ends.push_back(i);
    return true;
  });
}

const StoredMask& GrammarStates::mask(Configuration c) {
  if (const auto known = masks_.find(c); known != masks_.end()) return known->second;
  const auto items = configurations_[c];
  const std::vector<Item> ways(items.begin(), items.end());
  std::vector<uint32_t> bits(mask_words(vocabulary_->size_tokens()));
  for (const Item& way : ways) {
    if (way.stack == 0) continue;  // the end
    const LocalMask& local = local_mask(way.states);
    local.accepted.add_to(bits);
    if (local.ends.empty() || way.stack == bottom_) continue;
    const Configuration rest = behind(way.stack);
    for (const uint32_t node : local.ends) {
      if (local.trie == nullptr) {
        add_below(rest, node, bits);
      } else {
        const TokenTrie& behind = local.trie->behind(node, *vocabulary_);
        add_tokens(behind, rest, 0, 0, behind.size(), bits);
      }
    }
    const TokenTrie& escaped = vocabulary_->escaped();
    for (const uint32_t node : local.escaped_ends) {
      add_tokens(escaped, rest, escaped.node(node).depth, node + 1, escaped.node(node).end, bits);
    }
  }
  return masks_.emplace(c, store(bits)).first->second;
}

GrammarStates::Configuration GrammarStates::import(const GrammarStates& other, Configuration c) {
  std::unordered_map<uint32_t, uint32_t> stacks{{0, 0}};
  // Stacks below have smaller numbers than those above them.
  std::vector<uint32_t> needed, open;
  for (const Item& item : other.configurations_[c]) open.push_back(item.stack);
  while (!open.empty()) {
    const uint32_t stack = open.back();
    open.pop_back();
    if (!stacks.emplace(stack, 0).second) continue;
    needed.push_back(stack);
    for (const Frame& frame : other.stacks_[stack]) open.push_back(frame.below);
  }
  std::sort(needed.begin(), needed.end());
  for (const uint32_t stack : needed) {
    const auto known = other.stacks_[stack];
    std::vector<Frame> frames(known.begin(), known.end());
    for (Frame& frame : frames) frame.below = stacks[frame.below];
    stacks[stack] = intern_stack(frames);
  }
  std::vector<Item> items;
  for (const Item& item : other.configurations_[c]) {
    items.push_back({sets_.intern(other.sets_[item.states]), stacks[item.stack]});
  }
  std::sort(items.begin(), items.end(), [](Item a, Item b) { return a.stack < b.stack; });
  return intern_configuration(items);
}

size_t GrammarStates::size_bytes() const {
  return cached_bytes_ + sets_.size_bytes() + stacks_.size_bytes() + configurations_.size_bytes() +
         next_.size() * sizeof(uint32_t) + joined_.size() * 48;
}

}  // namespace oag
