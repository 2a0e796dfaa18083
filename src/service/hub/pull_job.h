#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "service/hub/hub.h"

namespace oag {

// Hub::pull without the hub.
std::filesystem::path pull_model(const ModelIndex& index, const std::filesystem::path& cache_folder,
                                 std::string_view spec, const PullOptions& options);

// What is wrong with a MODEL that is neither a name nor a path, and which names are near.
std::string describe_unknown(const ModelIndex& index, std::string_view model);

}  // namespace oag
