// Model index files: JSON, then the rules of oag.models/1.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "service/hub/model_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto index = oag::ModelIndex::parse({reinterpret_cast<const char*>(data), size}, "input");
    for (const oag::KnownModel& model : index.models()) {
      if (index.find(model.name) != &model) __builtin_trap();
      if (model.file.name.find('/') != std::string::npos) __builtin_trap();
    }
  } catch (const oag::Error&) {
  }
  return 0;
}
