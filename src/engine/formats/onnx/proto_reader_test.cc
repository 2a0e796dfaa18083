#include "engine/formats/onnx/proto_reader.h"

#include <gtest/gtest.h>

#include "engine/formats/onnx/onnx_test_model.h"

namespace oag {
namespace {

// Reads all fields, messages in field 1 included.
void walk(ProtoReader reader) {
  while (reader.next()) {
    if (reader.field() == 1) walk(reader.message("inner"));
  }
}

std::string refusal_of(const std::string& bytes) {
  return testing::error_of([&] {
    ProtoSource source{std::as_bytes(std::span(bytes)), "f"};
    walk(ProtoReader(source));
  });
}

TEST(ProtoReader, ReadsNumbersOfEveryWidthPackedOrNot) {
  // 150 is protobuf's own example: 08 96 01.
  const std::string bytes("\x10\x96\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x03\x01\xac\x02", 19);
  ProtoSource source{std::as_bytes(std::span(bytes)), "f"};
  std::vector<int64_t> numbers;
  for (ProtoReader reader(source); reader.next();)
    reader.integers("numbers", [&](int64_t number) { numbers.push_back(number); });
  EXPECT_EQ(numbers, (std::vector<int64_t>{150, -1, 1, 300}));
}

TEST(ProtoReader, RefusesWhatIsCutShortOrImpossibleNamingTheByte) {
  EXPECT_EQ(refusal_of("\x10\x01\x10\x96"),
            "f: at byte 2: the message ends within a number; is the file cut short, or no ONNX file?");
  EXPECT_EQ(
      refusal_of("\x12\x05"),
      "f: at byte 0: field 2 has 5 bytes, the message has 0 left; is the file cut short, or no ONNX file?");
  EXPECT_EQ(
      refusal_of(std::string("\x0a\x04\x0a\x04\x00\x00", 6)),
      "f: at byte 2: field 1 has 4 bytes, the message has 2 left; is the file cut short, or no ONNX file?");
  EXPECT_EQ(refusal_of(std::string("\x13\x14", 2)),
            "f: at byte 0: field 2 is of wire type 3, which ONNX does not use; is this an ONNX file?");
  EXPECT_EQ(refusal_of(std::string("\x00\x00", 2)),
            "f: at byte 0: field number 0 is impossible; is this an ONNX file?");
  EXPECT_EQ(refusal_of("\x10" + std::string(11, '\xff')),
            "f: at byte 0: a number takes more than 10 bytes; is this an ONNX file?");
  EXPECT_EQ(refusal_of("\x08\x01"), "f: at byte 0: inner (field 1) is of wire type varint, expected bytes");
}

TEST(ProtoReader, RefusesMessagesThatAreNestedTooDeepOrTooMany) {
  std::string bytes;
  for (int i = 0; i < 101; ++i) {
    ProtoWriter writer;
    writer.text(1, bytes);
    bytes = writer.take();
  }
  EXPECT_NE(refusal_of(bytes).find("nested more than 100 deep"), std::string::npos);

  const std::string many("\x0a\x00\x0a\x00\x0a\x00", 6);
  ProtoSource source{std::as_bytes(std::span(many)), "f", 2};
  EXPECT_EQ(testing::error_of([&] { walk(ProtoReader(source)); }),
            "f: at byte 4: inner: the file holds more messages than any model does");
}

}  // namespace
}  // namespace oag
