// Tokenizers over small vocabularies of each kind, and over vocabularies that the input itself describes.
// Byte 0 of the input picks the vocabulary, byte 1 the options; the rest is the text.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "llm/text/byte_alphabet.h"
#include "llm/text/tokenizer.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void add_token(Vocabulary& vocabulary, std::string text, TokenType type, float score = 0) {
  vocabulary.tokens.push_back(std::move(text));
  vocabulary.types.push_back(type);
  vocabulary.scores.push_back(score);
}

Vocabulary byte_level_vocabulary(std::string_view pre) {
  Vocabulary out;
  out.model = "gpt2";
  out.pre = pre;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    std::string letter;
    append_alphabet(letter, std::string_view(&c, 1));
    add_token(out, letter, TokenType::kNormal);
  }
  for (const char* merge :
       {"t h", "th e", "\u0120 the", "a a", "aa aa", "\u0120 \u0120", "\u00E2 \u0122", "1 2", "' s"}) {
    out.merges.push_back(merge);
    std::string joined = merge;
    joined.erase(joined.find(' ', 1), 1);
    // "thee" is a merge result that is no token.
    add_token(out, joined, TokenType::kNormal);
  }
  out.merges.push_back("the e");
  for (const char* text : {"<|im_end|>", "<|im", "</s>"}) add_token(out, text, TokenType::kControl);
  for (const char* text : {"<think>", "<", "\u00E9"}) add_token(out, text, TokenType::kUserDefined);
  return out;
}

Vocabulary sentencepiece_vocabulary(bool add_space_prefix) {
  Vocabulary out;
  out.model = "llama";
  out.add_space_prefix = add_space_prefix;
  add_token(out, "<unk>", TokenType::kUnknown);
  add_token(out, "<s>", TokenType::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    std::array<char, 8> text;
    std::snprintf(text.data(), text.size(), "<0x%02X>", byte);
    add_token(out, text.data(), TokenType::kByte);
  }
  float score = -1;
  for (const char* text : {"\u2581", "a", "t", "h", "e", "th", "the", "\u2581the", "aa", "aaaa",
                           "\u2581\u2581", "\u00E9", "s>"}) {
    add_token(out, text, TokenType::kNormal, score--);
  }
  out.bos = 1;
  out.unknown = 0;
  return out;
}

constexpr std::string_view kPres[] = {"default", "gpt-2",        "smollm",         "falcon",      "llama-bpe",
                                      "glm4",    "qwen2",        "qwen35",         "stablelm2",   "gpt-4o",
                                      "tekken",  "deepseek-llm", "deepseek-coder", "deepseek-v3", "bloom",
                                      "viking",  "seed-coder"};

// First bytes below it choose a built-in tokenizer; the others make one from the input.
constexpr uint8_t kBuiltInShare = 176;

const std::vector<std::shared_ptr<const Tokenizer>>& built_in_tokenizers() {
  static const auto tokenizers = [] {
    std::vector<std::shared_ptr<const Tokenizer>> out;
    for (const std::string_view pre : kPres) out.push_back(Tokenizer::create(byte_level_vocabulary(pre)));
    for (const bool prefix : {false, true})
      out.push_back(Tokenizer::create(sentencepiece_vocabulary(prefix)));
    return out;
  }();
  return tokenizers;
}

std::string with_spaces_for_marks(std::string text) {
  for (size_t at = text.find("\u2581"); at != std::string::npos; at = text.find("\u2581", at))
    text.replace(at, 3, " ");
  return text;
}

std::vector<TokenId> encode_and_check(const std::shared_ptr<const Tokenizer>& tokenizer,
                                      std::string_view text, EncodeOptions options) {
  const std::vector<TokenId> ids = tokenizer->encode(text, options);
  StreamDecoder stream(tokenizer, {.skip_special = false, .at_text_start = true});
  std::string streamed;
  for (const TokenId id : ids) {
    require(id >= 0 && static_cast<size_t>(id) < tokenizer->size_tokens(), "an id is out of range");
    streamed += stream.push(id);
    require(is_valid_utf8(streamed), "a stream gives broken UTF-8");
  }
  streamed += stream.flush();
  require(streamed == tokenizer->decode(ids, false), "a stream and decode() differ");
  return ids;
}

void check_built_in(const std::shared_ptr<const Tokenizer>& tokenizer, std::string_view text,
                    EncodeOptions options) {
  const bool sentencepiece = tokenizer->vocabulary().model == "llama";
  options.add_special = false;
  if (sentencepiece) options.parse_special = false;
  const std::string decoded = tokenizer->decode(encode_and_check(tokenizer, text, options), false);
  if (!is_valid_utf8(text)) return;
  const std::string_view pre = tokenizer->vocabulary().pre;
  const bool composes = pre == "qwen2" || pre == "qwen35";
  if (sentencepiece) {
    require(decoded == with_spaces_for_marks(std::string(text)), "SentencePiece loses text");
  } else if (composes) {
    require(normalize_nfc(decoded) == normalize_nfc(text), "byte-level BPE with NFC loses text");
  } else {
    require(decoded == text, "byte-level BPE loses text");
  }
}

// Lines of the input up to an empty one are tokens, then merges; their first letter picks the type or the
// score.
Vocabulary vocabulary_of(std::string_view& text, bool sentencepiece) {
  Vocabulary out;
  out.model = sentencepiece ? "llama" : "gpt2";
  out.pre = "glm4";
  bool merges = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() && merges) break;
    if (line.empty()) {
      merges = true;
    } else if (merges) {
      out.merges.emplace_back(line);
    } else {
      const auto kind = static_cast<uint8_t>(line[0]);
      add_token(out, std::string(line.substr(1)), static_cast<TokenType>(kind % 8), static_cast<float>(kind));
    }
  }
  return out;
}

}  // namespace
}  // namespace oag

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const oag::EncodeOptions options{.parse_special = (data[1] & 1) != 0, .add_special = (data[1] & 2) != 0};
  const auto& tokenizers = oag::built_in_tokenizers();
  if (data[0] < oag::kBuiltInShare) {
    oag::check_built_in(tokenizers[data[0] % tokenizers.size()], text, options);
    return 0;
  }
  try {
    oag::Vocabulary vocabulary = oag::vocabulary_of(text, (data[0] & 1) != 0);
    const auto tokenizer = oag::Tokenizer::create(std::move(vocabulary), "fuzz");
    oag::encode_and_check(tokenizer, text, options);
  } catch (const oag::Error&) {
  }
  return 0;
}
