#include "llm/text/word_piece_encoder.h"

#include <algorithm>
#include <string>

#include "llm/text/bert_normalizer.h"

namespace oag {
namespace {

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

}  // namespace

void WordPieceEncoder::encode(std::string_view text, bool, std::vector<TokenId>& ids) const {
  for (const std::string& word : bert_words(text, *vocabulary_.bert)) encode_word(word, ids);
}

void WordPieceEncoder::encode_word(std::string_view word, std::vector<TokenId>& ids) const {
  const auto chars = static_cast<size_t>(
      std::count_if(word.begin(), word.end(), [](char byte) { return !is_continuation(byte); }));
  const size_t first_id = ids.size();
  const BertText& how = *vocabulary_.bert;
  std::string piece;
  for (size_t at = 0; at < word.size() && chars <= how.most_word_chars;) {
    const std::string_view prefix = at == 0 ? std::string_view() : how.prefix;
    size_t end = word.size();
    TokenId id = -1;
    for (; end > at; --end) {
      if (end < word.size() && is_continuation(word[end])) continue;
      piece.assign(prefix).append(word.substr(at, end - at));
      id = index_.find(piece);
      if (id >= 0) break;
    }
    if (id < 0) break;
    ids.push_back(id);
    at = end;
    if (at == word.size()) return;
  }
  ids.resize(first_id);
  ids.push_back(*vocabulary_.unknown);
}

}  // namespace oag
