#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/formats/gguf/gguf_metadata.h"

namespace oag {

// The file names of a split model: <prefix>-00001-of-00005.gguf, numbered from 1.
struct GgufSplitName {
  std::filesystem::path folder;
  std::string prefix;
  uint64_t number = 1;  // of the part that the name was taken from
  uint64_t count = 1;

  std::filesystem::path part(uint64_t part_number) const;
};

// Reads the names of all parts off the path of one of them. Errors: kCorruptData when the name has another
// form or contradicts the part's metadata.
GgufSplitName split_name_of(const std::filesystem::path& path, const GgufMetadata& metadata);

// Errors: kCorruptData when split.no or split.count of part `number` of `count` say otherwise.
void check_split_keys(const GgufMetadata& metadata, uint64_t number, uint64_t count);

}  // namespace oag
