#include "engine/formats/onnx/proto_reader.h"

#include <bit>

namespace oag {
namespace {

static_assert(std::endian::native == std::endian::little, "values of fixed size are loaded as they stand");

// As deep as protobuf's own readers go. A subgraph takes three levels.
constexpr int kMaxDepth = 100;
constexpr uint64_t kMaxFieldNumber = (uint64_t{1} << 29) - 1;
constexpr std::string_view kWireNames[] = {"varint", "64-bit", "bytes", "group", "group's end", "32-bit"};

}  // namespace

uint64_t ProtoReader::take_varint(std::span<const std::byte>& bytes) const {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (bytes.empty()) fail_here("the message ends within a number; is the file cut short, or no ONNX file?");
    const auto byte = static_cast<uint64_t>(bytes.front());
    bytes = bytes.subspan(1);
    // Of the tenth byte one bit is left; writers of negative int32 values may set the others.
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  fail_here("a number takes more than 10 bytes; is this an ONNX file?");
}

std::span<const std::byte> ProtoReader::take(size_t count) {
  if (count > rest_.size()) {
    fail_here("field {} has {} bytes, the message has {} left; is the file cut short, or no ONNX file?",
              field_, count, rest_.size());
  }
  const auto taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

bool ProtoReader::next() {
  if (rest_.empty()) return false;
  field_begin_ = rest_.data();
  const uint64_t tag = take_varint(rest_);
  const uint64_t number = tag >> 3, wire = tag & 7;
  if (number == 0 || number > kMaxFieldNumber)
    fail_here("field number {} is impossible; is this an ONNX file?", number);
  field_ = static_cast<uint32_t>(number);
  switch (wire) {
    case 0: varint_ = take_varint(rest_); break;
    case 1: payload_ = take(8); break;
    case 2: payload_ = take(take_varint(rest_)); break;
    case 5: payload_ = take(4); break;
    default:
      fail_here("field {} is of wire type {}, which ONNX does not use; is this an ONNX file?", field_, wire);
  }
  wire_ = static_cast<Wire>(wire);
  return true;
}

int64_t ProtoReader::integer(const char* what) const {
  expect(Wire::kVarint, what);
  return static_cast<int64_t>(varint_);
}

float ProtoReader::float_value(const char* what) const {
  expect(Wire::kFixed32, what);
  float value;
  std::memcpy(&value, payload_.data(), sizeof value);
  return value;
}

std::span<const std::byte> ProtoReader::bytes(const char* what) const {
  expect(Wire::kBytes, what);
  return payload_;
}

std::string_view ProtoReader::text(const char* what) const {
  const auto slice = bytes(what);
  return {reinterpret_cast<const char*>(slice.data()), slice.size()};
}

ProtoReader ProtoReader::message(const char* what) const {
  expect(Wire::kBytes, what);
  if (depth_ >= kMaxDepth) fail_here("{}: messages are nested more than {} deep", what, kMaxDepth);
  if (source_->messages_left == 0) fail_here("{}: the file holds more messages than any model does", what);
  --source_->messages_left;
  return {*source_, payload_, depth_ + 1};
}

void ProtoReader::fail_wire(Wire expected, const char* what) const {
  fail_here("{} (field {}) is of wire type {}, expected {}", what, field_,
            kWireNames[static_cast<size_t>(wire_)], kWireNames[static_cast<size_t>(expected)]);
}

}  // namespace oag
