#pragma once

#include <fmt/ranges.h>

#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/fnv1a.h"
#include "base/json.h"
#include "llm/text/tokenizer.h"
#include "llm/text/unicode.h"

namespace oag::testing {

// Texts that tools/goldens/generated_texts.py makes alike, and the hashes of what another tokenizer gave.
inline constexpr int kGeneratedBlocks = 200, kTextsOfBlock = 50;
inline constexpr int kPlainEvery = 5;  // every fifth text is also encoded with special tokens as text

// splitmix64 (Steele, Lea, Flood 2014).
class SplitMix {
 public:
  explicit SplitMix(uint64_t seed) : state_(seed) {}
  uint32_t below(size_t limit) { return static_cast<uint32_t>((next() >> 33) % limit); }

 private:
  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t value = state_;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
  }

  uint64_t state_;
};

inline std::filesystem::path generated_folder() {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/tokenizer/generated";
}

inline std::vector<std::string> generated_lines(const std::string& name) {
  std::vector<std::string> lines;
  std::istringstream in(read_file(generated_folder() / (name + ".txt")));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class GeneratedTexts {
 public:
  GeneratedTexts() {
    const std::filesystem::path path = generated_folder() / "pieces.json";
    for (const auto& group : parse_json(read_file(path), path.string())) {
      for (const auto& piece : group) pieces_.push_back(characters_of(piece.get<std::string>()));
    }
  }

  std::vector<std::string> make_all() const {
    std::vector<std::string> texts;
    for (int i = 0; i < kGeneratedBlocks * kTextsOfBlock; ++i)
      texts.push_back(make(static_cast<uint64_t>(i)));
    return texts;
  }

  std::string make(uint64_t index) const {
    SplitMix random(index);
    std::string text;
    for (uint32_t count = random.below(10); count > 0; --count) {
      const uint32_t kind = random.below(16);
      if (kind < 12) {
        const Characters& piece = pieces_[random.below(pieces_.size())];
        const size_t begin = kind >= 10 ? random.below(piece.size()) : 0;
        const size_t size = kind >= 10 ? 1 + random.below(piece.size() - begin) : piece.size();
        for (size_t i = 0; i < size; ++i) text += piece[begin + i];
      } else if (kind < 14) {
        for (uint32_t letters = 1 + random.below(4); letters > 0; --letters)
          text += static_cast<char>(32 + random.below(95));
      } else {
        append_code_point(random, text);
      }
    }
    return text;
  }

 private:
  using Characters = std::vector<std::string>;

  static Characters characters_of(std::string_view text) {
    Characters characters;
    for (const char byte : text) {
      if ((static_cast<uint8_t>(byte) & 0xC0) != 0x80) characters.emplace_back();
      characters.back() += byte;
    }
    return characters;
  }

  static void append_code_point(SplitMix& random, std::string& text) {
    constexpr uint32_t kLimits[] = {0x3400, 0x10000, 0x20000, 0x110000};
    const uint32_t limit = kLimits[random.below(4)];
    const uint32_t value = random.below(limit);
    append_utf8(text, value >= 0xD800 && value < 0xE000 ? '?' : value);
  }

  std::vector<Characters> pieces_;
};

// Texts of a block with their ids, in the form in which make_generated_token_cases.py --show prints its own.
inline std::string show_block(const Tokenizer& tokenizer, const std::vector<std::string>& texts, int block) {
  std::string out;
  for (int i = 0; i < kTextsOfBlock; ++i) {
    const std::string& text = texts[static_cast<size_t>(block * kTextsOfBlock + i)];
    const auto line = [&](const std::string& what, bool special) {
      out += fmt::format("{} {} {}\n", block * kTextsOfBlock + i, what,
                         fmt::join(tokenizer.encode(text, {special, false}), " "));
    };
    line(Json(text).dump(-1, ' ', true), true);
    if (i % kPlainEvery == 0) line("plain", false);
  }
  return out;
}

// Compares the ids of every text, and the text that they give back, with the hashes in `name`.txt. Without
// `parses_special` nothing in a text is a special token. Returns what is wrong, or nothing.
inline std::string compare_generated(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                                     const std::string& name, bool parses_special = true) {
  const std::vector<std::string> expected = generated_lines(name);
  if (expected.size() != kGeneratedBlocks + 1) return name + ".txt has another number of lines";
  std::string wrong;
  int blocks_wrong = 0;
  Fnv1a decoded;
  const auto add = [](Fnv1a& hash, const std::vector<TokenId>& ids) {
    hash.add(uint64_t{ids.size()});
    for (const TokenId id : ids) hash.add(static_cast<uint64_t>(id));
  };
  for (int block = 0; block < kGeneratedBlocks; ++block) {
    Fnv1a hash;
    for (int i = block * kTextsOfBlock; i < (block + 1) * kTextsOfBlock; ++i) {
      const std::string& text = texts[static_cast<size_t>(i)];
      const std::vector<TokenId> ids = tokenizer.encode(text, {parses_special, false});
      add(hash, ids);
      decoded.add(tokenizer.decode(ids, false));
      if (i % kPlainEvery == 0) add(hash, tokenizer.encode(text, {false, false}));
    }
    if (fmt::format("{:016x}", hash.value()) == expected[static_cast<size_t>(block)]) continue;
    if (blocks_wrong++ == 0)
      wrong = fmt::format("ids of block {}:\n{}", block, show_block(tokenizer, texts, block));
  }
  if (blocks_wrong > 0) return fmt::format("{} blocks differ; {}", blocks_wrong, wrong);
  return fmt::format("{:016x}", decoded.value()) == expected.back()
             ? ""
             : "the ids are right, decoded text is not";
}

}  // namespace oag::testing
