#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace oag {

// A text with the class of each of its characters: what pre-tokenizer patterns look at.
class ClassifiedText {
 public:
  // `text` is repaired UTF-8 of less than 4 GiB and outlives this object.
  explicit ClassifiedText(std::string_view text);

  size_t size_chars() const { return classes_.size(); }
  uint16_t char_class(size_t i) const { return classes_[i]; }
  uint32_t code_point(size_t i) const;
  // The first byte of character i: the whole character where it is ASCII.
  char lead_byte(size_t i) const { return text_[starts_[i]]; }
  std::string_view slice(size_t begin, size_t end) const {
    return text_.substr(starts_[begin], starts_[end] - starts_[begin]);
  }

 private:
  std::string_view text_;
  std::vector<uint32_t> starts_;  // byte offset of each character, then the size of the text
  std::vector<uint16_t> classes_;
};

// Cuts text into the pieces that byte-level BPE merges within. The patterns are the regular expressions of
// the models' tokenizer.json files, written out as scanners: linear time, no backtracking.
struct Pretokenizer {
  // Given characters [at, end), returns where the match that begins at `at` ends, or `at` when there is none.
  // Nothing at or beyond `end` is looked at: a stage sees each piece of the stage before as a text of its
  // own.
  using Match = size_t (*)(const ClassifiedText& text, size_t at, size_t end);

  std::array<Match, 6> stages =
      {};                      // in order, up to the first null; what lies between matches is a piece too
  bool ignore_merges = false;  // a piece that is a token is not merged
  bool adds_bos = false;       // where the file doesn't say
  bool normalizes_nfc = false;

  // Appends the pieces of repaired UTF-8 text, which together are the text.
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;
};

// The pre-tokenizer that llama.cpp calls `name` (the GGUF key tokenizer.ggml.pre). An unknown or empty name
// warns and gives "default".
const Pretokenizer& find_pretokenizer(std::string_view name);

}  // namespace oag
