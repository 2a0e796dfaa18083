#include "llm/text/vocabulary.h"

#include <cmath>
#include <utility>

#include "base/error.h"

namespace oag {
namespace {

void check_sizes(const Vocabulary& v, std::string_view where) {
  const size_t count = v.tokens.size();
  if (v.tokens.empty())
    fail(ErrorCode::kCorruptData, where, "the tokenizer has no tokens; the file is incomplete");
  if (count > kMaxTokens) {
    fail(ErrorCode::kCorruptData, where, "the tokenizer has {} tokens, more than the limit of {}", count,
         kMaxTokens);
  }
  if (v.merges.size() > kMaxMerges) {
    fail(ErrorCode::kCorruptData, where, "the tokenizer has {} merges, more than the limit of {}",
         v.merges.size(), kMaxMerges);
  }
  if (!v.types.empty() && v.types.size() != count) {
    fail(ErrorCode::kCorruptData, where,
         "the tokenizer has {} token types for {} tokens; the counts must be equal", v.types.size(), count);
  }
  const bool needs_scores = v.model == "llama" && v.merges.empty();
  if (v.scores.size() != count && (needs_scores || !v.scores.empty())) {
    fail(ErrorCode::kCorruptData, where,
         "the tokenizer has {} scores for {} tokens; the counts must be equal", v.scores.size(), count);
  }
}

void check_tokens(const Vocabulary& v, std::string_view where) {
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    const TokenType type = v.type(static_cast<TokenId>(i));
    if (type < TokenType::kNormal || type > TokenType::kByte) {
      fail(ErrorCode::kCorruptData, where, "token {} has type {}; types are 1 to 6", i,
           static_cast<int>(type));
    }
    const bool special = type != TokenType::kNormal && type != TokenType::kByte;
    const size_t limit = special ? kMaxSpecialTokenBytes : kMaxTokenBytes;
    if (v.tokens[i].size() > limit) {
      fail(ErrorCode::kCorruptData, where, "token {} is {} bytes long, more than the limit of {}", i,
           v.tokens[i].size(), limit);
    }
  }
  for (size_t i = 0; i < v.scores.size(); ++i) {
    if (std::isnan(v.scores[i]))
      fail(ErrorCode::kCorruptData, where, "the score of token {} is not a number", i);
  }
}

void check_merges(const Vocabulary& v, std::string_view where) {
  for (size_t i = 0; i < v.merges.size(); ++i) {
    const std::string& merge = v.merges[i];
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos || space + 1 == merge.size()) {
      fail(ErrorCode::kCorruptData, where, "merge {} is not two parts with a space between them", i);
    }
    if (merge.size() > 2 * kMaxTokenBytes) {
      fail(ErrorCode::kCorruptData, where, "merge {} is {} bytes long, more than the limit of {}", i,
           merge.size(), 2 * kMaxTokenBytes);
    }
  }
}

void check_ids(const Vocabulary& v, std::string_view where) {
  const auto check = [&](std::string_view name, TokenId id) {
    if (id >= 0 && static_cast<size_t>(id) < v.tokens.size()) return;
    fail(ErrorCode::kCorruptData, where, "the {} token id is {}; it must be between 0 and {}", name, id,
         v.tokens.size() - 1);
  };
  const std::pair<std::string_view, const std::optional<TokenId>&> named[] = {
      {"bos", v.bos}, {"eos", v.eos},         {"eot", v.eot},
      {"eom", v.eom}, {"unknown", v.unknown}, {"padding", v.padding}};
  for (const auto& [name, id] : named) {
    if (id) check(name, *id);
  }
  for (const TokenId id : v.more_end_ids) check("end", id);
}

}  // namespace

void Vocabulary::validate(std::string_view where) const {
  const bool word_pieces = model == "bert" && bert && unknown;  // which tokenizer.json states
  if (model != "gpt2" && model != "llama" && !word_pieces) {
    fail(ErrorCode::kUnsupported, where,
         "tokenizer model '{}' is not supported; supported are 'gpt2' (byte-level BPE) and 'llama' "
         "(SentencePiece "
         "BPE)",
         model.substr(0, 64));
  }
  check_sizes(*this, where);
  check_tokens(*this, where);
  check_merges(*this, where);
  check_ids(*this, where);
}

}  // namespace oag
