#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

// What BERT's tokenizers do to a text before its words are looked up.
struct BertText {
  bool clean = true;          // control characters go, every kind of space becomes one
  bool chinese_words = true;  // each Chinese character is a word
  bool strip_accents = true;
  bool lower_case = true;
  std::string prefix = "##";     // of pieces that go on with a word
  size_t most_word_chars = 100;  // longer words are unknown
};

// The words of a text, normalised: cut at spaces, punctuation marks are words of their own. Equal to
// BertNormalizer and BertPreTokenizer of the tokenizers package, for any bytes; those that are no UTF-8
// become U+FFFD first.
std::vector<std::string> bert_words(std::string_view text, const BertText& how);

}  // namespace oag
