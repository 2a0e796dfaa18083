#include "llm/text/tokenizer_json.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "llm/text/sentencepiece_encoder.h"
#include "llm/text/token_index.h"
#include "llm/text/tokenizer_json_reader.h"
#include "llm/text/tokenizer_json_splits.h"

namespace oag {
namespace {

// Ids between those of the tokens; a file whose highest id is far beyond its tokens is damaged.
constexpr size_t kMaxUnusedIds = 65536;

// A word is looked up once for each of its beginnings, so longer ones would take squares of time.
constexpr uint64_t kMaxWordPieceChars = 1024;

// Looks at one component by its keys; an absent key and null are the same.
class Component {
 public:
  Component(const Json& json, std::string_view where, std::string_view what)
      : json_(json.is_object() ? json : none()), where_(where), what_(what) {
    if (!json.is_object() && !json.is_null())
      fail(ErrorCode::kCorruptData, where, "the {} is no object", what);
  }

  bool present() const { return !json_.empty(); }
  std::string type() const { return text("type"); }
  std::string text(std::string_view key) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_string() ? found->get<std::string>() : std::string();
  }
  bool flag(std::string_view key, bool fallback) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_boolean() ? found->get<bool>() : fallback;
  }
  const Json& at(std::string_view key) const {
    const auto found = json_.find(key);
    return found == json_.end() ? none() : *found;
  }
  // The parts of a Sequence under `key`; of anything else, itself; none where it is absent.
  std::vector<Component> parts(std::string_view key) const {
    std::vector<Component> parts;
    if (type() != "Sequence") {
      if (present()) parts.push_back(*this);
      return parts;
    }
    for (const Json& part : at(key)) {
      for (Component& inner : Component(part, where_, what_).parts(key)) parts.push_back(std::move(inner));
    }
    return parts;
  }
  [[noreturn]] void unsupported(std::string_view detail = "") const {
    fail(ErrorCode::kUnsupported, where_, "the {} {}{} is not supported; use a GGUF of the model", what_,
         type().empty() ? "without a type" : type().substr(0, 64), detail);
  }

 private:
  static const Json& none() {
    static const Json kNone = Json::object();
    return kNone;
  }

  const Json& json_;
  std::string_view where_, what_;
};

// GGUF's names tell GLM from others that cut alike, and Qwen by its normalizer.
std::string pretokenizer_name(const KnownSplit& split, const Vocabulary& vocabulary) {
  const bool ignores = vocabulary.ignore_merges.value_or(false);
  const std::string_view name = ignores ? split.ignoring : split.merging;
  const bool is_glm = std::ranges::find(vocabulary.tokens, "[gMASK]") != vocabulary.tokens.end();
  if (is_glm && name == "llama-bpe") return "glm4";
  if (is_glm && name == "dbrx") return "chatglm-bpe";
  if (name == "stablelm2" && vocabulary.normalizes_nfc.value_or(false)) return "qwen2";
  return std::string(name);
}

void require_plain_byte_level(const Component& part) {
  if (part.flag("add_prefix_space", true)) part.unsupported(" with add_prefix_space");
}

std::string split_name(const Component& part, const Vocabulary& vocabulary) {
  const Json& pattern = part.at("pattern");
  const auto regex = pattern.is_object() ? pattern.find("Regex") : pattern.end();
  if (part.text("behavior") != "Isolated" || part.flag("invert", false) || !pattern.is_object() ||
      regex == pattern.end() || !regex->is_string()) {
    part.unsupported(" that is not Isolated by a Regex");
  }
  const std::string text = regex->get<std::string>();
  for (const KnownSplit& split : kSplits) {
    if (split.pattern == text) return pretokenizer_name(split, vocabulary);
  }
  part.unsupported(fmt::format(" with the pattern {}", text.substr(0, 120)));
}

// The name under which the pre-tokenizer is known.
std::string byte_level_pretokenizer(const Component& whole, const Vocabulary& vocabulary) {
  const std::vector<Component> parts = whole.parts("pretokenizers");
  if (parts.empty() || parts.size() > 2 || parts.back().type() != "ByteLevel") whole.unsupported();
  require_plain_byte_level(parts.back());
  const bool cuts = parts.back().flag("use_regex", true);
  if (parts.size() == 1) {
    if (!cuts) parts.back().unsupported(" that does not cut");
    return "gpt-2";
  }
  const Component& first = parts.front();
  if (first.type() == "Digits" && first.flag("individual_digits", false) && cuts) return "smollm";
  if (first.type() == "Split" && !cuts) return split_name(first, vocabulary);
  first.unsupported(" in this place");
}

void read_byte_level(const Component& normalizer, const Component& pretokenizer, Vocabulary& vocabulary) {
  vocabulary.model = "gpt2";
  vocabulary.normalizes_nfc = false;
  for (const Component& part : normalizer.parts("normalizers")) {
    if (part.type() != "NFC") part.unsupported();
    vocabulary.normalizes_nfc = true;
  }
  vocabulary.pre = byte_level_pretokenizer(pretokenizer, vocabulary);
}

bool is_space_mark(const Component& part, std::string_view key) {
  return part.text(key) == kSpaceMark;
}

void read_metaspace(const Component& part, Vocabulary& vocabulary) {
  if (!is_space_mark(part, "replacement")) part.unsupported(" with another mark than U+2581");
  if (part.flag("split", true)) part.unsupported(" that splits");
  const std::string scheme = part.text("prepend_scheme");
  vocabulary.add_space_prefix = scheme.empty() ? part.flag("add_prefix_space", true) : scheme != "never";
  vocabulary.space_prefix_once = true;
  vocabulary.space_prefix_at_start = scheme == "first";
}

// Prepend and Replace, or Metaspace: one of them turns spaces into marks.
void read_character_level(const Component& normalizer, const Component& pretokenizer,
                          Vocabulary& vocabulary) {
  vocabulary.model = "llama";
  vocabulary.add_space_prefix = false;
  bool marks_spaces = false;
  for (const Component& part : normalizer.parts("normalizers")) {
    const Json& pattern = part.at("pattern");
    const bool replaces_space = pattern.is_object() && pattern.contains("String") && pattern["String"] == " ";
    if (part.type() == "Prepend" && is_space_mark(part, "prepend") && !marks_spaces) {
      vocabulary.add_space_prefix = true;
    } else if (part.type() == "Replace" && replaces_space && is_space_mark(part, "content")) {
      marks_spaces = true;
    } else {
      part.unsupported();
    }
  }
  const std::vector<Component> parts = pretokenizer.parts("pretokenizers");
  if (parts.empty() && marks_spaces) return;
  if (parts.size() != 1 || marks_spaces || parts.front().type() != "Metaspace") pretokenizer.unsupported();
  read_metaspace(parts.front(), vocabulary);
}

std::optional<TokenId> find_id(const Vocabulary& vocabulary, std::string_view text) {
  const auto found = std::ranges::find(vocabulary.tokens, text);
  if (found == vocabulary.tokens.end()) return std::nullopt;
  return static_cast<TokenId>(found - vocabulary.tokens.begin());
}

std::string special_of(const Json& item) {
  const auto special = item.is_object() ? item.find("SpecialToken") : item.end();
  if (!item.is_object() || special == item.end() || !special->is_object()) return "";
  const auto id = special->find("id");
  return id != special->end() && id->is_string() ? id->get<std::string>() : "";
}

// TemplateProcessing: what stands before the text A and after it. One token before it is bos and one after it
// eos; longer frames are written by the chat template.
void read_frame(const Component& part, Vocabulary& vocabulary) {
  std::vector<std::string> before, after;
  bool seen = false;
  for (const Json& item : part.at("single")) {
    if (const std::string special = special_of(item); !special.empty()) {
      (seen ? after : before).push_back(special);
    } else {
      seen = true;
    }
  }
  if (before.size() == 1) vocabulary.bos = find_id(vocabulary, before.front());
  if (after.size() == 1) vocabulary.eos = find_id(vocabulary, after.front());
  vocabulary.add_bos = before.size() == 1 && vocabulary.bos;
  vocabulary.add_eos = after.size() == 1 && vocabulary.eos;
}

void read_post_processor(const Component& whole, Vocabulary& vocabulary) {
  vocabulary.add_bos = vocabulary.add_eos = false;
  for (const Component& part : whole.parts("processors")) {
    if (part.type() == "TemplateProcessing") {
      read_frame(part, vocabulary);
    } else if (part.type() != "ByteLevel") {  // which moves offsets alone
      part.unsupported();
    }
  }
}

void place_token(std::string text, uint64_t id, TokenType type, std::vector<bool>& placed,
                 Vocabulary& vocabulary, std::string_view where) {
  const auto at = static_cast<size_t>(id);
  if (placed[at] && vocabulary.tokens[at] != text) {
    fail(ErrorCode::kCorruptData, where, "token id {} is two tokens, {} and {}", id,
         vocabulary.tokens[at].substr(0, 64), text.substr(0, 64));
  }
  placed[at] = true;
  vocabulary.tokens[at] = std::move(text);
  vocabulary.types[at] = type;
}

struct AddedToken {
  std::string text;
  uint64_t id = 0;
  bool special = false;
};

std::vector<AddedToken> read_added_tokens(const Json& rest, std::string_view where) {
  std::vector<AddedToken> tokens;
  const auto added = rest.find("added_tokens");
  if (added == rest.end() || added->is_null()) return tokens;
  bool warned = false;
  for (const Json& item : *added) {
    const Component token(item, where, "added token");
    const Json& id = token.at("id");
    if (!id.is_number_unsigned() || !token.at("content").is_string())
      fail(ErrorCode::kCorruptData, where, "an added token has no id or no content");
    tokens.push_back({token.text("content"), id.get<uint64_t>(), token.flag("special", false)});
    const bool wide =
        token.flag("single_word", false) || token.flag("lstrip", false) || token.flag("rstrip", false);
    if (wide && !std::exchange(warned, true)) {
      log(LogLevel::kWarning,
          "{}: token {} is found with the spaces beside it or as a whole word only; it is found as it is "
          "written",
          where, tokens.back().text.substr(0, 64));
    }
  }
  return tokens;
}

// Ids that no token has become unused tokens, which nothing prints or finds.
void read_tokens(TokenizerJson& json, Vocabulary& vocabulary, std::string_view where) {
  const std::vector<AddedToken> added = read_added_tokens(json.rest, where);
  uint64_t count = 0;
  for (const TokenizerJson::Token& token : json.vocabulary) count = std::max(count, token.id);
  for (const AddedToken& token : added) count = std::max(count, token.id);
  if (count >= json.vocabulary.size() + added.size() + kMaxUnusedIds || count >= kMaxTokens) {
    fail(ErrorCode::kCorruptData, where, "the highest token id is {}, for {} tokens", count,
         json.vocabulary.size() + added.size());
  }
  ++count;
  std::vector<bool> placed(count);
  vocabulary.tokens.resize(count);
  vocabulary.types.assign(count, TokenType::kUnused);
  const bool has_bytes = vocabulary.model == "llama";
  for (TokenizerJson::Token& token : json.vocabulary) {
    const bool is_byte = has_bytes && byte_of_token(token.text) >= 0;
    place_token(std::move(token.text), token.id, is_byte ? TokenType::kByte : TokenType::kNormal, placed,
                vocabulary, where);
  }
  for (const AddedToken& token : added) {
    place_token(token.text, token.id, token.special ? TokenType::kControl : TokenType::kUserDefined, placed,
                vocabulary, where);
  }
  for (size_t i = 0; i < placed.size(); ++i) {
    if (!placed[i]) vocabulary.tokens[i] = fmt::format("[PAD{}]", i);
  }
}

void read_unknown(const Component& model, Vocabulary& vocabulary) {
  const std::string unknown = model.text("unk_token");
  if (unknown.empty()) return;
  vocabulary.unknown = find_id(vocabulary, unknown);
  if (vocabulary.unknown) vocabulary.types[static_cast<size_t>(*vocabulary.unknown)] = TokenType::kUnknown;
}

// BertNormalizer; accents are stripped as case is where it does not say.
void read_word_piece(const Component& model, const Component& normalizer, const Component& pretokenizer,
                     Vocabulary& vocabulary) {
  if (normalizer.type() != "BertNormalizer") normalizer.unsupported(" of a WordPiece tokenizer");
  if (pretokenizer.type() != "BertPreTokenizer") pretokenizer.unsupported(" of a WordPiece tokenizer");
  BertText how;
  how.clean = normalizer.flag("clean_text", true);
  how.chinese_words = normalizer.flag("handle_chinese_chars", true);
  how.lower_case = normalizer.flag("lowercase", true);
  how.strip_accents = normalizer.flag("strip_accents", how.lower_case);
  how.prefix = model.text("continuing_subword_prefix");
  if (const Json& most = model.at("max_input_chars_per_word"); most.is_number_unsigned())
    how.most_word_chars = static_cast<size_t>(std::min<uint64_t>(most.get<uint64_t>(), kMaxWordPieceChars));
  vocabulary.bert = how;
  vocabulary.unknown = find_id(vocabulary, model.text("unk_token"));
  if (!vocabulary.unknown) model.unsupported(" without an unknown token");
}

// A merge is two tokens that become a third, or the library of tokenizer.json does not read it.
void check_merges(const Vocabulary& vocabulary, std::string_view where) {
  const TokenIndex index(vocabulary);
  std::string joined;
  for (size_t i = 0; i < vocabulary.merges.size(); ++i) {
    const std::string_view merge = vocabulary.merges[i];
    const size_t space = merge.find(' ');
    if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos) {
      fail(ErrorCode::kCorruptData, where, "merge {}, \"{}\", is no pair of texts with a space between", i,
           merge.substr(0, 128));
    }
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left).append(right);
    for (const std::string_view text : {left, right, std::string_view(joined)}) {
      if (index.find(text) >= 0) continue;
      fail(ErrorCode::kCorruptData, where, "merge {}, \"{}\", uses \"{}\", which is no token", i,
           merge.substr(0, 128), text.substr(0, 128));
    }
  }
}

}  // namespace

Vocabulary read_tokenizer_json(std::string_view text, std::string_view where) {
  TokenizerJson json = parse_tokenizer_json(text, where);
  const auto component = [&](std::string_view key, std::string_view what) {
    const auto found = json.rest.find(key);
    static const Json kAbsent;
    return Component(found == json.rest.end() ? kAbsent : *found, where, what);
  };
  const Component model = component("model", "tokenizer model");
  if (!model.present()) fail(ErrorCode::kCorruptData, where, "has no model; this is no tokenizer.json");
  const bool word_piece = model.type() == "WordPiece";
  if (const std::string type = model.type(); !type.empty() && type != "BPE" && !word_piece)
    model.unsupported();
  if (word_piece) {
    Vocabulary vocabulary;
    vocabulary.model = "bert";
    read_tokens(json, vocabulary, where);
    read_word_piece(model, component("normalizer", "normalizer"), component("pre_tokenizer", "pre-tokenizer"),
                    vocabulary);
    read_post_processor(component("post_processor", "post-processor"), vocabulary);
    return vocabulary;
  }
  if (!json.has_merges || json.merges.empty()) {
    fail(ErrorCode::kCorruptData, where,
         "has no merges, without which BPE cannot join characters; the file is incomplete");
  }
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text(key).empty()) model.unsupported(fmt::format(" with {}", key));
  }
  Vocabulary vocabulary;
  vocabulary.ignore_merges = model.flag("ignore_merges", false);
  vocabulary.merges = std::move(json.merges);
  const Component normalizer = component("normalizer", "normalizer");
  const Component pretokenizer = component("pre_tokenizer", "pre-tokenizer");
  vocabulary.model = model.flag("byte_fallback", false) ? "llama" : "gpt2";
  read_tokens(json, vocabulary, where);
  check_merges(vocabulary, where);
  if (vocabulary.model == "llama") {
    read_character_level(normalizer, pretokenizer, vocabulary);
    read_unknown(model, vocabulary);
  } else {
    read_byte_level(normalizer, pretokenizer, vocabulary);
  }
  read_post_processor(component("post_processor", "post-processor"), vocabulary);
  return vocabulary;
}

}  // namespace oag
