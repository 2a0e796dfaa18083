#include "service/bench/prompt_maker.h"

#include <array>

namespace oag {
namespace {

// A power of two, so that every word is drawn as often.
constexpr std::array<const char*, 64> kWords = {
    "the",  "of",    "and",   "to",     "in",    "is",     "that",  "for",   "with",  "as",   "on",
    "was",  "by",    "at",    "from",   "this",  "have",   "are",   "not",   "but",   "all",  "one",
    "we",   "they",  "when",  "there",  "can",   "more",   "if",    "will",  "about", "up",   "out",
    "time", "year",  "day",   "people", "way",   "water",  "house", "work",  "world", "life", "hand",
    "part", "place", "week",  "case",   "point", "number", "group", "state", "night", "home", "room",
    "book", "city",  "story", "fact",   "month", "right",  "study", "money", "word"};

}  // namespace

std::string random_words(std::mt19937_64& random, int64_t words) {
  std::string text;
  for (int64_t i = 0; i < words; ++i) {
    if (i > 0) text += ' ';
    text += kWords[random() % kWords.size()];
  }
  return text;
}

void PromptMaker::set_words(int64_t shared, int64_t own) {
  shared_ = random_words(shared_random_, shared);
  own_words_ = own;
}

std::string PromptMaker::next() {
  const std::string own = random_words(random_, own_words_);
  return shared_.empty() ? own : shared_ + ' ' + own;
}

}  // namespace oag
