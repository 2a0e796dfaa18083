#include "engine/formats/onnx/proto_writer.h"

#include <bit>

namespace oag {
namespace {

constexpr uint32_t kVarint = 0, kBytes = 2, kFixed32 = 5;

uint64_t tag(uint32_t field, uint32_t wire) {
  return uint64_t{field} << 3 | wire;
}

void append_varint(std::string& to, uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}

}  // namespace

void ProtoWriter::varint(uint64_t value) {
  append_varint(encoded_, value);
}

void ProtoWriter::integer(uint32_t field, int64_t value) {
  varint(tag(field, kVarint));
  varint(static_cast<uint64_t>(value));
}

void ProtoWriter::float_value(uint32_t field, float value) {
  varint(tag(field, kFixed32));
  encoded_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void ProtoWriter::text(uint32_t field, std::string_view text) {
  varint(tag(field, kBytes));
  varint(text.size());
  encoded_ += text;
}

void ProtoWriter::packed(uint32_t field, std::span<const int64_t> values) {
  if (values.empty()) return;
  std::string run;
  for (const int64_t value : values) append_varint(run, static_cast<uint64_t>(value));
  text(field, run);
}

void ProtoWriter::packed(uint32_t field, std::span<const float> values) {
  if (!values.empty()) bytes(field, std::as_bytes(values));
}

}  // namespace oag
