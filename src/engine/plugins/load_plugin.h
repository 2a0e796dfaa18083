#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "engine/ops/schema.h"

namespace oag {

// Loads a shared library of custom operators (include/openautoglm/plugin_abi.h) and adds them to `registry`,
// all or none. The library stays loaded to the end of the process: threads and objects of its own may outlive
// every use. Errors, naming the file: kNotFound; kCorruptData for what is no loadable library or describes
// its operators wrongly; kUnsupported for a library without the entry symbol or of another ABI version;
// kInvalidArgument for operators of a built-in domain or of a name that is taken.
void load_plugin(const std::filesystem::path& path, OperatorRegistry& registry);

// The built-in operators and those of the libraries. Errors: as load_plugin.
OperatorRegistry load_plugins(std::span<const std::string> paths);

}  // namespace oag
