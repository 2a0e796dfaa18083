#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/bert_normalizer.h"

namespace oag {

using TokenId = int32_t;

// Values are those of GGUF's tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // matched in text only on request, prints as nothing
  kUserDefined = 4,  // always matched in text, prints as it is written
  kUnused = 5,
  kByte = 6,  // "<0x41>" in a SentencePiece vocabulary
};

inline constexpr size_t kMaxTokens = size_t{1} << 24;
inline constexpr size_t kMaxMerges = size_t{1} << 26;
// Bounds the work per input byte that a hostile vocabulary can ask for. Real tokens stay below 1,100 bytes.
inline constexpr size_t kMaxTokenBytes = 16384;
inline constexpr size_t kMaxSpecialTokenBytes = 1024;

// A tokenizer as a model file states it (the tokenizer.ggml.* keys of GGUF, facts of tokenizer.json).
struct Vocabulary {
  // "bert": WordPiece. "gpt2": byte-level BPE by merge rank; "llama": SentencePiece BPE, by merge rank where
  // there are merges and by score else.
  std::string model;
  std::string pre;  // name of the pre-tokenizer, as llama.cpp names them
  std::vector<std::string>
      tokens;  // text of each id; "gpt2" writes bytes in the GPT-2 alphabet, "llama" ▁ for space
  std::vector<float> scores;        // one a token; only "llama" without merges needs them
  std::vector<TokenType> types;     // one a token, or empty: all normal
  std::vector<std::string> merges;  // "left right", best first
  std::optional<TokenId> bos, eos, eot, eom, unknown, padding;
  std::vector<TokenId> more_end_ids;  // further ids that end an answer, such as a config's eos list
  // Absent: what the model kind and pre-tokenizer imply (see Tokenizer::create).
  std::optional<bool> add_bos, add_eos, add_space_prefix;
  std::optional<bool> normalizes_nfc, ignore_merges;  // see Pretokenizer
  // The space prefix of "llama" with merges: at the text's start alone (else after special tokens too), and
  // only where no space stands there.
  bool space_prefix_at_start = false, space_prefix_once = false;

  TokenType type(TokenId id) const {
    return types.empty() ? TokenType::kNormal : types[static_cast<size_t>(id)];
  }

  std::optional<BertText> bert;  // of "bert"

  // Refuses data that contradicts itself, naming `where` (the file). Errors: kCorruptData for wrong lengths,
  // ids out of range, merges without a space, tokens that are too long, scores that are not numbers;
  // kUnsupported for another model kind.
  void validate(std::string_view where) const;
};

}  // namespace oag
