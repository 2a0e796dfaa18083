#include "llm/models/architecture.h"

#include "base/error.h"

namespace oag {

#define OAG_ARCHITECTURE(architecture) extern const Architecture architecture;
#include "llm/models/architecture_list.inc"
#undef OAG_ARCHITECTURE

std::span<const Architecture* const> all_architectures() {
  static constexpr const Architecture* kAll[] = {
#define OAG_ARCHITECTURE(architecture) &architecture,
#include "llm/models/architecture_list.inc"
#undef OAG_ARCHITECTURE
  };
  return kAll;
}

const Architecture& find_architecture(std::string_view name, std::string_view where) {
  std::string known;
  for (const Architecture* architecture : all_architectures()) {
    if (architecture->name == name) return *architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture->name);
  }
  fail(ErrorCode::kUnsupported, where, "architecture \"{}\" is not supported; known: {}", name, known);
}

HuggingFaceFamily find_hugging_face_family(std::string_view model_type, std::string_view where) {
  std::string known;
  for (const Architecture* architecture : all_architectures()) {
    for (const HuggingFaceType& type : architecture->hugging_face) {
      if (type.model_type == model_type) return {*architecture, type};
      known += (known.empty() ? "" : ", ") + std::string(type.model_type);
    }
  }
  fail(ErrorCode::kUnsupported, where, "model_type \"{}\" is not supported; known: {}",
       model_type.substr(0, 64), known);
}

}  // namespace oag
