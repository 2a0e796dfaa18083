#include "llm/text/unicode.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "llm/text/byte_alphabet.h"
#include "tests/support/tokenizer_fixture.h"

namespace oag {
namespace {

using testing::bytes_of_hex;

Json load_cases() {
  const std::string path = std::string(OAG_SOURCE_DIR) + "/tests/data/tokenizer/unicode.json";
  return parse_json(read_file(path), path);
}

uint16_t class_of_letter(char letter) {
  switch (letter) {
    case 'L': return kLetter;
    case 'N': return kNumber;
    case 'M': return kMark;
    case 'P': return kPunctuation;
    case 'S': return kSymbol;
    case 'W': return kWhitespace;
    default: return kOther;
  }
}

TEST(Unicode, ClassesAreThoseOfTheCharacterDatabase) {
  const Json runs = load_cases().at("classes");
  ASSERT_GT(runs.size(), 1000u);
  int wrong = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::string letter = runs[i][1];
    const uint32_t end = i + 1 < runs.size() ? runs[i + 1][0].get<uint32_t>() : 0x110000;
    for (uint32_t point = runs[i][0]; point < end; ++point) {
      if ((char_class(point) & ~(kNewline | kUpper | kLower)) != class_of_letter(letter[0]) && ++wrong < 10) {
        ADD_FAILURE() << fmt::format("U+{:04X} has class {}, expected {}", point, char_class(point), letter);
      }
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(char_class('\n'), kWhitespace | kNewline);
  EXPECT_EQ(char_class('\r'), kWhitespace | kNewline);
  EXPECT_EQ(char_class(0x85), kWhitespace);
  EXPECT_EQ(char_class('A'), kLetter | kUpper);
  EXPECT_EQ(char_class(0x01C5), kLetter | kUpper);  // title case
  EXPECT_EQ(char_class(0x00E9), kLetter | kLower);
  EXPECT_EQ(char_class(0x4E2D), kLetter);
}

TEST(Unicode, StreamsReplaceBrokenBytesLikeTheReferenceDecoderHoweverTheyAreCut) {
  const Json cases = load_cases().at("decoding");
  ASSERT_GT(cases.size(), 300u);
  for (const Json& one : cases) {
    const std::string bytes = bytes_of_hex(one[0]);
    const std::string expected = one[1];
    EXPECT_EQ(is_valid_utf8(bytes), bytes == expected) << one[0];
    Utf8Stream whole_stream;
    std::string whole;
    whole_stream.push(bytes, whole);
    whole_stream.flush(whole);
    EXPECT_EQ(whole, expected) << one[0];
    Utf8Stream cut_stream;
    std::string cut;
    for (const char byte : bytes) {
      cut_stream.push(std::string_view(&byte, 1), cut);
      EXPECT_TRUE(is_valid_utf8(cut)) << one[0];
    }
    cut_stream.flush(cut);
    EXPECT_EQ(cut, expected) << one[0];
  }
}

TEST(Unicode, NormalizesToFormC) {
  const Json cases = load_cases().at("nfc");
  ASSERT_GT(cases.size(), 300u);
  for (const Json& one : cases) {
    EXPECT_EQ(normalize_nfc(one[0].get<std::string>()), one[1].get<std::string>()) << one[0];
  }
  EXPECT_EQ(normalize_nfc("\xED\xA0\x80"), "\xEF\xBF\xBD") << "a lone surrogate";
}

TEST(Unicode, NormalizesMarksOfEveryAgeAsThePackageOfTheTokenizersDoes) {
  const Json cases = load_cases().at("tokenizers_nfc");
  ASSERT_EQ(cases.size(), 200u);
  for (const Json& one : cases) {
    EXPECT_EQ(normalize_nfc(one[0].get<std::string>()), one[1].get<std::string>()) << one[0];
  }
}

TEST(Unicode, RepairKeepsValidTextAndReplacesByteByByte) {
  EXPECT_EQ(repair_utf8("a\xC3\xA9\xE5\xA5\xBD\xF0\x9F\x99\x82"), "a\xC3\xA9\xE5\xA5\xBD\xF0\x9F\x99\x82");
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(repair_utf8("\xF0\x9F\x99"), bad + bad + bad);
  EXPECT_EQ(repair_utf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);
  EXPECT_EQ(repair_utf8("\xC0\x80"), std::string(1, '\0')) << "overlong forms are shortened";
}

TEST(ByteAlphabet, MapsEveryByteThereAndBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  std::string letters;
  append_alphabet(letters, bytes);
  EXPECT_TRUE(is_valid_utf8(letters));
  std::string back;
  append_alphabet_bytes(back, letters);
  EXPECT_EQ(back, bytes);
  letters.clear();
  append_alphabet(letters,
                  " \n\xAD\x7F"
                  "a");
  EXPECT_EQ(letters,
            "\u0120\u010A\u0143\u0121"
            "a");
}

}  // namespace
}  // namespace oag
