#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "llm/text/grammar_interner.h"
#include "llm/text/grammar_program.h"
#include "llm/text/grammar_vocabulary.h"

namespace oag {

// Above this a compiled grammar forgets what it has computed and starts again.
inline constexpr size_t kMaxGrammarCacheBytes = size_t{48} << 20;
// Edges that one mask or one token may make the automaton follow for the first time.
inline constexpr uint64_t kMaxGrammarWork = 8'000'000;
inline constexpr uint32_t kMaxGrammarDepth = 2'000;  // calls that wait for each other

// A set of tokens: a bit each, or the ids where they are few.
struct StoredMask {
  bool dense = false;
  std::vector<uint32_t> data;

  void add_to(std::span<uint32_t> bits) const;
};

// The states that a pushdown automaton has been in, found step by step and kept, with their token masks.
//
// A position in a text is a configuration: all the ways in which the text so far can be read. A way is a
// state of the automaton and a stack of states to return to; ways with one stack share a set of states, and
// stacks are joined as in a generalised LR parser: a stack is a set of frames {return state, stack below},
// each return state once, so an ambiguous text takes polynomial room. Sets, stacks and configurations are
// numbered; equal ones have one number, so what follows from them is computed once. Not thread safe.
class GrammarStates {
 public:
  using Configuration = uint32_t;  // 0: no text that starts like this is in the grammar

  GrammarStates(std::shared_ptr<const GrammarProgram> program,
                std::shared_ptr<const GrammarVocabulary> vocabulary);

  Configuration start() const { return start_; }
  // Errors of all that compute: kUnsupported when the work since begin_operation() passes kMaxGrammarWork.
  Configuration step(Configuration from, uint8_t byte) {
    const uint32_t known = next_[from * classes_ + program_->byte_class(byte)];
    return known != kUnknown ? known : find_next(from, byte);
  }
  bool may_end(Configuration c) const { return (flags_[c] & kMayEnd) != 0; }
  bool must_end(Configuration c) const { return (flags_[c] & kMustEnd) != 0; }
  // The tokens that may follow. Valid until the next call.
  const StoredMask& mask(Configuration c);
  // Sets in `bits` the tokens below `node` of the trie whose bytes behind the node's may follow.
  void add_below(Configuration c, uint32_t node, std::span<uint32_t> bits);

  Configuration import(const GrammarStates& other, Configuration c);
  void begin_operation() { work_ = 0; }
  size_t size_bytes() const;

 private:
  static constexpr uint32_t kUnknown = UINT32_MAX;
  enum Flags : uint8_t { kMayEnd = 1, kMustEnd = 2 };
  struct Frame {
    uint32_t state, below;
  };
  struct Item {
    uint32_t states, stack;  // a set of states, a stack
  };
  struct Edge {  // what can be read next, calls followed
    uint8_t first, last;
    uint32_t target, stack;
  };
  // What one set of states allows whatever lies below on the stack, and the nodes of the trie at which its
  // rule has ended: what follows there is for the stack to decide.
  struct LocalMask {
    StoredMask accepted;
    std::vector<uint32_t> ends;
    std::shared_ptr<const ClassTrie> trie;  // whose nodes they are; null: the vocabulary's
    std::vector<uint32_t> escaped_ends;     // beside a class trie, nodes of the vocabulary's escaped()
  };
  // States with their stacks, while one configuration is being found.
  struct Scratch {
    std::vector<uint32_t> mark, stack;  // by state
    std::vector<uint32_t> open, found;
    uint32_t epoch = 0;
  };

  Configuration find_next(Configuration from, uint8_t byte);
  std::span<const Edge> edges(Configuration c);
  void add(Scratch& scratch, uint32_t state, uint32_t stack);
  void clear(Scratch& scratch) const;
  Configuration close(Scratch& scratch);
  Configuration behind(uint32_t stack);
  uint32_t push(uint32_t state, uint32_t stack);
  uint32_t join(uint32_t a, uint32_t b);
  uint32_t intern_stack(std::span<const Frame> frames);
  Configuration intern_configuration(std::span<const Item> items);
  const LocalMask& local_mask(uint32_t states);
  uint32_t alike(uint32_t states);
  bool walk_vocabulary(Configuration c, size_t max_nodes, LocalMask& local);
  void walk_classes(Configuration c, LocalMask& local);
  void add_tokens(const TokenTrie& trie, Configuration c, uint32_t depth, uint32_t begin, uint32_t end,
                  std::span<uint32_t> bits);
  template <typename Visit>
  void walk(const TokenTrie& trie, Configuration c, uint32_t depth, uint32_t begin, uint32_t end,
            Visit visit);
  StoredMask store(std::span<const uint32_t> bits);
  void spend(uint64_t work);

  const std::shared_ptr<const GrammarProgram> program_;
  const std::shared_ptr<const GrammarVocabulary> vocabulary_;
  const size_t classes_;
  Interner<uint32_t> sets_;
  Interner<Frame> stacks_;
  std::vector<uint32_t> depths_;  // by stack
  Interner<Item> configurations_;
  std::vector<uint8_t> flags_;  // by configuration
  std::vector<uint32_t> next_;  // [configurations, classes]
  std::unordered_map<Configuration, std::vector<Edge>> edges_;
  std::unordered_map<Configuration, StoredMask> masks_;
  std::unordered_map<uint32_t, LocalMask> local_masks_;  // by set
  std::unordered_map<uint64_t, uint32_t> joined_;        // pairs of stacks
  std::map<ByteBoundaries, std::shared_ptr<const ClassTrie>>
      class_tries_;  // of states that many tokens follow
  Scratch closing_, expanding_;
  std::vector<Configuration> path_;  // of walk(), by depth
  std::vector<uint32_t> local_bits_;
  size_t cached_bytes_ = 0;
  uint64_t work_ = 0;
  uint32_t bottom_ = 0;  // the stack below the root rule
  Configuration start_ = 0;
};

}  // namespace oag
