#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/formats/gguf/gguf_file.h"
#include "engine/graph/graph.h"
#include "llm/bundle/sampling_defaults.h"
#include "llm/bundle/vision_bundle.h"
#include "llm/models/architecture.h"
#include "llm/models/text_config.h"
#include "llm/text/tokenizer.h"

namespace oag {

// What stands in a model file or folder, joined: numbers, graph over the mapped weights, tokenizer, chat
// template.
struct ModelBundle {
  std::filesystem::path path;
  std::shared_ptr<const Weights> weights;
  TextConfig config;
  const Architecture* architecture = nullptr;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string title;                   // the model's own name, or the file's or folder's
  SamplingDefaults sampling;           // how its makers want it to be asked
  std::string chat_template;           // Jinja; the file's own, or the family's
  std::string_view fallback_template;  // the name of the family's, where the file has none; else empty
  bool has_tower = false;              // a folder whose config.json has a vision tower
  std::shared_ptr<const VisionBundle> vision;  // the tower, where it was asked for
  std::optional<TokenId> image_token;          // which stands for a picture, where it has one

  // Errors: those of Weights, also for tensors that the graph leaves out.
  Graph build_graph() const;
  const std::string& name() const { return title; }
  int64_t parameters() const;     // elements of all tensors
  uint64_t weight_bytes() const;  // as stored
  uint64_t file_bytes() const;    // of all files with weights
  bool template_is_fallback() const { return !fallback_template.empty(); }
  std::string precision() const;  // the storage that holds most bytes: "q4_1"
};

// Whether it is a folder that can be read; a link to one is.
bool is_folder(const std::filesystem::path& path);

struct BundleOptions {
  bool vision = false;                // the model's vision tower too
  std::filesystem::path vision_path;  // its file; empty: the one beside a GGUF file, or in the folder itself
};

// Opens a model: a GGUF file, or a Hugging Face folder (config.json, safetensors, tokenizer.json and what
// stands beside them). Errors: those of GgufFile::open and SafetensorsFile::open; kUnsupported for another
// architecture; kCorruptData for a tokenizer or numbers that contradict themselves; kNotFound where
// a vision tower is asked for and there is none.
ModelBundle load_bundle(const std::filesystem::path& path, const BundleOptions& options = {});

// Errors: kUnsupported for a model that takes text alone.
void check_takes_pictures(const ModelBundle& bundle);

// Adds the model's vision tower to what was opened without, before its graph is built. `given` is its file;
// empty: as in BundleOptions. Errors: those of load_bundle for a tower.
void add_vision(ModelBundle& bundle, const std::filesystem::path& given = {});

// Opens only what a tokenizer needs.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path);
std::shared_ptr<const Tokenizer> load_tokenizer(const GgufFile& file);

// What a file or folder says of itself, whether or not this engine can run it.
struct ModelDescription {
  std::string title, architecture;
  std::vector<std::pair<std::string, std::string>> metadata;  // keys with short values
  std::shared_ptr<const void> owner;                          // keeps the tensors' views alive
  std::vector<StoredTensor> tensors;
  uint64_t file_bytes = 0;
};

// Errors: as load_bundle's, but not those of models that are not supported.
ModelDescription describe_model(const std::filesystem::path& path);

}  // namespace oag
