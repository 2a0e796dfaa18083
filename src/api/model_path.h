#pragma once

#include <filesystem>
#include <string>

namespace oag {

// What load_bundle opens for `model`: a GGUF file, the one in a folder (files of a vision tower,
// mmproj….gguf, do not count), a Hugging Face folder (config.json and safetensors), or (in builds with the
// network rooms) a known name or hf:ORG/NAME that was pulled. Errors: kNotFound, saying what to do;
// kInvalidArgument for a folder with no model or several; kUnsupported for an ONNX model; kCorruptData for a
// damaged file in the cache.
std::filesystem::path find_model_file(const std::string& model);

}  // namespace oag
