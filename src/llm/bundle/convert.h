#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/run_control.h"
#include "engine/formats/gguf/quant_recipe.h"

namespace oag {

struct ConvertProgress {
  std::string_view file, tensor;  // at work
  size_t tensor_number = 0;       // from 1
  size_t tensors = 0;
  uint64_t done_bytes = 0, total_bytes = 0;  // of what is written
};

enum class ConvertTarget {
  kByName,  // GGUF where the name ends in .gguf, else a Hugging Face folder
  kGguf,
  kHuggingFace,
};

struct ConvertOptions {
  ConvertTarget target = ConvertTarget::kByName;
  // How weights are stored; nothing: as they are (in a Hugging Face folder block formats become f16). Such
  // a folder takes f32, f16 and bf16 alone.
  std::optional<QuantRecipe> recipe;
  // How the GGUF file of a vision tower is stored; nothing: f16 from a folder, as it is from a GGUF file.
  std::optional<QuantRecipe> vision_recipe;
  std::filesystem::path vision_path;  // of a GGUF source; empty: the one beside it, if any
  bool overwrite = false;
  int threads = 0;                       // 0: every processor
  uint64_t shard_bytes = 5'000'000'000;  // of a safetensors file
  const RunControl* control = nullptr;   // cancels; may be null
  std::function<void(const ConvertProgress&)> on_progress;
};

struct ConvertedFile {
  std::filesystem::path path;
  uint64_t bytes = 0;
};

struct ConvertReport {
  std::vector<ConvertedFile> files;            // with weights
  size_t tensors = 0, kept_tensors = 0;        // kept: written by an earlier, interrupted call
  uint64_t read_bytes = 0, written_bytes = 0;  // of tensors, without those that were kept
  double write_seconds = 0;                    // in which nothing but writing was done
  std::vector<std::string> warnings;
};

// Writes a model, a GGUF file or a Hugging Face folder, in another form or with other types: as a GGUF file
// (with a second one, mmproj-<name>, for the vision tower, where there is one), or as a Hugging Face folder.
// Memory: some pieces of a tensor, see TensorStream. Nothing stands under a final name before it is
// complete; a call that is interrupted leaves parts from which the same call goes on, to the same bytes.
// Errors: those of load_bundle, GgufWriter and TensorStream; kInvalidArgument where the target exists or is
// the source, or takes no such types, or where an option has nothing to act on; those of Weights for tensors
// that the model's numbers do not fit; kUnsupported for what the target has no words for; kIo, before
// anything is written, when it does not fit on the disk; kCancelled.
ConvertReport convert_model(const std::filesystem::path& source, const std::filesystem::path& target,
                            const ConvertOptions& options);

}  // namespace oag
