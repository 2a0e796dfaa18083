#pragma once

#include <span>
#include <string>
#include <string_view>

namespace oag {

// Where an engine's shared library may be.
struct EngineLibrarySearch {
  std::string_view engine;                        // "onnxruntime"
  const char* variable;                           // of the environment; names the library's file
  std::span<const std::string_view> names;        // as the system's loader knows it
  std::span<const std::string_view> in_packages;  // globs below a folder of Python packages
  std::string_view advice;                        // what to do where there is none
};

struct EngineLibrary {
  void* handle = nullptr;  // of dlopen; never closed
  std::string path;        // or the loader's name
};

// Loads the library that the variable names, else the first that is found: by the loader, then in Python's
// package folders of the virtual environment, of the python3 in PATH, of the user and of the system. Errors:
// kUnsupported: "not available because …", with what to do.
EngineLibrary load_engine_library(const EngineLibrarySearch& search);

// The address of an entry. Errors: kUnsupported, naming library and entry.
void* engine_entry(const EngineLibrary& library, std::string_view engine, const char* name);

}  // namespace oag
