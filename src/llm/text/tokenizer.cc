#include "llm/text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "llm/text/byte_alphabet.h"
#include "llm/text/byte_level_encoder.h"
#include "llm/text/character_encoder.h"
#include "llm/text/pretokenizer.h"
#include "llm/text/sentencepiece_encoder.h"
#include "llm/text/word_piece_encoder.h"

namespace oag {
namespace {

// Texts of control tokens that end a turn in every family that has them.
constexpr std::string_view kEndTexts[] = {"<|im_end|>",
                                          "<|eot_id|>",
                                          "<|eom_id|>",
                                          "<|endoftext|>",
                                          "<|end_of_text|>",
                                          "<|end|>",
                                          "</s>",
                                          "<end_of_turn>",
                                          "<eos>",
                                          "<EOT>",
                                          "<|return|>",
                                          "<|call|>",
                                          "[EOS]",
                                          "[EOT]",
                                          "<end_of_utterance>",
                                          "<｜end▁of▁sentence｜>"};

// A GLM answer ends where the next turn would begin; </answer> ends the answers of GLM-4.1V and AutoGLM.
constexpr std::string_view kGlmEndTexts[] = {"<|user|>", "<|observation|>", "</answer>"};

bool is_glm(std::string_view pre) {
  return pre == "glm4" || pre == "chatglm-bpe" || pre == "chatglm-spm";
}

bool prints_nothing(TokenType type) {
  return type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUnused;
}

template <size_t kCount>
bool contains(const std::string_view (&texts)[kCount], std::string_view text) {
  return std::find(std::begin(texts), std::end(texts), text) != std::end(texts);
}

void append_with_spaces(std::string& out, std::string_view token_text) {
  for (size_t at = token_text.find(kSpaceMark); at != std::string_view::npos;
       at = token_text.find(kSpaceMark)) {
    out.append(token_text.substr(0, at)).push_back(' ');
    token_text.remove_prefix(at + kSpaceMark.size());
  }
  out.append(token_text);
}

// A word of BERT with its space, less the space before marks and the halves of contractions: the clean-up of
// WordPiece decoders in the tokenizers package, which looks at one token at a time.
void append_bert_word(std::string& out, std::string_view text) {
  constexpr std::string_view kJoined[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
  const bool joined =
      std::ranges::any_of(kJoined, [&](std::string_view begin) { return text.starts_with(begin); });
  out.append(joined ? "" : " ").append(text);
}

void append_printed(std::string& out, const Vocabulary& vocabulary, TokenId id) {
  const std::string_view text = vocabulary.tokens[static_cast<size_t>(id)];
  const TokenType type = vocabulary.type(id);
  if (type == TokenType::kByte && byte_of_token(text) >= 0) {
    out.push_back(static_cast<char>(byte_of_token(text)));
  } else if (vocabulary.model == "bert") {
    const std::string& prefix = vocabulary.bert->prefix;
    const bool goes_on = !prefix.empty() && text.starts_with(prefix);
    if (goes_on)
      out.append(text.substr(prefix.size()));
    else
      append_bert_word(out, text);
  } else if (type != TokenType::kNormal) {
    out.append(text);
  } else if (vocabulary.model == "llama") {
    append_with_spaces(out, text);
  } else {
    append_alphabet_bytes(out, text);
  }
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::create(Vocabulary vocabulary, std::string_view where) {
  vocabulary.validate(where);
  return std::shared_ptr<const Tokenizer>(new Tokenizer(std::move(vocabulary)));
}

Tokenizer::Tokenizer(Vocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      index_(vocabulary_),
      user_defined_(vocabulary_, false),
      all_special_(vocabulary_, true) {
  const bool sentencepiece = vocabulary_.model == "llama";
  adds_bos_ = sentencepiece;
  if (sentencepiece) {
    adds_space_prefix_ = vocabulary_.add_space_prefix.value_or(true);
    if (vocabulary_.merges.empty()) {
      encoder_ = std::make_unique<SentencePieceEncoder>(vocabulary_, index_, adds_space_prefix_);
    } else {
      encoder_ = std::make_unique<CharacterEncoder>(vocabulary_, index_, adds_space_prefix_);
    }
  } else if (vocabulary_.model == "bert") {
    adds_space_prefix_ = true;  // which every word prints
    encoder_ = std::make_unique<WordPieceEncoder>(vocabulary_, index_);
  } else {
    const Pretokenizer& pretokenizer = find_pretokenizer(vocabulary_.pre);
    adds_bos_ = pretokenizer.adds_bos;
    encoder_ = std::make_unique<ByteLevelEncoder>(vocabulary_, index_, pretokenizer);
  }
  adds_bos_ = vocabulary_.add_bos.value_or(adds_bos_) && vocabulary_.bos;
  adds_eos_ = vocabulary_.add_eos.value_or(false) && vocabulary_.eos;
  build_printed_bytes();
  collect_end_ids();
}

void Tokenizer::build_printed_bytes() {
  size_t total_bytes = 0;
  for (const std::string& token : vocabulary_.tokens) total_bytes += token.size();
  if (total_bytes >= UINT32_MAX) {
    fail(ErrorCode::kUnsupported, "tokenizer", "the tokens are {} bytes long together; the limit is 4 GiB",
         total_bytes);
  }
  printed_.reserve(total_bytes);
  printed_begin_.reserve(vocabulary_.tokens.size() + 1);
  for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    printed_begin_.push_back(static_cast<uint32_t>(printed_.size()));
    append_printed(printed_, vocabulary_, static_cast<TokenId>(i));
  }
  printed_begin_.push_back(static_cast<uint32_t>(printed_.size()));
}

void Tokenizer::collect_end_ids() {
  for (const auto& id : {vocabulary_.eos, vocabulary_.eot, vocabulary_.eom}) {
    if (id) end_ids_.push_back(*id);
  }
  end_ids_.insert(end_ids_.end(), vocabulary_.more_end_ids.begin(), vocabulary_.more_end_ids.end());
  for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (vocabulary_.type(id) != TokenType::kControl) continue;
    const std::string_view text = vocabulary_.tokens[i];
    if (contains(kEndTexts, text) || (is_glm(vocabulary_.pre) && contains(kGlmEndTexts, text)))
      end_ids_.push_back(id);
  }
  std::sort(end_ids_.begin(), end_ids_.end());
  end_ids_.erase(std::unique(end_ids_.begin(), end_ids_.end()), end_ids_.end());
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > kMaxTextBytes) {
    fail(ErrorCode::kInvalidArgument, "tokenizer", "the text is {} bytes long; the limit is {}", text.size(),
         kMaxTextBytes);
  }
  std::vector<TokenId> ids;
  if (options.add_special && adds_bos_) ids.push_back(*vocabulary_.bos);
  const SpecialTokens& special = options.parse_special ? all_special_ : user_defined_;
  size_t at = 0;
  while (at < text.size()) {
    const auto match = special.find(text, at);
    const size_t end = match ? match->begin : text.size();
    if (end > at) encoder_->encode(text.substr(at, end - at), at == 0, ids);
    if (!match) break;
    ids.push_back(match->id);
    at = match->end;
  }
  if (options.add_special && adds_eos_) ids.push_back(*vocabulary_.eos);
  return ids;
}

std::string_view Tokenizer::token_bytes(TokenId id, bool print_control) const {
  if (id < 0 || static_cast<size_t>(id) >= vocabulary_.tokens.size()) {
    fail(ErrorCode::kInvalidArgument, "tokenizer",
         "token id {} is out of range; the vocabulary has {} tokens", id, vocabulary_.tokens.size());
  }
  if (!print_control && prints_nothing(vocabulary_.type(id))) return {};
  const uint32_t begin = printed_begin_[static_cast<size_t>(id)];
  const uint32_t end = printed_begin_[static_cast<size_t>(id) + 1];
  return std::string_view(printed_).substr(begin, end - begin);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string out;
  Utf8Stream stream;
  bool strip_space = adds_space_prefix_;
  for (const TokenId id : ids) {
    std::string_view bytes = token_bytes(id, !skip_special);
    if (bytes.empty()) continue;
    if (std::exchange(strip_space, false) && bytes.front() == ' ') bytes.remove_prefix(1);
    stream.push(bytes, out);
  }
  stream.flush(out);
  return out;
}

std::optional<TokenId> Tokenizer::find(std::string_view token_text) const {
  const TokenId id = index_.find(token_text);
  return id >= 0 ? std::optional(id) : std::nullopt;
}

bool Tokenizer::is_end(TokenId id) const {
  return std::binary_search(end_ids_.begin(), end_ids_.end(), id);
}

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, StreamOptions options)
    : tokenizer_(std::move(tokenizer)),
      options_(options),
      strip_space_(options.at_text_start && tokenizer_->adds_space_prefix()) {}

std::string StreamDecoder::push(TokenId id) {
  std::string out;
  std::string_view bytes = tokenizer_->token_bytes(id, !options_.skip_special);
  if (bytes.empty()) return out;
  if (std::exchange(strip_space_, false) && bytes.front() == ' ') bytes.remove_prefix(1);
  stream_.push(bytes, out);
  return out;
}

std::string StreamDecoder::flush() {
  std::string out;
  stream_.flush(out);
  return out;
}

}  // namespace oag
