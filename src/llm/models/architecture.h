#pragma once

#include <span>
#include <string_view>

#include "engine/graph/graph.h"
#include "llm/models/text_config.h"
#include "llm/models/weights.h"

namespace oag {

// Which keys a config.json has.
enum class HuggingFaceKeys {
  kTransformers,  // hidden_size, num_hidden_layers, …
  kChatGlm,       // those of ChatGLM's own code: num_layers, multi_query_group_num, rope_ratio, …
};

// Which layers a config's sliding_window holds for.
enum class HuggingFaceWindow {
  kNone,        // the family has none, whatever the config says
  kAllLayers,   // all
  kLayerTypes,  // those that layer_types names, or from max_window_layers on; with use_sliding_window alone
};

// A model_type of Hugging Face folders that a family covers.
struct HuggingFaceType {
  std::string_view model_type;
  NameTable names;
  RopePairing rope_pairing;
  double partial_rotary = 1.0;  // rotated part of a head, where the config says nothing
  HuggingFaceKeys keys = HuggingFaceKeys::kTransformers;
  HuggingFaceWindow window = HuggingFaceWindow::kNone;
};

// A model family: how its graph is built from a file's numbers and tensors, and what these are called.
struct Architecture {
  std::string_view name;  // GGUF's general.architecture
  std::string_view title;
  Graph (*build)(const TextConfig& config, const Weights& weights);
  // How GGUF files order the rows of q and k. Where it differs from a Hugging Face type's, the rotated rows
  // of each head are in another order there.
  RopePairing (*gguf_pairing)(const TextConfig& config);
  std::span<const HuggingFaceType> hugging_face;
  bool has_experts = false;  // layers may be mixtures of experts
};

// Every family of architecture_list.inc.
std::span<const Architecture* const> all_architectures();

// Errors: kUnsupported naming the file and listing what is known.
const Architecture& find_architecture(std::string_view name, std::string_view where);

// The family that covers a model_type of config.json, and how.
struct HuggingFaceFamily {
  const Architecture& architecture;
  const HuggingFaceType& type;
};
// Errors: as find_architecture.
HuggingFaceFamily find_hugging_face_family(std::string_view model_type, std::string_view where);

}  // namespace oag
