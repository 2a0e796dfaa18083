#include "engine/device/engine_library.h"

#include <dlfcn.h>
#include <glob.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/error.h"

namespace oag {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The last path that fits, which of several versions is the newest by its name.
std::string last_match(const std::string& pattern) {
  glob_t found = {};
  std::string last;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0 && found.gl_pathc > 0)
    last = found.gl_pathv[found.gl_pathc - 1];
  ::globfree(&found);
  return last;
}

// Folders with lib/python3*/site-packages, in the order in which python3 looks.
std::vector<std::string> package_globs() {
  std::vector<std::string> prefixes;
  if (const std::string active = environment("VIRTUAL_ENV"); !active.empty()) prefixes.push_back(active);
  std::string path = environment("PATH");
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const std::filesystem::path folder = path.substr(begin, end - begin);
    begin = end + 1;
    std::error_code error;
    if (!folder.is_absolute() || !std::filesystem::exists(folder / "python3", error)) continue;
    prefixes.push_back(folder.parent_path().string());
    break;
  }
  if (const std::string home = environment("HOME"); !home.empty()) prefixes.push_back(home + "/.local");
  prefixes.insert(prefixes.end(), {"/usr/local", "/usr"});
  std::vector<std::string> globs;
  for (const std::string& prefix : prefixes) {
    globs.push_back(prefix + "/lib/python3*/site-packages/");
    globs.push_back(prefix + "/lib/python3*/dist-packages/");
  }
  return globs;
}

std::string loader_message() {
  const char* reason = dlerror();
  std::string text = reason == nullptr ? "no reason is known" : reason;
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

EngineLibrary load_engine_library(const EngineLibrarySearch& search) {
  const auto open = [](const std::string& path) { return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); };
  if (const std::string named = environment(search.variable); !named.empty()) {
    // An absolute path: other names are looked for where the system's libraries are.
    const std::string path = std::filesystem::absolute(named).string();
    if (void* handle = open(path)) return {handle, path};
    fail(ErrorCode::kUnsupported, search.engine,
         "not available because {}, which {} names, cannot be loaded: {}; {}", named, search.variable,
         loader_message(), search.advice);
  }
  for (const std::string_view name : search.names) {
    if (void* handle = open(std::string(name))) return {handle, std::string(name)};
  }
  for (const std::string& packages : package_globs()) {
    for (const std::string_view inside : search.in_packages) {
      const std::string path = last_match(packages + std::string(inside));
      if (path.empty()) continue;
      if (void* handle = open(path)) return {handle, path};
      fail(ErrorCode::kUnsupported, search.engine, "not available because {} cannot be loaded: {}; {}", path,
           loader_message(), search.advice);
    }
  }
  fail(ErrorCode::kUnsupported, search.engine,
       "not available because its library {} is neither among the system's libraries nor in the packages of "
       "Python; {}",
       search.names.front(), search.advice);
}

void* engine_entry(const EngineLibrary& library, std::string_view engine, const char* name) {
  void* entry = dlsym(library.handle, name);
  if (entry == nullptr) {
    fail(ErrorCode::kUnsupported, engine,
         "not available because {} has no entry {}: is it the library of {}?", library.path, name, engine);
  }
  return entry;
}

}  // namespace oag
