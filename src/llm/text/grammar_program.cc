#include "llm/text/grammar_program.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.h"
#include "llm/text/grammar_utf8.h"

namespace oag {
namespace {

using Kind = GrammarRules::Kind;
using Node = GrammarRules::Node;

constexpr uint32_t kNone = UINT32_MAX;
// A rule of at most this many states is copied to where it is called: calls cost more than states.
constexpr uint64_t kMaxCopiedStates = 24;
constexpr uint32_t kMaxCopyDepth = 64;

// Facts about rules that the automaton's construction needs. Linear in the size of the grammar.
class RuleFacts {
 public:
  explicit RuleFacts(const GrammarRules& rules) : rules_(rules) {
    check_bodies();
    productive_ = derive([](const Node& node) {
      return node.kind == Kind::kLiteral || (node.kind == Kind::kChars && node.count > 0);
    });
    nullable_ = derive([](const Node& node) { return node.kind == Kind::kLiteral && node.count == 0; });
    check_left_recursion();
    measure_rules();
  }

  bool productive(uint32_t expression) const { return productive_[expression]; }
  bool nullable(uint32_t expression) const { return nullable_[expression]; }
  bool copied(uint32_t rule) const { return copied_[rule]; }
  uint64_t states(uint32_t rule) const { return states_[rule]; }

 private:
  void check_bodies() const {
    for (const auto& rule : rules_.rules()) {
      if (rule.body == kNone) {
        fail(ErrorCode::kInvalidArgument, rules_.where(), "rule '{}' is used but nowhere defined", rule.name);
      }
    }
  }

  // Which expressions have a property that leaves have by `leaf`, sequences if all parts have it, and
  // alternatives if one has. Each expression is settled once, from its parts up.
  template <typename Leaf>
  std::vector<bool> derive(Leaf leaf) const {
    const auto nodes = rules_.nodes();
    std::vector<bool> holds(nodes.size());
    std::vector<uint32_t> missing(nodes.size(), 1), settled;
    std::vector<std::pair<uint32_t, uint32_t>> users;  // part, whole
    const auto settle = [&](uint32_t expression) {
      if (holds[expression]) return;
      holds[expression] = true;
      settled.push_back(expression);
    };
    for (uint32_t i = 0; i < nodes.size(); ++i) {
      const Node& node = nodes[i];
      if (node.kind == Kind::kRule) users.emplace_back(rules_.rules()[node.begin].body, i);
      if (node.kind == Kind::kRepeat) users.emplace_back(node.begin, i);
      if (node.kind == Kind::kSequence || node.kind == Kind::kEither) {
        for (const uint32_t part : rules_.parts(node)) users.emplace_back(part, i);
      }
      if (node.kind == Kind::kSequence) missing[i] = node.count;
      if (missing[i] == 0 || leaf(node) || (node.kind == Kind::kRepeat && node.min == 0)) settle(i);
    }
    std::sort(users.begin(), users.end());
    while (!settled.empty()) {
      const uint32_t part = settled.back();
      settled.pop_back();
      for (auto user = std::lower_bound(users.begin(), users.end(), std::pair(part, 0u));
           user != users.end() && user->first == part; ++user) {
        if (missing[user->second] > 0 && --missing[user->second] == 0) settle(user->second);
      }
    }
    return holds;
  }

  // Calls `visit` for each rule that an expression refers to; with `first_only` those that can be reached
  // before anything has been read.
  template <typename Visit>
  void visit_calls(uint32_t expression, bool first_only, Visit visit) const {
    std::vector<uint32_t> open{expression};
    while (!open.empty()) {
      const Node& node = rules_.nodes()[open.back()];
      open.pop_back();
      if (node.kind == Kind::kRule) visit(node.begin);
      if (node.kind == Kind::kRepeat && node.max > 0) open.push_back(node.begin);
      if (node.kind == Kind::kEither || node.kind == Kind::kSequence) {
        for (const uint32_t part : rules_.parts(node)) {
          open.push_back(part);
          if (first_only && node.kind == Kind::kSequence && !nullable_[part]) break;
        }
      }
    }
  }

  void check_left_recursion() const {
    enum : uint8_t { kNew, kOpen, kDone };
    std::vector<uint8_t> state(rules_.rules().size(), kNew);
    struct Visit {
      uint32_t rule;
      std::vector<uint32_t> calls;
    };
    std::vector<Visit> path;
    const auto enter = [&](uint32_t rule) {
      state[rule] = kOpen;
      path.push_back({rule, {}});
      visit_calls(rules_.rules()[rule].body, true, [&](uint32_t call) { path.back().calls.push_back(call); });
    };
    for (uint32_t root = 0; root < state.size(); ++root) {
      if (state[root] == kNew) enter(root);
      while (!path.empty()) {
        if (path.back().calls.empty()) {
          state[path.back().rule] = kDone;
          path.pop_back();
          continue;
        }
        const uint32_t next = path.back().calls.back();
        path.back().calls.pop_back();
        if (state[next] == kOpen) {
          fail(ErrorCode::kUnsupported, rules_.where(),
               "rule '{}' calls itself before it has read anything (left recursion through other rules or "
               "behind an "
               "empty part); write it as a repetition",
               rules_.rules()[next].name);
        }
        if (state[next] == kNew) enter(next);
      }
    }
  }

  // Rules that call no recursive one get their size with the small ones copied in; the others are never
  // copied.
  void measure_rules() {
    const size_t count = rules_.rules().size();
    copied_.assign(count, false);
    states_.assign(count, 0);
    std::vector<uint32_t> waiting(count), copy_depth(count), ready;
    std::vector<std::pair<uint32_t, uint32_t>> callers;  // callee, caller
    for (uint32_t rule = 0; rule < count; ++rule) {
      visit_calls(rules_.rules()[rule].body, false, [&](uint32_t call) {
        callers.emplace_back(call, rule);
        ++waiting[rule];
      });
      if (waiting[rule] == 0) ready.push_back(rule);
    }
    std::sort(callers.begin(), callers.end());
    while (!ready.empty()) {
      const uint32_t rule = ready.back();
      ready.pop_back();
      states_[rule] = measure(rules_.rules()[rule].body);
      copied_[rule] = !rules_.rules()[rule].keep && states_[rule] <= kMaxCopiedStates &&
                      copy_depth[rule] <= kMaxCopyDepth;
      for (auto caller = std::lower_bound(callers.begin(), callers.end(), std::pair(rule, 0u));
           caller != callers.end() && caller->first == rule; ++caller) {
        if (copied_[rule])
          copy_depth[caller->second] = std::max(copy_depth[caller->second], copy_depth[rule] + 1);
        if (--waiting[caller->second] == 0) ready.push_back(caller->second);
      }
    }
    for (uint32_t rule = 0; rule < count; ++rule) {
      if (waiting[rule] > 0) states_[rule] = measure(rules_.rules()[rule].body);
    }
  }

  // About how many states and edges an expression takes; bounded well below overflow.
  uint64_t measure(uint32_t expression) const {
    constexpr uint64_t kMany = uint64_t{1} << 32;
    const Node& node = rules_.nodes()[expression];
    uint64_t total = 2;
    switch (node.kind) {
      case Kind::kLiteral: total = node.count + 1; break;
      case Kind::kChars: total = 2 + 2 * uint64_t{node.count}; break;
      case Kind::kRule: total = copied_[node.begin] ? states_[node.begin] : 2; break;
      case Kind::kRepeat:
        total = 2 + measure(node.begin) * (node.max == kUnbounded ? node.min + 1 : std::max(node.max, 1u));
        break;
      case Kind::kSequence:
      case Kind::kEither:
        for (const uint32_t part : rules_.parts(node)) total += measure(part);
        break;
    }
    return std::min(total, kMany);
  }

  const GrammarRules& rules_;
  std::vector<bool> productive_, nullable_;  // by expression
  std::vector<bool> copied_;                 // by rule
  std::vector<uint64_t> states_;
};

}  // namespace

class GrammarProgramBuilder {
 public:
  explicit GrammarProgramBuilder(const GrammarRules& rules) : rules_(rules), facts_(rules) {}

  std::shared_ptr<const GrammarProgram> build(uint32_t root) {
    if (!facts_.productive(rules_.rules()[root].body)) {
      fail(ErrorCode::kInvalidArgument, rules_.where(), "describes no finite text (rule '{}' can never end)",
           rules_.rules()[root].name);
    }
    starts_.assign(rules_.rules().size(), kNone);
    const uint32_t start = start_of(root);
    uint64_t total = 0;
    while (!pending_.empty()) {
      const uint32_t rule = pending_.back();
      pending_.pop_back();
      total += facts_.states(rule);
      if (total > kMaxGrammarStates) fail_size();
      const uint32_t end = add_state();
      states_[end].ends_rule = true;
      emit(rules_.rules()[rule].body, starts_[rule], end);
    }
    return finish(start);
  }

 private:
  struct State {
    std::vector<GrammarProgram::ByteEdge> bytes;
    std::vector<GrammarProgram::CallEdge> calls;
    std::vector<uint32_t> empties;
    bool ends_rule = false;
  };

  [[noreturn]] void fail_size() const {
    fail(ErrorCode::kUnsupported, rules_.where(),
         "needs more than {} states; use smaller bounds in repetitions and lengths", kMaxGrammarStates);
  }

  uint32_t add_state() {
    if (states_.size() >= 2 * kMaxGrammarStates) fail_size();
    states_.emplace_back();
    return static_cast<uint32_t>(states_.size() - 1);
  }

  uint32_t start_of(uint32_t rule) {
    if (starts_[rule] == kNone) {
      starts_[rule] = add_state();
      pending_.push_back(rule);
    }
    return starts_[rule];
  }

  // Adds what leads from `from` to `to` by reading the expression. Nothing else leads into `from` or out of
  // `to` because of it.
  void emit(uint32_t expression, uint32_t from, uint32_t to) {
    if (!facts_.productive(expression)) return;
    const Node& node = rules_.nodes()[expression];
    switch (node.kind) {
      case Kind::kLiteral: return emit_literals(std::vector{rules_.bytes(node)}, from, to);
      case Kind::kChars: return emit_chars(rules_.ranges(node), from, to);
      case Kind::kRule: return emit_call(node.begin, from, to);
      case Kind::kSequence: return emit_sequence(rules_.parts(node), from, to);
      case Kind::kEither: return emit_either(rules_.parts(node), from, to);
      case Kind::kRepeat: return emit_repeat(node, from, to);
    }
  }

  // Literals share the states of their common beginnings.
  void emit_literals(std::vector<std::string_view> texts, uint32_t from, uint32_t to) {
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    std::vector<uint32_t> path{from};  // states behind each byte of the last text
    std::string_view last;
    for (const std::string_view text : texts) {
      const size_t shared = static_cast<size_t>(
          std::mismatch(last.begin(), last.end(), text.begin(), text.end()).first - last.begin());
      path.resize(shared + 1);
      for (size_t i = shared; i < text.size(); ++i) {
        const auto byte = static_cast<uint8_t>(text[i]);
        const uint32_t next = add_state();
        states_[path.back()].bytes.push_back({byte, byte, next});
        path.push_back(next);
      }
      states_[path.back()].empties.push_back(to);
      last = text;
    }
  }

  void emit_chars(std::span<const CharRange> ranges, uint32_t from, uint32_t to) {
    std::map<std::tuple<uint8_t, uint8_t, uint32_t>, uint32_t> shared;  // trailing bytes, what follows: state
    for (const Utf8Sequence& sequence : utf8_sequences(ranges)) {
      uint32_t target = to;
      for (int i = sequence.size - 1; i > 0; --i) {
        const auto [first, last] = sequence.bytes[i];
        const auto [found, is_new] = shared.try_emplace({first, last, target}, kNone);
        if (is_new) {
          found->second = add_state();
          states_[found->second].bytes.push_back({first, last, target});
        }
        target = found->second;
      }
      add_bytes(from, {sequence.bytes[0].first, sequence.bytes[0].last, target});
    }
  }

  void add_bytes(uint32_t from, GrammarProgram::ByteEdge edge) {
    auto& edges = states_[from].bytes;
    if (!edges.empty() && edges.back().target == edge.target && edges.back().last + 1 == edge.first) {
      edges.back().last = edge.last;
    } else {
      if (++byte_edges_ > 8 * kMaxGrammarStates) fail_size();
      edges.push_back(edge);
    }
  }

  void emit_call(uint32_t rule, uint32_t from, uint32_t to) {
    const uint32_t body = rules_.rules()[rule].body;
    if (facts_.copied(rule)) return emit(body, from, to);
    const uint32_t start = start_of(rule);  // may move states_
    states_[from].calls.push_back({start, to});
    if (facts_.nullable(body)) states_[from].empties.push_back(to);
  }

  void emit_sequence(std::span<const uint32_t> parts, uint32_t from, uint32_t to) {
    if (parts.empty()) states_[from].empties.push_back(to);
    for (size_t i = 0; i < parts.size(); ++i) {
      const uint32_t next = i + 1 == parts.size() ? to : add_state();
      emit(parts[i], from, next);
      from = next;
    }
  }

  void emit_either(std::span<const uint32_t> parts, uint32_t from, uint32_t to) {
    std::vector<std::string_view> literals;
    for (const uint32_t part : parts) {
      const Node& node = rules_.nodes()[part];
      if (node.kind == Kind::kLiteral) {
        literals.push_back(rules_.bytes(node));
      } else {
        emit(part, from, to);
      }
    }
    emit_literals(std::move(literals), from, to);
  }

  void emit_repeat(const Node& node, uint32_t from, uint32_t to) {
    if (!facts_.productive(node.begin) || node.max == 0) {
      states_[from].empties.push_back(to);
      return;
    }
    std::vector<uint32_t> places;
    for (uint32_t i = 0; i < node.min; ++i) {
      const uint32_t next = add_state();
      emit(node.begin, from, next);
      from = next;
      if (i + 1 < node.min) places.push_back(from);
    }
    keep_places(node, places);
    if (node.max == kUnbounded) {
      const uint32_t loop = add_state();
      states_[from].empties.push_back(loop);
      emit(node.begin, loop, loop);
      states_[loop].empties.push_back(to);
      return;
    }
    places.clear();
    for (uint32_t i = node.min; i < node.max; ++i) {
      states_[from].empties.push_back(to);
      const uint32_t next = add_state();
      emit(node.begin, from, next);
      from = next;
      if (i + 1 < node.max) places.push_back(from);
    }
    keep_places(node, places);
    states_[from].empties.push_back(to);
  }

  // Places that all must go on, or all may end, differ only in how many parts can follow, and each part takes
  // a byte unless it may be empty.
  void keep_places(const Node& node, std::span<const uint32_t> places) {
    if (facts_.nullable(node.begin)) return;
    counted_.insert(counted_.end(), places.begin(), places.end());
    count_end_.resize(counted_.size(), static_cast<uint32_t>(counted_.size()));
  }

  std::shared_ptr<const GrammarProgram> finish(uint32_t start) const {
    std::shared_ptr<GrammarProgram> program(new GrammarProgram());
    program->start_ = start;
    std::array<bool, 257> boundary{};
    for (const State& state : states_) {
      program->byte_begin_.push_back(static_cast<uint32_t>(program->bytes_.size()));
      program->call_begin_.push_back(static_cast<uint32_t>(program->calls_.size()));
      program->empty_begin_.push_back(static_cast<uint32_t>(program->empties_.size()));
      program->bytes_.insert(program->bytes_.end(), state.bytes.begin(), state.bytes.end());
      program->calls_.insert(program->calls_.end(), state.calls.begin(), state.calls.end());
      program->empties_.insert(program->empties_.end(), state.empties.begin(), state.empties.end());
      program->ends_rule_.push_back(state.ends_rule);
      for (const auto& edge : state.bytes) boundary[edge.first] = boundary[edge.last + size_t{1}] = true;
    }
    program->byte_begin_.push_back(static_cast<uint32_t>(program->bytes_.size()));
    program->call_begin_.push_back(static_cast<uint32_t>(program->calls_.size()));
    program->empty_begin_.push_back(static_cast<uint32_t>(program->empties_.size()));
    program->only_ends_ = find_only_ends();
    program->boundaries_ = find_boundaries(boundary);
    program->counted_ = counted_;
    program->count_end_ = count_end_;
    program->count_at_.assign(states_.size(), kNone);
    for (uint32_t i = 0; i < counted_.size(); ++i) program->count_at_[counted_[i]] = i;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (byte == 0 || boundary[byte]) program->class_bytes_.push_back(static_cast<uint8_t>(byte));
      program->class_of_[byte] = static_cast<uint8_t>(program->class_bytes_.size() - 1);
    }
    return program;
  }

  // States from which empty edges lead to the rule's end and nowhere else.
  std::vector<bool> find_only_ends() const {
    std::vector<std::pair<uint32_t, uint32_t>> reversed;  // target, source of empty edges
    std::vector<bool> only_ends(states_.size(), true);
    std::vector<uint32_t> open;
    for (uint32_t i = 0; i < states_.size(); ++i) {
      for (const uint32_t target : states_[i].empties) reversed.emplace_back(target, i);
      if (states_[i].bytes.empty() && states_[i].calls.empty()) continue;
      only_ends[i] = false;
      open.push_back(i);
    }
    std::sort(reversed.begin(), reversed.end());
    while (!open.empty()) {
      const uint32_t state = open.back();
      open.pop_back();
      for (auto edge = std::lower_bound(reversed.begin(), reversed.end(), std::pair(state, 0u));
           edge != reversed.end() && edge->first == state; ++edge) {
        if (!only_ends[edge->second]) continue;
        only_ends[edge->second] = false;
        open.push_back(edge->second);
      }
    }
    return only_ends;
  }

  // From the last state to the first, which settles all but loops at once. Where it does not settle, every
  // boundary of the grammar stands for those that matter.
  std::vector<ByteBoundaries> find_boundaries(const std::array<bool, 257>& all) const {
    constexpr int kPasses = 10;
    const auto set = [](ByteBoundaries& bits, size_t byte) {
      if (byte < 256) bits[byte / 64] |= uint64_t{1} << (byte % 64);
    };
    std::vector<ByteBoundaries> boundaries(states_.size());
    for (int pass = 0; pass < kPasses; ++pass) {
      bool changed = false;
      for (size_t i = states_.size(); i-- > 0;) {
        ByteBoundaries reached = boundaries[i];
        const auto follow = [&](uint32_t target) {
          for (size_t word = 0; word < reached.size(); ++word) reached[word] |= boundaries[target][word];
        };
        for (const auto& edge : states_[i].bytes) {
          set(reached, edge.first);
          set(reached, edge.last + size_t{1});
          if (edge.first != '\\' || edge.last != '\\') follow(edge.target);
        }
        for (const auto& call : states_[i].calls) follow(call.start), follow(call.target);
        for (const uint32_t target : states_[i].empties) follow(target);
        changed = changed || reached != boundaries[i];
        boundaries[i] = reached;
      }
      if (!changed) return boundaries;
    }
    ByteBoundaries every{};
    for (size_t byte = 0; byte < 256; ++byte) {
      if (all[byte]) set(every, byte);
    }
    boundaries.assign(states_.size(), every);
    return boundaries;
  }

  const GrammarRules& rules_;
  const RuleFacts facts_;
  std::vector<State> states_;
  std::vector<uint32_t> counted_, count_end_;  // as in GrammarProgram
  std::vector<uint32_t> starts_;               // by rule
  std::vector<uint32_t> pending_;              // rules that are called and not yet emitted
  size_t byte_edges_ = 0;
};

std::shared_ptr<const GrammarProgram> GrammarProgram::build(GrammarRules rules, GrammarRules::Rule root) {
  for (const auto& rule : rules.rules()) {
    if (rule.body == kNone) {
      fail(ErrorCode::kInvalidArgument, rules.where(), "rule '{}' is used but nowhere defined", rule.name);
    }
  }
  rules.rewrite_left_recursion();
  return GrammarProgramBuilder(rules).build(root);
}

}  // namespace oag
