#include "llm/text/tokenizer_json_writer.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/json.h"
#include "llm/text/pretokenizer.h"
#include "llm/text/sentencepiece_encoder.h"
#include "llm/text/tokenizer_json_splits.h"

namespace oag {
namespace {

std::string quoted(std::string_view text, std::string_view where) {
  try {
    return Json(text).dump();
  } catch (const Json::type_error&) {
    fail(ErrorCode::kUnsupported, where, "a token is not valid UTF-8, which tokenizer.json cannot hold");
  }
}

Json byte_level(bool uses_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", uses_regex}};
}

Json sequence(std::string_view key, Json parts) {
  return {{"type", "Sequence"}, {std::string(key), std::move(parts)}};
}

Json byte_level_pretokenizer(const Pretokenizer& pretokenizer, std::string_view name,
                             std::string_view where) {
  const auto cuts_like = [&](std::string_view known) {
    return find_pretokenizer(known).stages == pretokenizer.stages;
  };
  if (cuts_like("gpt-2")) return byte_level(true);
  if (cuts_like("smollm")) {
    return sequence("pretokenizers",
                    {Json{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)});
  }
  for (const KnownSplit& split : kSplits) {
    if (!cuts_like(split.merging)) continue;
    const Json part = {{"type", "Split"},
                       {"pattern", {{"Regex", split.pattern}}},
                       {"behavior", "Isolated"},
                       {"invert", false}};
    return sequence("pretokenizers", {part, byte_level(false)});
  }
  fail(ErrorCode::kUnsupported, where,
       "its pre-tokenizer {} cannot be written as tokenizer.json; take that file from the model's origin",
       name.substr(0, 64));
}

// As SentencePiece's models are written for the tokenizers package.
Json marks_normalizer(bool prefix) {
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}};
  if (!prefix) return replace;
  return sequence("normalizers", {Json{{"type", "Prepend"}, {"prepend", kSpaceMark}}, replace});
}

Json marks_decoder(bool prefix) {
  Json parts = {Json{{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}},
                Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}};
  if (prefix) parts.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return sequence("decoders", std::move(parts));
}

// Every way to make a token of two others, tokens of higher score first.
std::vector<std::string> merges_of_scores(const Vocabulary& vocabulary) {
  std::unordered_map<std::string_view, size_t> ids;
  std::vector<size_t> order;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.type(static_cast<TokenId>(i)) != TokenType::kNormal) continue;
    ids.emplace(vocabulary.tokens[i], i);
    order.push_back(i);
  }
  std::ranges::sort(order, [&](size_t a, size_t b) {
    const float score_a = vocabulary.scores[a], score_b = vocabulary.scores[b];
    return score_a != score_b ? score_a > score_b : a < b;
  });
  std::vector<std::string> merges;
  for (const size_t i : order) {
    const std::string_view token = vocabulary.tokens[i];
    for (size_t cut = 1; cut < token.size(); ++cut) {
      if (ids.contains(token.substr(0, cut)) && ids.contains(token.substr(cut)))
        merges.push_back(std::string(token.substr(0, cut)) + ' ' + std::string(token.substr(cut)));
    }
  }
  return merges;
}

Json added_tokens(const Vocabulary& vocabulary) {
  Json added = Json::array();
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const TokenType type = vocabulary.type(static_cast<TokenId>(i));
    const bool special = type == TokenType::kControl || type == TokenType::kUnknown;
    if (!special && type != TokenType::kUserDefined) continue;
    added.push_back({{"id", i},
                     {"content", vocabulary.tokens[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", special}});
  }
  return added;
}

// What stands around a text: bos, eos or both; null where it is neither.
Json frame(const Tokenizer& tokenizer) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  Json single = Json::array(), tokens = Json::object();
  const auto add = [&](bool wanted, const std::optional<TokenId>& id) {
    if (!wanted || !id) return;
    const std::string& text = vocabulary.tokens[static_cast<size_t>(*id)];
    single.push_back({{"SpecialToken", {{"id", text}, {"type_id", 0}}}});
    tokens[text] = {{"id", text}, {"ids", {*id}}, {"tokens", {text}}};
  };
  add(tokenizer.adds_bos(), vocabulary.bos);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  add(tokenizer.adds_eos(), vocabulary.eos);
  if (tokens.empty()) return nullptr;
  Json pair = single;
  for (Json part : single) {
    part.begin().value()["type_id"] = 1;
    if (part.contains("Sequence")) part["Sequence"]["id"] = "B";
    pair.push_back(std::move(part));
  }
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(tokens)}};
}

void append_vocabulary(std::string& out, const Vocabulary& vocabulary, std::string_view where) {
  bool first = true;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.type(static_cast<TokenId>(i)) == TokenType::kUnused) continue;
    out += first ? "\n   " : ",\n   ";
    out += quoted(vocabulary.tokens[i], where) + ": " + std::to_string(i);
    first = false;
  }
}

void append_merges(std::string& out, const std::vector<std::string>& merges, std::string_view where) {
  for (size_t i = 0; i < merges.size(); ++i) {
    const size_t space = merges[i].find(' ');
    out += i == 0 ? "\n   [" : ",\n   [";
    out += quoted(std::string_view(merges[i]).substr(0, space), where) + ", " +
           quoted(std::string_view(merges[i]).substr(space + 1), where) + ']';
  }
}

}  // namespace

std::string write_tokenizer_json(const Tokenizer& tokenizer, std::string_view where) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  const bool by_character = vocabulary.model == "llama";
  const bool prefix = tokenizer.adds_space_prefix();
  const Pretokenizer* pretokenizer = by_character ? nullptr : &find_pretokenizer(vocabulary.pre);
  Json head = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  head["added_tokens"] = added_tokens(vocabulary);
  head["normalizer"] = by_character ? marks_normalizer(prefix)
                       : vocabulary.normalizes_nfc.value_or(pretokenizer->normalizes_nfc)
                           ? Json{{"type", "NFC"}}
                           : Json(nullptr);
  head["pre_tokenizer"] =
      by_character ? Json(nullptr) : byte_level_pretokenizer(*pretokenizer, vocabulary.pre, where);
  head["post_processor"] = frame(tokenizer);
  head["decoder"] = by_character ? marks_decoder(prefix) : byte_level(true);
  const bool has_unknown = by_character && vocabulary.unknown.has_value();
  const Json model = {
      {"type", "BPE"},
      {"dropout", nullptr},
      {"unk_token",
       has_unknown ? Json(vocabulary.tokens[static_cast<size_t>(*vocabulary.unknown)]) : Json(nullptr)},
      {"continuing_subword_prefix", nullptr},
      {"end_of_word_suffix", nullptr},
      {"fuse_unk", by_character},
      {"byte_fallback", by_character},
      {"ignore_merges", !by_character && vocabulary.ignore_merges.value_or(pretokenizer->ignore_merges)}};
  std::string out;
  try {
    out = head.dump(1);
    out.resize(out.size() - 2);  // the newline and brace at its end
    out += ",\n \"model\": " + model.dump();
  } catch (const Json::type_error&) {
    fail(ErrorCode::kUnsupported, where, "a token is not valid UTF-8, which tokenizer.json cannot hold");
  }
  out.pop_back();
  out += ",\n  \"vocab\": {";
  append_vocabulary(out, vocabulary, where);
  out += "\n  },\n  \"merges\": [";
  append_merges(out,
                by_character && vocabulary.merges.empty() ? merges_of_scores(vocabulary) : vocabulary.merges,
                where);
  return out + "\n  ]\n }\n}\n";
}

}  // namespace oag
