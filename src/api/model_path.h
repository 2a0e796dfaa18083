#pragma once

#include <filesystem>
#include <string>

namespace oag {

// The GGUF file that `model` means: a file, a folder that holds exactly one, or (in builds with the network
// rooms) a known name or hf:ORG/NAME that was pulled. Errors: kNotFound, saying what to do; kInvalidArgument
// for a folder with none or several; kCorruptData for a damaged file in the cache.
std::filesystem::path find_model_file(const std::string& model);

}  // namespace oag
