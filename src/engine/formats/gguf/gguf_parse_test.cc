#include "engine/formats/gguf/gguf_parse.h"

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "engine/formats/gguf/gguf_types.h"

namespace oag {
namespace {

const std::string kCases = std::string(OAG_SOURCE_DIR) + "/tests/data/gguf/";

// Composes GGUF bytes field by field, so that any field can be wrong.
class Bytes {
 public:
  template <typename T>
  Bytes& add(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& raw(std::string_view text) {
    text_ += text;
    return *this;
  }
  Bytes& string(std::string_view text) { return add<uint64_t>(text.size()).raw(text); }
  Bytes& header(uint64_t tensors, uint64_t keys) {
    return raw("GGUF").add<uint32_t>(3).add<uint64_t>(tensors).add<uint64_t>(keys);
  }
  Bytes& key(std::string_view name, GgufType type) { return string(name).add(static_cast<uint32_t>(type)); }
  Bytes& tensor(std::string_view name, std::initializer_list<uint64_t> dims, uint32_t type, uint64_t offset) {
    string(name).add<uint32_t>(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) add(dim);
    return add(type).add(offset);
  }
  Bytes& data(size_t count, size_t alignment = 32) {
    text_.append((alignment - text_.size() % alignment) % alignment + count, '\0');
    return *this;
  }

  GgufPart parse() const { return parse_gguf(std::as_bytes(std::span(text_)), "f"); }
  // The error's text, or "no error".
  std::string error() const {
    try {
      parse();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      return error.what();
    }
    return "no error";
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

constexpr uint64_t kMax63 = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

TEST(ParseGguf, AFileWithNothingInItIsFine) {
  const GgufPart part = Bytes().header(0, 0).parse();
  EXPECT_TRUE(part.metadata.entries().empty());
  EXPECT_TRUE(part.tensors.empty());
}

TEST(ParseGguf, RefusesOtherFilesAndVersionsByName) {
  EXPECT_EQ(Bytes().raw("GIF89a..").error(),
            "f: at byte 0: is no GGUF file but a text: does not start with \"GGUF\"");
  EXPECT_EQ(Bytes().raw("GGUF").add<uint32_t>(1).error(),
            "f: at byte 4: GGUF version 1, expected 2 or 3; convert the model again");
  EXPECT_EQ(Bytes().raw("GGUF").add<uint32_t>(4).error(), "f: at byte 4: GGUF version 4, expected 2 or 3");
  EXPECT_EQ(Bytes().raw("GGUF").add<uint32_t>(0x03000000).error(),
            "f: at byte 0: is a big-endian GGUF file, expected a little-endian one");
  EXPECT_NE(Bytes().raw("tjgg").add<uint32_t>(3).error().find("before GGUF"), std::string::npos);
  EXPECT_EQ(Bytes().error(),
            "f: at byte 0: the file ends within the magic number: 0 bytes are left, expected 4; "
            "was it cut short? fetch it again");
}

TEST(ParseGguf, RefusesCountsThatTheFileCannotHold) {
  for (const uint64_t huge :
       {uint64_t{1}, uint64_t{1} << 32, uint64_t{1} << 61, kMax63, kMax63 + 1, kMax64}) {
    EXPECT_EQ(Bytes().header(huge, 0).error(),
              fmt::format("f: at byte 8: the number of tensors is {}, expected at most "
                          "0 (8 bytes are left in the file)",
                          huge));
    EXPECT_EQ(Bytes().header(0, huge).error(),
              fmt::format("f: at byte 16: the number of metadata keys is {}, expected at "
                          "most 0 (0 bytes are left in the file)",
                          huge));
  }
}

TEST(ParseGguf, RefusesStringsAndArraysThatTheFileCannotHold) {
  for (const uint64_t huge :
       {uint64_t{17}, uint64_t{1} << 32, uint64_t{1} << 61, kMax63, kMax63 + 1, kMax64}) {
    EXPECT_EQ(
        Bytes().header(0, 1).key("s", GgufType::kString).add(huge).raw("0123456789abcdef").error(),
        fmt::format(
            "f: at byte 37, metadata key s: the value has a length of {}, expected at most the 16 bytes that "
            "are left in the file",
            huge));
    for (const GgufType type : {GgufType::kU8, GgufType::kF64, GgufType::kString, GgufType::kArray}) {
      const std::string error =
          Bytes().header(0, 1).key("a", GgufType::kArray).add(type).add(huge).raw("0123456789abcdef").error();
      EXPECT_EQ(error.find("f: at byte 41, metadata key a: the number of array elements is "), 0u) << error;
    }
    EXPECT_NE(Bytes().header(0, 1).add(huge).raw("0123456789abcdef").error(), "no error");
  }
}

TEST(ParseGguf, RefusesTypesBoolsKeysAndNestingOutsideTheFormat) {
  EXPECT_EQ(Bytes().header(0, 1).string("k").add<uint32_t>(13).add<uint64_t>(0).error(),
            "f: at byte 33, metadata key k: the value's type is 13, expected 0 to 12");
  EXPECT_EQ(Bytes().header(0, 1).key("k", GgufType::kBool).add<uint8_t>(2).error(),
            "f: at byte 37, metadata key k: a bool is 2, expected 0 or 1");
  EXPECT_EQ(Bytes()
                .header(0, 1)
                .key("k", GgufType::kArray)
                .add(GgufType::kBool)
                .add<uint64_t>(2)
                .raw("\1\3")
                .error(),
            "f: at byte 50, metadata key k: a bool is 3, expected 0 or 1");
  EXPECT_EQ(Bytes().header(0, 1).key("a\nb", GgufType::kU8).add<uint8_t>(2).error(),
            "f: at byte 24, metadata entry 1 of 1: a key is \"a\\x0ab\" (3 bytes), expected 1 to 65535 bytes "
            "of printable "
            "ASCII without spaces");
  EXPECT_NE(Bytes().header(0, 1).key("", GgufType::kU64).add<uint64_t>(2).error(), "no error");
  EXPECT_EQ(Bytes()
                .header(0, 2)
                .key("k", GgufType::kU16)
                .add<uint16_t>(1)
                .key("k", GgufType::kU16)
                .add<uint16_t>(1)
                .error(),
            "f: at byte 39, metadata key k: the key stands a second time, expected once");
  Bytes deep;
  deep.header(0, 1).key("k", GgufType::kArray);
  for (int i = 0; i < 100; ++i) deep.add(GgufType::kArray).add<uint64_t>(1);
  EXPECT_EQ(deep.error(), "f: at byte 133, metadata key k: arrays are nested deeper than 8 levels");
}

// 100,000 empty arrays would take more memory than file.
TEST(ParseGguf, RefusesFloodsOfNestedArrays) {
  Bytes flood;
  flood.header(0, 1).key("k", GgufType::kArray).add(GgufType::kArray).add<uint64_t>(100'000);
  for (int i = 0; i < 100'000; ++i) flood.add(GgufType::kU8).add<uint64_t>(0);
  EXPECT_EQ(flood.error(),
            "f: at byte 37, metadata key k: the file holds more than 65536 arrays within arrays");
}

TEST(ParseGguf, RefusesImpossibleAlignments) {
  for (const uint32_t bad : {0u, 1u, 4u, 33u, 48u, 1u << 31}) {
    const std::string error = Bytes().header(0, 1).key("general.alignment", GgufType::kU32).add(bad).error();
    EXPECT_NE(error.find(fmt::format("general.alignment is {}, expected a power of two", bad)),
              std::string::npos)
        << error;
  }
  EXPECT_EQ(Bytes().header(0, 1).key("general.alignment", GgufType::kF32).add(32.0f).error(),
            "f: metadata key general.alignment is f32 32, expected an integer of 0 or more");
}

TEST(ParseGguf, HonoursTheFilesAlignment) {
  Bytes file;
  file.header(2, 1).key("general.alignment", GgufType::kU32).add<uint32_t>(512);
  file.tensor("a", {3}, 0, 0).tensor("b", {1}, 0, 512).data(516, 512);
  const GgufPart part = file.parse();
  EXPECT_EQ(reinterpret_cast<const char*>(part.tensors[0].bytes.data()) - file.text().data(), 512);
  EXPECT_EQ(reinterpret_cast<const char*>(part.tensors[1].bytes.data()) - file.text().data(), 1024);
  EXPECT_EQ(part.tensors[1].bytes.size(), 4u);
}

TEST(ParseGguf, ATensorWithoutDimensionsIsOneValue) {
  EXPECT_EQ(Bytes().header(1, 0).tensor("a", {}, 0, 0).data(4).parse().tensors[0].bytes.size(), 4u);
  EXPECT_NE(Bytes().header(1, 0).tensor("a", {}, 2, 0).data(32).error(), "no error");
}

TEST(ParseGguf, RefusesImpossibleShapes) {
  EXPECT_EQ(Bytes().header(1, 0).tensor("a", {8, 0}, 0, 0).data(64).error(),
            "f: at byte 45, tensor a: dimension 1 is 0, expected 1 to 2^63 - 1");
  EXPECT_EQ(Bytes().header(1, 0).tensor("a", {1, 1, 1, 1, 1}, 0, 0).data(64).error(),
            "f: at byte 33, tensor a: 5 dimensions, expected at most 4");
  EXPECT_EQ(
      Bytes().header(1, 0).tensor("a", {1ull << 32, 1ull << 31}, 0, 0).data(64).error(),
      "f: at byte 45, tensor a: dimension 1 is 2147483648: the tensor would have more than 2^63 values");
  EXPECT_EQ(Bytes().header(1, 0).tensor("a", {33}, 2, 0).data(64).error(),
            "f: at byte 45, tensor a: a row has 33 values, expected a multiple of 32 for type Q4_0");
  for (const uint64_t huge : {kMax63, kMax63 + 1, kMax64, uint64_t{1} << 62, uint64_t{1} << 61}) {
    EXPECT_NE(Bytes().header(1, 0).tensor("a", {huge}, 0, 0).data(64).error(), "no error") << huge;
    EXPECT_NE(Bytes().header(1, 0).tensor("a", {1, huge}, 28, 0).data(64).error(), "no error") << huge;
    EXPECT_NE(Bytes().header(1, 0).tensor("a", {huge, huge, huge, huge}, 0, 0).data(64).error(), "no error")
        << huge;
  }
}

TEST(ParseGguf, RefusesDataOutsideTheFileOrOffItsAlignment) {
  EXPECT_EQ(Bytes().header(1, 0).tensor("a", {16}, 0, 0).data(63).error(),
            "f: at byte 24, tensor a: 64 bytes at data offset 0 run past the end of the file, which holds "
            "63 bytes of data; was it cut short? fetch it again");
  EXPECT_EQ(Bytes().header(1, 0).tensor("a", {16}, 0, 0).data(64).error(), "no error");
  EXPECT_EQ(Bytes().header(1, 0).tensor("a", {8}, 0, 4).data(64).error(),
            "f: at byte 49, tensor a: the data offset is 4, expected a multiple of 32");
  for (const uint64_t huge : {kMax63 - 31, kMax63 + 1, kMax64 - 31, kMax64 - 63, uint64_t{1} << 32}) {
    EXPECT_NE(Bytes().header(1, 0).tensor("a", {8}, 0, huge).data(64).error(), "no error") << huge;
    EXPECT_NE(Bytes().header(1, 0).tensor("a", {8}, 77, huge).data(64).error(), "no error") << huge;
  }
}

// A tensor of unknown size at the very end, where the data section would begin behind the end of the file.
TEST(ParseGguf, AnUnknownTypeMayStandInAFileWithoutData) {
  EXPECT_TRUE(Bytes().header(1, 0).tensor("abcd", {8}, 77, 0).parse().tensors[0].bytes.empty());
  EXPECT_NE(Bytes().header(1, 0).tensor("abcd", {8}, 77, 32).error(), "no error");
}

TEST(ParseGguf, RefusesOverlapsAndRepeatedNames) {
  EXPECT_EQ(Bytes().header(2, 0).tensor("b", {8}, 0, 32).tensor("a", {16}, 0, 0).data(128).error(),
            "f: at byte 24, tensor b: its data at offset 32 overlaps tensor a, which ends at offset 64");
  EXPECT_EQ(Bytes().header(2, 0).tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 32).data(64).error(),
            "f: at byte 57, tensor a: the name stands a second time, expected once");
}

TEST(ParseGguf, ListsTensorsOfTypesItDoesNotKnow) {
  const GgufPart part = Bytes().header(1, 0).tensor("a", {8}, 77, 0).data(64).parse();
  EXPECT_EQ(part.tensors[0].dtype, DType::kUndefined);
  EXPECT_EQ(ggml_type_name(part.tensors[0].type_id), "type 77");
  EXPECT_TRUE(part.tensors[0].bytes.empty());
}

TEST(ParseGguf, EveryTruncationIsAnError) {
  const std::string whole = read_file(kCases + "all_types.gguf");
  // Behind the last tensor stands padding only.
  const size_t needed = whole.size() - 64 + 4;
  for (size_t size = 0; size < needed; ++size) {
    EXPECT_NE(Bytes().raw(whole.substr(0, size)).error(), "no error") << size;
  }
  EXPECT_EQ(Bytes().raw(whole.substr(0, needed)).error(), "no error");
}

// Run under ASan and UBSan: whatever a byte becomes, the parser answers with a result or an Error.
TEST(ParseGguf, SurvivesAnySingleByteChange) {
  const std::string whole = read_file(kCases + "all_types.gguf");
  size_t errors = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int change : {0x01, 0x10, 0x80, 0xff}) {
      std::string mutant = whole;
      mutant[i] = static_cast<char>(mutant[i] ^ change);
      errors += Bytes().raw(mutant).error() != "no error";
    }
  }
  EXPECT_GT(errors, whole.size());
}

}  // namespace
}  // namespace oag
