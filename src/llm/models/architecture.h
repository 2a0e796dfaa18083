#pragma once

#include <span>
#include <string_view>

#include "engine/graph/graph.h"
#include "llm/models/text_config.h"
#include "llm/models/weights.h"

namespace oag {

// A model family: how its graph is built from a file's numbers and tensors.
struct Architecture {
  std::string_view name;  // GGUF's general.architecture
  std::string_view title;
  Graph (*build)(const TextConfig& config, const Weights& weights);
};

// Every family of architecture_list.inc.
std::span<const Architecture* const> all_architectures();

// Errors: kUnsupported naming the file and listing what is known.
const Architecture& find_architecture(std::string_view name, std::string_view where);

}  // namespace oag
