#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "llm/text/tokenizer.h"
#include "llm/text/vocabulary.h"

namespace oag::testing {

// One text of tests/data/tokenizer/*.json with the ids and the text back that the file's oracle gave.
struct TokenizerCase {
  std::string text;  // any bytes
  std::vector<TokenId> ids;
  std::string decoded;
};

// Cases that share a pre-tokenizer and options.
struct TokenizerSuite {
  std::string pre;
  std::optional<bool> add_space_prefix;
  bool parse_special = true;
  std::vector<TokenizerCase> cases;
};

// A file that tools/goldens/make_tokenizer_cases.py made; the vocabulary is empty where it stays in a model
// file.
struct TokenizerFixture {
  Vocabulary vocabulary;
  std::vector<TokenizerSuite> suites;

  Vocabulary vocabulary_of(const TokenizerSuite& suite) const {
    Vocabulary out = vocabulary;
    out.pre = suite.pre;
    out.add_space_prefix = suite.add_space_prefix;
    return out;
  }
};

inline std::string bytes_of_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

inline Vocabulary vocabulary_of_json(const Json& json) {
  Vocabulary out;
  out.model = json.at("model").get<std::string>();
  out.pre = json.value("pre", "");
  out.tokens = json.at("tokens").get<std::vector<std::string>>();
  if (json.contains("scores")) out.scores = json["scores"].get<std::vector<float>>();
  if (json.contains("merges") && !json["merges"].is_null()) {
    out.merges = json["merges"].get<std::vector<std::string>>();
  }
  for (const int type : json.at("types").get<std::vector<int>>())
    out.types.push_back(static_cast<TokenType>(type));
  const auto read_id = [&](const char* name, std::optional<TokenId>& id) {
    if (json.contains(name)) id = json[name].get<TokenId>();
  };
  read_id("bos", out.bos);
  read_id("eos", out.eos);
  read_id("eot", out.eot);
  read_id("eom", out.eom);
  read_id("unknown", out.unknown);
  read_id("padding", out.padding);
  if (json.contains("add_bos")) out.add_bos = json["add_bos"].get<bool>();
  return out;
}

inline TokenizerFixture load_tokenizer_fixture(const std::string& path) {
  const Json json = parse_json(read_file(path), path);
  TokenizerFixture out;
  if (json.contains("vocabulary")) out.vocabulary = vocabulary_of_json(json["vocabulary"]);
  for (const Json& from : json.at("suites")) {
    TokenizerSuite suite;
    suite.pre = from.at("pre").get<std::string>();
    suite.parse_special = from.value("parse_special", true);
    if (from.contains("add_space_prefix")) suite.add_space_prefix = from["add_space_prefix"].get<bool>();
    for (const Json& one : from.at("cases")) {
      TokenizerCase added;
      added.text = one.contains("hex") ? bytes_of_hex(one["hex"].get<std::string>())
                                       : one.at("text").get<std::string>();
      added.ids = one.at("ids").get<std::vector<TokenId>>();
      added.decoded = one.contains("decoded") ? one["decoded"].get<std::string>() : added.text;
      suite.cases.push_back(std::move(added));
    }
    out.suites.push_back(std::move(suite));
  }
  return out;
}

}  // namespace oag::testing
