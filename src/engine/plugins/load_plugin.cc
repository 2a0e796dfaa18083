#include "engine/plugins/load_plugin.h"

#include <dlfcn.h>

#include <memory>
#include <system_error>

#include "base/error.h"
#include "engine/plugins/plugin_call.h"
#include "engine/plugins/plugin_node.h"
#include "engine/plugins/plugin_operator.h"
#include "engine/plugins/plugin_run.h"
#include "engine/plugins/plugin_shapes.h"

namespace oag {
namespace {

constexpr size_t kMostOperators = 4096;

// What constructors of the library throw here ends the process: it cannot cross the dynamic linker.
void* open_library(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    fail(ErrorCode::kNotFound, path.string(), "there is no such file; expected a plugin, a shared library");
  // An absolute path: other names are looked for where the system's libraries are.
  const std::filesystem::path absolute = std::filesystem::absolute(path);
  void* library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const char* reason = dlerror();
  std::string_view text = reason == nullptr ? "no reason is known" : reason;
  if (const std::string prefix = absolute.string() + ": "; text.starts_with(prefix))
    text.remove_prefix(prefix.size());
  fail(ErrorCode::kCorruptData, path.string(), "cannot be loaded as a plugin: {}", one_line(text));
}

oag_plugin_entry_function find_entry(const std::filesystem::path& path) {
  void* library = open_library(path);
  void* entry = dlsym(library, OAG_PLUGIN_ENTRY_NAME);
  if (entry == nullptr)
    fail(ErrorCode::kUnsupported, path.string(),
         "is no plugin: it exports no {} (include openautoglm/plugin.h)", OAG_PLUGIN_ENTRY_NAME);
  return reinterpret_cast<oag_plugin_entry_function>(entry);
}

const oag_plugin& describe(const std::filesystem::path& path) {
  const oag_plugin_entry_function entry = find_entry(path);
  const oag_plugin* plugin = nullptr;
  const auto failed = failure_of_plugin([&](char*) {
    plugin = entry(&plugin_host());
    return 0;
  });
  if (failed) fail(ErrorCode::kCorruptData, path.string(), "the plugin's entry failed: {}", *failed);
  if (plugin == nullptr)
    fail(ErrorCode::kUnsupported, path.string(),
         "the plugin refuses this engine, whose ABI version is {}; rebuild it with this engine's headers",
         OAG_PLUGIN_ABI_VERSION);
  if (plugin->abi_version != OAG_PLUGIN_ABI_VERSION)
    fail(ErrorCode::kUnsupported, path.string(),
         "the plugin is of ABI version {}, this engine takes {}; rebuild it with this engine's headers",
         plugin->abi_version, OAG_PLUGIN_ABI_VERSION);
  if (plugin->struct_size < sizeof(oag_plugin))
    fail(ErrorCode::kCorruptData, path.string(), "the plugin describes itself in {} bytes, expected {}",
         plugin->struct_size, sizeof(oag_plugin));
  if (plugin->operator_count > kMostOperators || (plugin->operator_count > 0 && plugin->operators == nullptr))
    fail(ErrorCode::kCorruptData, path.string(), "the plugin has {} operators{}, {} are the most",
         plugin->operator_count, plugin->operators == nullptr ? " without a description" : "",
         kMostOperators);
  if (plugin->operator_count == 0)
    fail(ErrorCode::kCorruptData, path.string(), "the plugin registers no operator");
  return *plugin;
}

// A domain is the engine's own when one of its standards is in it.
bool is_own_domain(std::string_view domain) {
  return domain.empty() || domain == "oag" || domain == "ai.onnx" || domain.starts_with("ai.onnx.");
}

}  // namespace

const oag_plugin_host& plugin_host() {
  static const oag_plugin_host host = [] {
    oag_plugin_host all = {};
    all.struct_size = sizeof(all);
    all.abi_version = OAG_PLUGIN_ABI_VERSION;
    add_node_functions(all);
    add_shape_functions(all);
    add_run_functions(all);
    return all;
  }();
  return host;
}

void load_plugin(const std::filesystem::path& path, OperatorRegistry& registry) {
  const oag_plugin& plugin = describe(path);
  const std::string name = path.string();
  OperatorRegistry joined = registry;
  for (size_t i = 0; i < plugin.operator_count; ++i) {
    if (plugin.operators[i] == nullptr)
      fail(ErrorCode::kCorruptData, name, "the plugin's operator {} is NULL", i);
    const auto op = std::make_shared<const PluginOperator>(path.filename().string(), *plugin.operators[i]);
    const OpSchema& schema = op->schema();
    if (is_own_domain(schema.domain))
      fail(ErrorCode::kInvalidArgument, name,
           "operator {} is of domain \"{}\", which is the engine's own; choose another", schema.op,
           schema.domain);
    if (registry.find(schema.domain, schema.op) == nullptr &&
        joined.find(schema.domain, schema.op) != nullptr)
      fail(ErrorCode::kInvalidArgument, name, "registers operator {} of domain \"{}\" twice", schema.op,
           schema.domain);
    if (joined.find(schema.domain, schema.op) != nullptr)
      fail(ErrorCode::kInvalidArgument, name,
           "operator {} of domain \"{}\" is there already, from the engine or another plugin", schema.op,
           schema.domain);
    joined.add(std::shared_ptr<const OpSchema>(op, &schema));
  }
  registry = std::move(joined);
}

OperatorRegistry load_plugins(std::span<const std::string> paths) {
  OperatorRegistry registry = OperatorRegistry::builtin();
  for (const std::string& path : paths) load_plugin(path, registry);
  return registry;
}

}  // namespace oag
