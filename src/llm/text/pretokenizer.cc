#include "llm/text/pretokenizer.h"

#include <utility>

#include "base/log.h"
#include "llm/text/pretokenizer_ranges.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

using namespace pretokenizer_patterns;

constexpr Pretokenizer::Match kMatchWords3 = match_words<3>;
constexpr Pretokenizer::Match kMatchWords1 = match_words<1>;
constexpr Pretokenizer::Match kMatchWordsWithMarks1 = match_words < 1, kLetter | kMark > ;
constexpr Pretokenizer::Match kMatchWordsBeforeNewlines1 = match_words<1, kLetter, is_nothing>;

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

constexpr Pretokenizer kNumbers3ThenWords = {.stages = {match_up_to_three_numbers, kMatchWords3},
                                             .ignore_merges = true};
constexpr Pretokenizer kSeedCoder = {.stages = {kMatchWordsBeforeNewlines1}};
constexpr Pretokenizer kGpt4o = {.stages = {match_cased_words<3, true>}};
constexpr Pretokenizer kTekken = {
    .stages = {match_cased_words<1, false>}, .ignore_merges = true, .adds_bos = true};
constexpr Pretokenizer kDeepSeekLlm = {
    .stages = {match_one_newline, match_spaced_ranges<kDeepSeekLetters>, match_spaced_ranges<kDeepSeekSigns>,
               match_whitespace_at_end, match_ranges<kDeepSeekIdeographs>, match_numbers}};
constexpr Pretokenizer kDeepSeekCoder = {.stages = {match_one_newline, match_spaced_run<kLetter>,
                                                    match_spaced_run<kPunctuation>,
                                                    match_ranges<kDeepSeekIdeographs>, match_one_number}};
constexpr Pretokenizer kDeepSeek3 = {
    .stages = {match_up_to_three_numbers, match_ranges<kDeepSeek3Ideographs>, match_deepseek3}};
constexpr Pretokenizer kBloom = {.stages = {match_bloom}};
constexpr Pretokenizer kViking = {.stages = {match_bloom, match_one_number}};

struct Named {
  std::string_view name;
  const Pretokenizer& pretokenizer;
};

// Names and equivalences are those of llama.cpp (llama-vocab.cpp as in llama-cpp-python 0.3.36 and later).
// NFC follows the tokenizer.json of Qwen, and case outside ASCII those of GPT-4o and Tekken; llama.cpp leaves
// both out.
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
    {"bailingmoe", kWords1},
    {"bailingmoe2", kWords1},
    {"llada-moe", kWords1},
    {"minicpm5", kNumbers3ThenWords},
    {"seed-coder", kSeedCoder},
    {"gpt-4o", kGpt4o},
    {"llama4", kGpt4o},
    {"kanana2", kGpt4o},
    {"talkie", kGpt4o},
    {"minimax-m2", kGpt4o},
    {"tekken", kTekken},
    {"deepseek-llm", kDeepSeekLlm},
    {"deepseek-coder", kDeepSeekCoder},
    {"deepseek-v3", kDeepSeek3},
    {"hunyuan-dense", kDeepSeek3},
    {"hy_v4", kDeepSeek3},
    {"joyai-llm", kDeepSeek3},
    {"bloom", kBloom},
    {"poro-chat", kBloom},
    {"gpt3-finnish", kBloom},
    {"viking", kViking},
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

uint32_t ClassifiedText::code_point(size_t i) const {
  return decode_utf8_leniently(slice(i, i + 1)).code_point;
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
