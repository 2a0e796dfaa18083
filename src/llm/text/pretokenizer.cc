#include "llm/text/pretokenizer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

constexpr uint8_t kWordBreakers = kWhitespace | kLetter | kNumber;

// The end of the run of characters from `at` that have one of the classes.
size_t run_of(const ClassifiedText& text, size_t at, size_t end, uint8_t classes) {
  while (at < end && (text.char_class(at) & classes)) ++at;
  return at;
}

// The end of the run of characters from `at` that have none of the classes.
size_t run_without(const ClassifiedText& text, size_t at, size_t end, uint8_t classes) {
  while (at < end && !(text.char_class(at) & classes)) ++at;
  return at;
}

// \s+(?!\S)|\s+ : a run of whitespace, less its last character when something follows and more than one is
// there.
size_t match_whitespace(const ClassifiedText& text, size_t at, size_t end) {
  const size_t run_end = run_of(text, at, end, kWhitespace);
  return run_end < end && run_end - at > 1 ? run_end - 1 : run_end;
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// 's|'t|'re|'ve|'m|'ll|'d, with IgnoreCase also in capitals and with the long s (U+017F), which folds to s.
template <bool kIgnoreCase>
size_t match_contraction(const ClassifiedText& text, size_t at, size_t end) {
  if (text.lead_byte(at) != '\'' || at + 1 >= end) return at;
  const auto letter = [&](size_t i) { return kIgnoreCase ? to_lower(text.lead_byte(i)) : text.lead_byte(i); };
  const char first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if (kIgnoreCase && text.slice(at + 1, at + 2) == "\xC5\xBF") return at + 2;
  if (at + 2 >= end) return at;
  const char second = letter(at + 2);
  const bool matches = (second == 'e' && (first == 'r' || first == 'v')) || (second == 'l' && first == 'l');
  return matches ? at + 3 : at;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t match_gpt2(const ClassifiedText& text, size_t at, size_t end) {
  if (const size_t matched = match_contraction<false>(text, at, end); matched > at) return matched;
  const size_t body = text.lead_byte(at) == ' ' && at + 1 < end ? at + 1 : at;
  const uint8_t body_class = text.char_class(body);
  if (body_class & kLetter) return run_of(text, body, end, kLetter);
  if (body_class & kNumber) return run_of(text, body, end, kNumber);
  if (!(body_class & kWhitespace)) return run_without(text, body, end, kWordBreakers);
  return match_whitespace(text, at, end);
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?W+|\p{N}{1,digits}|
// ?[^\s\p{N}W]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ where W is \p{L} or, with marks, [\p{L}\p{M}].
template <size_t kMaxDigits, uint8_t kWordClasses>
size_t match_words(const ClassifiedText& text, size_t at, size_t end) {
  if (const size_t matched = match_contraction<true>(text, at, end); matched > at) return matched;
  const uint8_t first = text.char_class(at);
  if (first & kWordClasses) return run_of(text, at, end, kWordClasses);
  if (!(first & (kNewline | kNumber)) && at + 1 < end && (text.char_class(at + 1) & kWordClasses)) {
    return run_of(text, at + 1, end, kWordClasses);
  }
  if (first & kNumber) return run_of(text, at, std::min(end, at + kMaxDigits), kNumber);

  const size_t body = text.lead_byte(at) == ' ' && at + 1 < end ? at + 1 : at;
  const size_t body_end = run_without(text, body, end, kWhitespace | kNumber | kWordClasses);
  if (body_end > body) return run_of(text, body_end, end, kNewline);

  const size_t run_end = run_of(text, at, end, kWhitespace);
  for (size_t i = run_end; i > at; --i) {
    if (text.char_class(i - 1) & kNewline) return i;
  }
  return match_whitespace(text, at, end);
}

// \p{N}
size_t match_one_number(const ClassifiedText& text, size_t at, size_t) {
  return text.char_class(at) & kNumber ? at + 1 : at;
}

// \p{N}+
size_t match_numbers(const ClassifiedText& text, size_t at, size_t end) {
  return run_of(text, at, end, kNumber);
}

// [0-9][0-9][0-9]
size_t match_three_digits(const ClassifiedText& text, size_t at, size_t end) {
  if (end - at < 3) return at;
  for (size_t i = at; i < at + 3; ++i) {
    if (text.lead_byte(i) < '0' || text.lead_byte(i) > '9') return at;
  }
  return at + 3;
}

// [\p{P}\$\+<=>\^~\|]+ , and with the backtick that Falcon adds
template <bool kBacktick>
size_t match_punctuation(const ClassifiedText& text, size_t at, size_t end) {
  constexpr std::string_view kSymbols = kBacktick ? "$+<=>^~|`" : "$+<=>^~|";
  while (at < end && ((text.char_class(at) & kPunctuation) ||
                      kSymbols.find(text.lead_byte(at)) != std::string_view::npos)) {
    ++at;
  }
  return at;
}

constexpr Pretokenizer::Match kMatchWords3 = match_words<3, kLetter>;
constexpr Pretokenizer::Match kMatchWords1 = match_words<1, kLetter>;
constexpr Pretokenizer::Match kMatchWordsWithMarks1 = match_words < 1, kLetter | kMark > ;

constexpr Pretokenizer kDefault = {
    .stages = {match_punctuation<false>, match_gpt2, match_numbers, match_three_digits}};
constexpr Pretokenizer kFalcon = {.stages = {match_punctuation<true>, match_gpt2, match_three_digits}};
constexpr Pretokenizer kGpt2 = {.stages = {match_gpt2}};
constexpr Pretokenizer kDigitsThenGpt2 = {.stages = {match_one_number, match_gpt2}};
constexpr Pretokenizer kLlama3 = {.stages = {kMatchWords3}, .ignore_merges = true, .adds_bos = true};
constexpr Pretokenizer kWords3 = {.stages = {kMatchWords3}};
constexpr Pretokenizer kGlm4 = {.stages = {kMatchWords3}, .ignore_merges = true};
constexpr Pretokenizer kQwen2 = {.stages = {kMatchWords1}, .normalizes_nfc = true};
constexpr Pretokenizer kWords1 = {.stages = {kMatchWords1}};
constexpr Pretokenizer kQwen35 = {.stages = {kMatchWordsWithMarks1}, .normalizes_nfc = true};

struct Named {
  std::string_view name;
  const Pretokenizer& pretokenizer;
};

// Names and equivalences are those of llama.cpp (llama-vocab.cpp as in llama-cpp-python 0.3.36). NFC follows
// the tokenizer.json of Qwen; llama.cpp leaves it out.
constexpr Named kNamed[] = {
    {"default", kDefault},
    {"falcon", kFalcon},
    {"gpt-2", kGpt2},
    {"phi-2", kGpt2},
    {"jina-es", kGpt2},
    {"jina-de", kGpt2},
    {"jina-v2-es", kGpt2},
    {"jina-v2-de", kGpt2},
    {"gigachat", kGpt2},
    {"a.x-4.0", kGpt2},
    {"mellum", kGpt2},
    {"modern-bert", kGpt2},
    {"mpt", kGpt2},
    {"olmo", kGpt2},
    {"jais", kGpt2},
    {"trillion", kGpt2},
    {"granite-docling", kGpt2},
    {"exaone4", kGpt2},
    {"smollm", kDigitsThenGpt2},
    {"starcoder", kDigitsThenGpt2},
    {"refact", kDigitsThenGpt2},
    {"command-r", kDigitsThenGpt2},
    {"codeshell", kDigitsThenGpt2},
    {"exaone", kDigitsThenGpt2},
    {"minerva-7b", kDigitsThenGpt2},
    {"mellum2", kDigitsThenGpt2},
    {"llama-bpe", kLlama3},
    {"llama3", kLlama3},
    {"llama-v3", kLlama3},
    {"falcon3", kLlama3},
    {"falcon-h1", kLlama3},
    {"pixtral", kLlama3},
    {"midm-2.0", kLlama3},
    {"lfm2", kLlama3},
    {"jina-v5-nano", kLlama3},
    {"glm4", kGlm4},
    {"glm5", kGlm4},
    {"chatglm-bpe", kWords3},
    {"dbrx", kWords3},
    {"smaug-bpe", kWords3},
    {"qwen2", kQwen2},
    {"qwen35", kQwen35},
    {"stablelm2", kWords1},
    {"deepseek-r1-qwen", kWords1},
    {"kormo", kWords1},
    {"f2llmv2", kWords1},
    {"megrez", kWords1},
    {"hunyuan", kWords1},
    {"solar-open", kWords1},
    {"grok-2", kWords1},
};

using CharRange = std::pair<size_t, size_t>;

// Appends to `out` the matches within one piece and what lies between them.
void apply_stage(Pretokenizer::Match match, const ClassifiedText& text, CharRange piece,
                 std::vector<CharRange>& out) {
  size_t gap = piece.first;
  size_t at = piece.first;
  while (at < piece.second) {
    const size_t matched = match(text, at, piece.second);
    if (matched == at) {
      ++at;
      continue;
    }
    if (gap < at) out.emplace_back(gap, at);
    out.emplace_back(at, matched);
    gap = at = matched;
  }
  if (gap < piece.second) out.emplace_back(gap, piece.second);
}

}  // namespace

ClassifiedText::ClassifiedText(std::string_view text) : text_(text) {
  starts_.reserve(text.size() + 1);
  classes_.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    const DecodedChar decoded = decode_utf8_leniently(text.substr(at));
    starts_.push_back(static_cast<uint32_t>(at));
    classes_.push_back(oag::char_class(decoded.code_point));
    at += decoded.size_bytes;
  }
  starts_.push_back(static_cast<uint32_t>(at));
}

void Pretokenizer::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  const ClassifiedText classified(text);
  std::vector<CharRange> ranges = {{0, classified.size_chars()}};
  std::vector<CharRange> next;
  for (const Match match : stages) {
    if (!match) break;
    next.clear();
    for (const CharRange& range : ranges) apply_stage(match, classified, range, next);
    ranges.swap(next);
  }
  pieces.reserve(pieces.size() + ranges.size());
  for (const auto& [begin, end] : ranges) pieces.push_back(classified.slice(begin, end));
}

const Pretokenizer& find_pretokenizer(std::string_view name) {
  for (const Named& named : kNamed) {
    if (named.name == name) return named.pretokenizer;
  }
  log(LogLevel::kWarning,
      "unknown pre-tokenizer '{}': using 'default', so token ids may differ from the model's own",
      name.substr(0, 64));
  return kDefault;
}

}  // namespace oag
