// Regular expressions of pre-tokenizers that list ranges of characters, as scanners.
#pragma once

#include <algorithm>
#include <span>

#include "llm/text/pretokenizer_patterns.h"

namespace oag::pretokenizer_patterns {

struct CodePointRange {
  uint32_t first, last;
};

inline bool is_in(std::span<const CodePointRange> ranges, uint32_t code_point) {
  const auto range = std::lower_bound(ranges.begin(), ranges.end(), code_point,
                                      [](const CodePointRange& r, uint32_t c) { return r.last < c; });
  return range != ranges.end() && range->first <= code_point;
}

// R+ where R are the ranges, in order.
template <const auto& kRanges>
size_t match_ranges(const ClassifiedText& text, size_t at, size_t end) {
  while (at < end && is_in(kRanges, text.code_point(at))) ++at;
  return at;
}

// \s?R+ ; whitespace may be in R too.
template <const auto& kRanges>
size_t match_spaced_ranges(const ClassifiedText& text, size_t at, size_t end) {
  if (text.char_class(at) & kWhitespace) {
    if (const size_t run_end = match_ranges<kRanges>(text, at + 1, end); run_end > at + 1) return run_end;
  }
  return match_ranges<kRanges>(text, at, end);
}

// The letters that DeepSeek LLM's tokenizer.json lists: those with case, less some scripts.
inline constexpr CodePointRange kDeepSeekLetters[] = {
    {0x0041, 0x005A},   {0x0061, 0x007A},   {0x00B5, 0x00B5},   {0x00C0, 0x00D6},   {0x00D8, 0x00F6},
    {0x00F8, 0x01BA},   {0x01BC, 0x01BF},   {0x01C4, 0x0293},   {0x0295, 0x02AF},   {0x0370, 0x0373},
    {0x0376, 0x0377},   {0x037B, 0x037D},   {0x037F, 0x037F},   {0x0386, 0x0386},   {0x0388, 0x038A},
    {0x038C, 0x038C},   {0x038E, 0x03A1},   {0x03A3, 0x03F5},   {0x03F7, 0x0481},   {0x048A, 0x052F},
    {0x0531, 0x0556},   {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},
    {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},
    {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
    {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
    {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},
    {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},
    {0x210A, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
    {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},
    {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},   {0xA722, 0xA76F},
    {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},
    {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
    {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943}};
// [!-/:-~！-／：-～‘-‟　-。]
inline constexpr CodePointRange kDeepSeekSigns[] = {{0x21, 0x2F},     {0x3A, 0x7E},     {0x2018, 0x201F},
                                                    {0x3000, 0x3002}, {0xFF01, 0xFF0F}, {0xFF1A, 0xFF5E}};
// [一-龥ࠀ-一가-퟿]
inline constexpr CodePointRange kDeepSeekIdeographs[] = {{0x0800, 0x9FA5}, {0xAC00, 0xD7FF}};
// [一-龥぀-ゟ゠-ヿ]
inline constexpr CodePointRange kDeepSeek3Ideographs[] = {{0x3040, 0x30FF}, {0x4E00, 0x9FA5}};

// [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
// ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
inline size_t match_deepseek3(const ClassifiedText& text, size_t at, size_t end) {
  constexpr uint16_t kWord = kLetter | kMark, kSign = kPunctuation | kSymbol;
  const auto ascii_letter = [&](size_t i) {
    const char letter = to_lower(text.lead_byte(i));
    return letter >= 'a' && letter <= 'z';
  };
  const uint16_t first = text.char_class(at);
  const bool ascii = static_cast<unsigned char>(text.lead_byte(at)) < 0x80;
  if (ascii && (first & kSign) && at + 1 < end && ascii_letter(at + 1)) {
    size_t word_end = at + 2;
    while (word_end < end && ascii_letter(word_end)) ++word_end;
    return word_end;
  }
  if (first & kWord) return run_of(text, at, end, kWord);
  if (!(first & (kNewline | kSign)) && at + 1 < end && (text.char_class(at + 1) & kWord))
    return run_of(text, at + 1, end, kWord);
  const size_t body = text.lead_byte(at) == ' ' && at + 1 < end ? at + 1 : at;
  if (const size_t body_end = run_of(text, body, end, kSign); body_end > body)
    return run_of(text, body_end, end, kNewline);
  return match_whitespace_to_last_newline(text, at, end);
}

//  ?[^(\s|.,!?…。，、।۔،)]+
inline size_t match_bloom(const ClassifiedText& text, size_t at, size_t end) {
  constexpr CodePointRange kBreakers[] = {{'!', '!'},       {'(', ')'},       {',', ','},
                                          {'.', '.'},       {'?', '?'},       {'|', '|'},
                                          {0x060C, 0x060C}, {0x06D4, 0x06D4}, {0x0964, 0x0964},
                                          {0x2026, 0x2026}, {0x3001, 0x3002}, {0xFF0C, 0xFF0C}};
  const size_t body = text.lead_byte(at) == ' ' && at + 1 < end ? at + 1 : at;
  size_t body_end = body;
  while (body_end < end && !(text.char_class(body_end) & kWhitespace) &&
         !is_in(kBreakers, text.code_point(body_end))) {
    ++body_end;
  }
  return body_end > body ? body_end : at;
}

}  // namespace oag::pretokenizer_patterns
