#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/formats/gguf/gguf_file.h"
#include "engine/tensor/block_format.h"

namespace {

template <typename Getter>
void ask(Getter getter) {
  try {
    getter();
  } catch (const oag::Error&) {
  }
}

void ask_metadata(const oag::GgufFile& file) {
  for (const auto& [key, value] : file.entries()) {
    value.describe();
    ask([&] { file.get_u64(key); });
    ask([&] { file.get_i64(key); });
    ask([&] { file.get_f64(key); });
    ask([&] { file.get_bool(key); });
    ask([&] { file.get_string(key); });
    ask([&] { file.get_string_array(key); });
    ask([&] { file.get_i32_array(key); });
    ask([&] { file.get_f32_array(key); });
  }
}

// Reads every byte of every tensor that has a decoder.
void decode_tensors(const oag::GgufFile& file) {
  for (const oag::GgufTensor& tensor : file.tensors()) {
    ask([&] {
      const oag::GgufTensor& found = file.tensor(tensor.name);
      const oag::DTypeInfo& info = oag::dtype_info(found.dtype);
      std::vector<float> values(found.bytes.size() / info.block_bytes * info.block_values);
      oag::decode_blocks(found.dtype, found.bytes, values);
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ask([&] {
    const auto file = oag::GgufFile::parse(std::as_bytes(std::span(data, size)), "input.gguf");
    ask_metadata(*file);
    decode_tensors(*file);
  });
  return 0;
}
