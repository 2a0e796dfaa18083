#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace oag {

// Which shard holds which tensor, by tensor name: the weight_map of model.safetensors.index.json. Errors:
// kCorruptData, also for shards that are no plain file names beside the index.
std::map<std::string, std::string, std::less<>> parse_safetensors_index(std::string_view text,
                                                                        std::string_view where);

}  // namespace oag
