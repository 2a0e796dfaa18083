#include "llm/text/grammar_matcher.h"

#include <algorithm>

#include "base/error.h"
#include "llm/text/grammar_states.h"

namespace oag {

std::shared_ptr<CompiledGrammar> CompiledGrammar::create(
    std::shared_ptr<const Grammar> grammar, std::shared_ptr<const GrammarVocabulary> vocabulary) {
  return std::shared_ptr<CompiledGrammar>(new CompiledGrammar(std::move(grammar), std::move(vocabulary)));
}

CompiledGrammar::CompiledGrammar(std::shared_ptr<const Grammar> grammar,
                                 std::shared_ptr<const GrammarVocabulary> vocabulary)
    : grammar_(std::move(grammar)), vocabulary_(std::move(vocabulary)) {
  current_states();
}

CompiledGrammar::~CompiledGrammar() = default;

std::shared_ptr<GrammarStates> CompiledGrammar::current_states() {
  if (states_ == nullptr || states_->size_bytes() > kMaxGrammarCacheBytes) {
    const std::shared_ptr<const GrammarProgram> program(grammar_, &grammar_->program());
    states_ = std::make_shared<GrammarStates>(program, vocabulary_);
  }
  return states_;
}

size_t CompiledGrammar::cached_bytes() {
  const std::lock_guard lock(mutex_);
  return states_ == nullptr ? 0 : states_->size_bytes();
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<CompiledGrammar> compiled, std::span<const TokenId> end_ids)
    : compiled_(std::move(compiled)), end_ids_(end_ids.begin(), end_ids.end()) {
  const auto& vocabulary = *compiled_->vocabulary();
  if (end_ids_.empty()) end_ids_.assign(vocabulary.end_ids().begin(), vocabulary.end_ids().end());
  std::erase_if(end_ids_,
                [&](TokenId id) { return id < 0 || static_cast<size_t>(id) >= vocabulary.size_tokens(); });
  const std::lock_guard lock(compiled_->mutex_);
  states_ = compiled_->current_states();
  configuration_ = states_->start();
}

// With the mutex held: moves to fresh states when the old ones have grown too large.
void GrammarMatcher::enter_states() {
  auto current = compiled_->current_states();
  current->begin_operation();
  if (current == states_) return;
  configuration_ = current->import(*states_, configuration_);
  states_ = std::move(current);
}

void GrammarMatcher::mask(std::span<uint32_t> bits) {
  const auto& vocabulary = *compiled_->vocabulary();
  const size_t words = mask_words(vocabulary.size_tokens());
  if (bits.size() < words) {
    fail(ErrorCode::kInvalidArgument, "token mask", "has {} words, a vocabulary of {} tokens takes {}",
         bits.size(), vocabulary.size_tokens(), words);
  }
  std::fill(bits.begin(), bits.end(), 0);
  bool may_end = ended_;
  if (!ended_) {
    const std::lock_guard lock(compiled_->mutex_);
    enter_states();
    may_end = states_->may_end(configuration_);
    states_->mask(configuration_).add_to(bits);
  }
  for (const TokenId id : end_ids_) {
    uint32_t& word = bits[static_cast<size_t>(id) / 32];
    const uint32_t bit = uint32_t{1} << (static_cast<size_t>(id) % 32);
    word = may_end ? word | bit : word & ~bit;
  }
  if (std::all_of(bits.begin(), bits.end(), [](uint32_t word) { return word == 0; })) {
    fail(ErrorCode::kInvalidArgument, "grammar", "no token of this vocabulary can follow {}",
         may_end ? "and it has no end id" : "here; the grammar asks for text that its tokens cannot write");
  }
}

bool GrammarMatcher::accept(TokenId id) {
  const auto& vocabulary = *compiled_->vocabulary();
  if (id < 0 || static_cast<size_t>(id) >= vocabulary.size_tokens()) return false;
  if (std::find(end_ids_.begin(), end_ids_.end(), id) != end_ids_.end()) {
    ended_ = ended_ || may_end();
    return ended_;
  }
  const std::string_view bytes = vocabulary.bytes(id);
  return !bytes.empty() && accept_bytes(bytes);
}

bool GrammarMatcher::accept_bytes(std::string_view bytes) {
  if (ended_) return bytes.empty();
  const std::lock_guard lock(compiled_->mutex_);
  enter_states();
  uint32_t c = configuration_;
  for (const char byte : bytes) {
    c = states_->step(c, static_cast<uint8_t>(byte));
    if (c == 0) return false;
  }
  configuration_ = c;
  return true;
}

bool GrammarMatcher::complete() const {
  const std::lock_guard lock(compiled_->mutex_);
  return ended_ || states_->must_end(configuration_);
}

bool GrammarMatcher::may_end() const {
  const std::lock_guard lock(compiled_->mutex_);
  return ended_ || states_->may_end(configuration_);
}

void GrammarMatcher::add_below(uint32_t node, std::span<uint32_t> bits) {
  if (ended_) return;
  const std::lock_guard lock(compiled_->mutex_);
  enter_states();
  states_->add_below(configuration_, node, bits);
}

}  // namespace oag
