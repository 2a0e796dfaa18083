#include "engine/backends/onnxruntime/onnxruntime_library.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/log.h"
#include "engine/device/engine_library.h"

namespace oag::onnxruntime {
namespace {

constexpr std::string_view kNames[] = {"libonnxruntime.so.1", "libonnxruntime.so"};
constexpr std::string_view kInPackages[] = {"onnxruntime/capi/libonnxruntime.so.*"};
constexpr EngineLibrarySearch kSearch = {
    "onnxruntime", "OAG_ONNXRUNTIME", kNames, kInPackages,
    "install it with `pip install onnxruntime`, or name the file of its library in OAG_ONNXRUNTIME"};

constexpr int kWarning = 2;  // OrtLoggingLevel

// Of what the library says, warnings are about its own optimisations; errors come back as statuses too.
void forward(void*, int severity, const char*, const char*, const char*, const char* message) {
  log(severity > kWarning ? LogLevel::kInfo : LogLevel::kDebug, "onnxruntime: {}", message);
}

struct Loaded {
  const void* const* table = nullptr;
  std::string version, path;
};

Loaded load() {
  const EngineLibrary library = load_engine_library(kSearch);
  const auto get_base =
      reinterpret_cast<const ApiBase* (*)()>(engine_entry(library, kSearch.engine, "OrtGetApiBase"));
  const ApiBase* base = get_base();
  Loaded loaded{base->get_api(kApiVersion), base->get_version(), library.path};
  if (loaded.table == nullptr) {
    fail(ErrorCode::kUnsupported, kSearch.engine,
         "not available because {} is of version {}, expected at least 1.{}; {}", loaded.path, loaded.version,
         kApiVersion, kSearch.advice);
  }
  return loaded;
}

}  // namespace

const Library& Library::get() {
  static std::mutex mutex;
  static const Library* library = nullptr;
  std::lock_guard lock(mutex);
  if (library == nullptr) library = new Library();
  return *library;
}

Library::Library() {
  Loaded loaded = load();
  api_ = Api(loaded.table);
  version_ = std::move(loaded.version);
  path_ = std::move(loaded.path);
  check(api_.create_env(forward, nullptr, kWarning, "oag", &env_));
}

std::string Library::text_of(Status* status) const {
  std::string text = api_.get_error_message(status);
  api_.release_status(status);
  std::ranges::replace(text, '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

void Library::check(Status* status) const {
  if (status != nullptr) fail(ErrorCode::kUnsupported, "onnxruntime " + version_, "{}", text_of(status));
}

}  // namespace oag::onnxruntime
