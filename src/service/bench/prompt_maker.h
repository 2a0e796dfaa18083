#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace oag {

// Texts of random words: a part that all share, then a part that is each one's own.
class PromptMaker {
 public:
  explicit PromptMaker(uint64_t seed) : random_(seed), shared_random_(seed) {}

  // How many words stand in each part; what is shared begins anew.
  void set_words(int64_t shared, int64_t own);

  std::string next();

 private:
  std::mt19937_64 random_, shared_random_;
  std::string shared_;
  int64_t own_words_ = 1;
};

// A text of that many words, each a short word that most tokenizers have as one token.
std::string random_words(std::mt19937_64& random, int64_t words);

}  // namespace oag
