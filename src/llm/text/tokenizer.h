#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/special_tokens.h"
#include "llm/text/text_encoder.h"
#include "llm/text/token_index.h"
#include "llm/text/unicode.h"
#include "llm/text/vocabulary.h"

namespace oag {

inline constexpr size_t kMaxTextBytes = size_t{256} << 20;

struct EncodeOptions {
  bool parse_special =
      true;  // control tokens written in the text become those tokens; off for text of strangers
  bool add_special = true;  // the bos and eos tokens that the model asks for are added
};

// Text to token ids and back, as the model's own tokenizer does it. Immutable and thread safe.
class Tokenizer {
 public:
  // `where` names the file in errors, which are Vocabulary::validate's. What the vocabulary leaves open is
  // set as llama.cpp does: "llama" adds bos and a space in front, "gpt2" neither, but bos with the Llama-3
  // pre-tokenizer.
  static std::shared_ptr<const Tokenizer> create(Vocabulary vocabulary, std::string_view where = "tokenizer");

  // Special tokens are found first, at each place the longest; user-defined ones always, control and unknown
  // ones with parse_special. The stretches between them are encoded each on its own. Any bytes are accepted;
  // what becomes of those that are not UTF-8 is said at ByteLevelEncoder and SentencePieceEncoder. O(n log
  // n). Errors: kInvalidArgument for texts above kMaxTextBytes.
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const;

  // The bytes that a token prints; they need not be whole characters. Control, unknown and unused tokens
  // print nothing unless `print_control`, then their text. Errors: kInvalidArgument for an id out of range.
  std::string_view token_bytes(TokenId id, bool print_control = false) const;

  // The text of `ids` as well-formed UTF-8 (see StreamDecoder). For "llama" with a space prefix, one space at
  // the start is left out. With `skip_special` control tokens print nothing. Errors: kInvalidArgument for an
  // id out of range.
  std::string decode(std::span<const TokenId> ids, bool skip_special = true) const;

  // The id of the token that is stored with this text, such as "<|im_end|>".
  std::optional<TokenId> find(std::string_view token_text) const;

  // The ids that end an answer, ascending: eos, eot, eom, more_end_ids, and control tokens with a text that
  // is known to end turns (in GLM families also the next role's tag).
  std::span<const TokenId> end_ids() const { return end_ids_; }
  bool is_end(TokenId id) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const SpecialTokens& special_tokens() const { return all_special_; }  // control ones among them
  size_t size_tokens() const { return vocabulary_.tokens.size(); }
  bool adds_bos() const { return adds_bos_; }
  bool adds_eos() const { return adds_eos_; }
  bool adds_space_prefix() const { return adds_space_prefix_; }

 private:
  explicit Tokenizer(Vocabulary vocabulary);

  void build_printed_bytes();
  void collect_end_ids();

  const Vocabulary vocabulary_;
  const TokenIndex index_;
  const SpecialTokens user_defined_;
  const SpecialTokens all_special_;
  std::unique_ptr<const TextEncoder> encoder_;
  bool adds_bos_ = false;
  bool adds_eos_ = false;
  bool adds_space_prefix_ = false;
  std::string printed_;                  // what each token prints, one after the other
  std::vector<uint32_t> printed_begin_;  // [tokens + 1] offsets into printed_
  std::vector<TokenId> end_ids_;
};

struct StreamOptions {
  bool skip_special = true;
  // Leave out one space at the start, where the tokenizer puts one in front of a text. Off when the tokens
  // continue a prompt, whose last character they follow.
  bool at_text_start = false;
};

// Turns the tokens of one answer into text as they arrive. What push() returns is always complete,
// well-formed UTF-8; bytes that form no character become U+FFFD as in the WHATWG UTF-8 decoder.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, StreamOptions options = {});

  // The text that `id` completes, often empty. Errors: kInvalidArgument for an id out of range.
  std::string push(TokenId id);

  // The end of the answer: what was held back, as U+FFFD.
  std::string flush();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  StreamOptions options_;
  bool strip_space_;
  Utf8Stream stream_;
};

}  // namespace oag
