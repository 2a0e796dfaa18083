#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/formats/gguf/gguf_file.h"
#include "engine/graph/graph.h"
#include "llm/bundle/vision_bundle.h"
#include "llm/models/architecture.h"
#include "llm/models/text_config.h"
#include "llm/text/tokenizer.h"

namespace oag {

// What stands in a model file, joined: numbers, graph over the mapped weights, tokenizer, chat template.
struct ModelBundle {
  std::filesystem::path path;
  std::shared_ptr<const GgufFile> file;
  TextConfig config;
  const Architecture* architecture = nullptr;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string chat_template;           // Jinja; the file's own, or the family's
  std::string_view fallback_template;  // the name of the family's, where the file has none; else empty
  std::shared_ptr<const VisionBundle> vision;  // where it was asked for
  std::optional<TokenId> image_token;          // which stands for a picture in a prompt

  Graph build_graph() const { return architecture->build(config, Weights(file)); }
  std::string name() const;       // general.name, or the file's
  int64_t parameters() const;     // elements of all tensors
  uint64_t weight_bytes() const;  // as stored
  bool template_is_fallback() const { return !fallback_template.empty(); }
  std::string precision() const;  // the storage that holds most bytes: "q4_1"
};

struct BundleOptions {
  bool vision = false;                // the model's vision tower too
  std::filesystem::path vision_path;  // its file; empty: the one beside the model
};

// Opens a GGUF model. Errors: those of GgufFile::open; kUnsupported for another architecture; kCorruptData
// for a tokenizer or numbers that contradict themselves; kNotFound where a vision tower is asked for and
// there is none.
ModelBundle load_bundle(const std::filesystem::path& path, const BundleOptions& options = {});

// Opens only what a tokenizer needs.
std::shared_ptr<const Tokenizer> load_tokenizer(const GgufFile& file);

}  // namespace oag
