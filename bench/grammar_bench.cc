// Constrained decoding: how long a token's mask and its acceptance take, and what is computed once.
//
//   oag_grammar_bench [--tokens N]
//
// The vocabulary is made up and seeded: N (150,000) tokens: the 256 bytes, words of random syllables (alone,
// behind a space, capitalised), numbers, runs of blanks, Chinese characters one to three, punctuation and
// what JSON texts cut into (`":`, `"},`, …). Each grammar is given documents, cut into the longest tokens
// that fit. "First" is the first document that a compiled grammar sees, "then" the ones behind it. Times are
// of mask() and accept() together.
#include <fmt/format.h>

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/grammar_matcher.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

class TokenMaker {
 public:
  explicit TokenMaker(size_t count) : count_(count) {}

  std::vector<std::string> make() {
    for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
    add_fixed();
    while (texts_.size() < count_) add_random();
    texts_.push_back("");  // the end
    return std::move(texts_);
  }

 private:
  size_t below(size_t n) { return rng_() % n; }

  void add(const std::string& text) {
    if (known_.insert(text).second) texts_.push_back(text);
  }

  void add_fixed() {
    for (int i = 0; i < 1000; ++i) add(std::to_string(i));
    for (size_t n = 1; n <= 64; ++n) {
      for (const char* before : {"", "\n", "\n\n", "\r\n"}) add(before + std::string(n, ' '));
      add(std::string(n, '\t'));
    }
    constexpr std::string_view kMarks[] = {"\"", "\\", "{", "}", "[", "]", ":", ",",
                                           " ",  "\n", ".", "(", ")", "-", "_"};
    for (const auto a : kMarks) {
      for (const auto b : kMarks) {
        for (const auto c : kMarks) {
          add(std::string(a) + std::string(b));
          add(std::string(a) + std::string(b) + std::string(c));
        }
      }
    }
  }

  std::string word() {
    constexpr std::string_view kOnsets[] = {"b", "c", "d", "f", "g",  "h",  "j",  "l",  "m",  "n",  "p", "r",
                                            "s", "t", "v", "w", "st", "tr", "ch", "sh", "th", "pr", ""};
    constexpr std::string_view kRimes[] = {"a",  "e",  "i",  "o",  "u",   "an",  "er", "in",
                                           "on", "es", "ed", "al", "ion", "ing", "ar", "y"};
    std::string text;
    for (size_t syllables = 1 + below(4); syllables > 0; --syllables) {
      text += kOnsets[below(std::size(kOnsets))];
      text += kRimes[below(std::size(kRimes))];
    }
    return text;
  }

  void add_random() {
    const size_t kind = below(100);
    std::string text = word();
    if (kind < 20) {
      text.clear();
      for (size_t n = 1 + below(3); n > 0; --n)
        append_utf8(text, static_cast<uint32_t>(0x4E00 + below(0x5000)));
    } else if (kind < 60) {
      text = " " + text;
    } else if (kind < 70) {
      text[0] = static_cast<char>(text[0] & ~0x20);
    } else if (kind < 73) {
      text = "\"" + text;
    } else if (kind < 75) {
      text += kind == 73 ? "\"" : "\":";
    } else if (kind < 78) {
      text += below(2) == 0 ? "." : "_" + word();
    }
    add(text);
  }

  const size_t count_;
  std::mt19937 rng_{1};
  std::set<std::string> known_;
  std::vector<std::string> texts_;
};

struct Subject {
  std::string name;
  std::shared_ptr<const Grammar> (*make)();
  std::vector<std::string> documents;
};

constexpr std::string_view kSchema =
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
  "maximum":150},"email":{"type":"string","format":"email"},"tags":{"type":"array","items":{"type":"string"}},
  "address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9]{5}$"}},
  "required":["street","city","zip"],"additionalProperties":false},"kind":{"enum":["person","company","other"]},
  "score":{"type":["number","null"]},"friends":{"type":"array","items":{"$ref":"#/$defs/friend"}}},
  "required":["name","age","email","tags","address","kind","score","friends"],"additionalProperties":false,
  "$defs":{"friend":{"type":"object","properties":{"name":{"type":"string"},"since":{"type":"string","format":"date"},
  "friends":{"type":"array","items":{"$ref":"#/$defs/friend"}}},"required":["name","since","friends"],"additionalProperties":false}}})";

std::shared_ptr<const Grammar> schema_grammar() {
  return Grammar::from_json_schema(parse_json(kSchema, "bench"));
}
std::shared_ptr<const Grammar> lengths_grammar() {
  return Grammar::from_json_schema(parse_json(
      R"({"type":"object","properties":{"title":{"type":"string","maxLength":80},"text":{"type":"string","minLength":10,"maxLength":2000}},
         "required":["title","text"],"additionalProperties":false})",
      "bench"));
}
std::shared_ptr<const Grammar> object_grammar() {
  return Grammar::any_json_object();
}
std::shared_ptr<const Grammar> regex_grammar() {
  return Grammar::from_regex(
      R"((Dear|Hello) [A-Z][a-z]+,\n([A-Za-z ,']+[.!?]\n){1,20}Call \+\d{1,3}( \d{2,4}){2,4}\.)");
}

std::string prose(size_t words, uint32_t seed) {
  constexpr std::string_view kWords[] = {"the",    "station", "moder", "tion",   "person", "caring",
                                         "sharon", "other",   "paper", "日本语", "ration"};
  std::mt19937 rng(seed);
  std::string text;
  for (size_t i = 0; i < words; ++i)
    text += (i > 0 ? " " : "") + std::string(kWords[rng() % std::size(kWords)]);
  return text;
}

std::vector<Subject> subjects() {
  std::vector<std::string> records, free, lengths, letters, actions;
  for (uint32_t i = 0; i < 8; ++i) {
    const std::string friends =
        fmt::format(R"([{{"name": "{}", "since": "2021-0{}-15", "friends": []}}])", prose(2, i), 1 + i % 9);
    records.push_back(fmt::format(
        R"({{"name": "{}", "age": {}, "email": "a{}@example.org", "tags": ["{}", "{}"], "address": {{"street": "{}", "city": "{}", "zip": "{}"}}, "kind": "company", "score": {}.5, "friends": {}}})",
        prose(3, i), 20 + i, i, prose(1, i), prose(2, i + 50), prose(3, i + 90), prose(1, i + 70),
        10000 + 7 * i, i, friends));
    free.push_back(
        fmt::format("{{\n  \"{}\": [\n    1.5e3,\n    {{\"k\": \"{}\", \"x\": null}}\n  ],\n  \"z\": {}\n}}",
                    prose(1, i), prose(30, i), records.back()));
    lengths.push_back(
        fmt::format(R"({{"title": "{}", "text": "{}"}})", prose(7, i).substr(0, 40), prose(120, i)));
    letters.push_back(fmt::format(
        "Dear Sharon,\nThe station is a paper, caring{}.\nOther person in ration!\nCall +49 30 1234 56{}.",
        std::string(i, 'g'), 10 + i));
    actions.push_back(
        fmt::format("do(action=\"Tap\", element=[{},{}], message=\"{}\")", 10 + i, 900 - i, prose(12, i)));
    actions.push_back(fmt::format("do(action=\"Type\", text=\"{}\")", prose(20, i)));
  }
  return {{"JSON schema", schema_grammar, records},
          {"schema with lengths", lengths_grammar, lengths},
          {"any JSON object", object_grammar, free},
          {"regex", regex_grammar, letters},
          {"phone agent", Grammar::phone_agent_action, actions}};
}

// Processor time of this thread: neighbours on the machine do not count.
double cpu_microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// The longest tokens first, as a trained tokenizer would mostly cut.
std::vector<TokenId> cut(const GrammarVocabulary& vocabulary, std::string_view text) {
  const TokenTrie& trie = vocabulary.trie();
  std::vector<TokenId> ids;
  while (!text.empty()) {
    TokenId best = -1;
    uint32_t depth = 0;
    size_t size = 0;
    for (uint32_t i = 0, end = trie.size(); i < end && depth < text.size();) {
      const auto& node = trie.node(i);
      if (node.byte != static_cast<uint8_t>(text[depth])) {
        i = node.end;
        continue;
      }
      ++depth;
      if (!trie.tokens_at(i).empty()) best = trie.tokens_at(i)[0], size = depth;
      end = node.end;
      ++i;
    }
    if (best < 0) std::exit(1);
    ids.push_back(best);
    text.remove_prefix(size);
  }
  return ids;
}

struct Times {
  std::vector<double> each;

  double at(double part) {
    std::sort(each.begin(), each.end());
    return each.empty() ? 0
                        : each[std::min(each.size() - 1,
                                        static_cast<size_t>(part * static_cast<double>(each.size())))];
  }
};

void run(const std::vector<Subject>& all, const std::shared_ptr<const GrammarVocabulary>& vocabulary) {
  fmt::print(
      "| grammar | build ms | first document: tokens | total ms | p50 us | p99 us | then: tokens | p50 us | "
      "p99 us | max us | kept MB |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|\n");
  std::vector<uint32_t> bits(mask_words(vocabulary->size_tokens()));
  for (const Subject& subject : all) {
    const double start = cpu_microseconds();
    const auto compiled = CompiledGrammar::create(subject.make(), vocabulary);
    const double build_ms = (cpu_microseconds() - start) / 1000;
    Times first, then;
    double first_total = 0;
    for (const std::string& document : subject.documents) {
      GrammarMatcher matcher(compiled);
      const bool is_first = &document == &subject.documents.front();
      for (const TokenId id : cut(*vocabulary, document)) {
        const double before = cpu_microseconds();
        matcher.mask(bits);
        const bool taken = matcher.accept(id);
        const double us = cpu_microseconds() - before;
        if (!taken || (bits[static_cast<size_t>(id) / 32] >> (id % 32) & 1) == 0) {
          fmt::print(stderr, "{}: a token of the document is not allowed\n", subject.name);
          std::exit(1);
        }
        (is_first ? first : then).each.push_back(us);
        if (is_first) first_total += us / 1000;
      }
      if (!matcher.may_end()) std::exit(1);
    }
    fmt::print("| {} | {:.2f} | {} | {:.1f} | {:.1f} | {:.0f} | {} | {:.1f} | {:.0f} | {:.0f} | {:.1f} |\n",
               subject.name, build_ms, first.each.size(), first_total, first.at(0.5), first.at(0.99),
               then.each.size(), then.at(0.5), then.at(0.99), then.at(1),
               static_cast<double>(compiled->cached_bytes()) / 1e6);
  }
}

}  // namespace

int main_of(int argc, char** argv) {
  size_t tokens = 150'000;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--tokens" || i + 1 == argc || std::atoi(argv[i + 1]) < 1000) {
      fmt::print(stderr, "usage: oag_grammar_bench [--tokens N]   (N from 1000 on)\n");
      return 2;
    }
    tokens = static_cast<size_t>(std::atoi(argv[++i]));
  }
  std::vector<std::string> texts = TokenMaker(tokens).make();
  const auto end = static_cast<TokenId>(texts.size() - 1);
  const double start = cpu_microseconds();
  const auto vocabulary = GrammarVocabulary::create(std::move(texts), {end});
  fmt::print("{} tokens, {} nodes, sorted in {:.0f} ms, {:.1f} MB\n\n", vocabulary->size_tokens(),
             vocabulary->trie().size(), (cpu_microseconds() - start) / 1000,
             static_cast<double>(vocabulary->trie().size_bytes()) / 1e6);
  run(subjects(), vocabulary);
  return 0;
}

}  // namespace oag

int main(int argc, char** argv) {
  return oag::main_of(argc, argv);
}
