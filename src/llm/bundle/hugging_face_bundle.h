#pragma once

#include <filesystem>
#include <memory>

#include "base/json.h"
#include "engine/formats/safetensors/safetensors_file.h"
#include "llm/bundle/bundle.h"

namespace oag {

// load_bundle, load_tokenizer and describe_model for a Hugging Face folder.
ModelBundle load_hugging_face_bundle(const std::filesystem::path& folder);
std::shared_ptr<const Tokenizer> load_hugging_face_tokenizer(const std::filesystem::path& folder);
// A file's JSON object; the second gives an empty one where there is no such file. Errors:
// kCorruptData.
Json read_json(const std::filesystem::path& path);
Json read_optional_json(const std::filesystem::path& path);
// Errors: those of SafetensorsFile::open; kUnsupported for a folder whose weights are pickled.
std::shared_ptr<const SafetensorsFile> open_safetensors(const std::filesystem::path& folder);
ModelDescription describe_hugging_face(const std::filesystem::path& folder);

}  // namespace oag
