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

}  // namespace oag
