#include "engine/backends/openvino/openvino_library.h"

#include <algorithm>
#include <charconv>
#include <mutex>

#include "base/error.h"
#include "engine/device/engine_library.h"

namespace oag::openvino {
namespace {

constexpr std::string_view kNames[] = {"libopenvino_c.so"};
constexpr std::string_view kInPackages[] = {"openvino/libs/libopenvino_c.so*"};
constexpr EngineLibrarySearch kSearch = {"openvino", "OAG_OPENVINO", kNames, kInPackages,
                                         "install it with `pip install openvino`, or name the file of its "
                                         "library libopenvino_c.so in OAG_OPENVINO"};

// Element types had other numbers before.
constexpr int kOldestYear = 2026;
constexpr int kInvalidParameter = -14;  // ov_status_e

Api entries(const EngineLibrary& library) {
  Api api = {};
  const auto take = [&](auto& entry, const char* name) {
    entry = reinterpret_cast<std::remove_reference_t<decltype(entry)>>(
        engine_entry(library, kSearch.engine, name));
  };
  take(api.get_version, "ov_get_openvino_version");
  take(api.free_version, "ov_version_free");
  take(api.last_error, "ov_get_last_err_msg");
  take(api.create_core, "ov_core_create");
  take(api.read_model, "ov_core_read_model_from_memory_buffer");
  take(api.compile_model, "ov_core_compile_model");
  take(api.free_model, "ov_model_free");
  take(api.free_compiled_model, "ov_compiled_model_free");
  take(api.model_output, "ov_model_const_output_by_index");
  take(api.port_dtype, "ov_port_get_element_type");
  take(api.port_shape, "ov_port_get_partial_shape");
  take(api.free_port, "ov_output_const_port_free");
  take(api.free_partial_shape, "ov_partial_shape_free");
  take(api.input_named, "ov_compiled_model_input_by_name");
  take(api.output_named, "ov_compiled_model_output_by_name");
  take(api.create_request, "ov_compiled_model_create_infer_request");
  take(api.set_tensor, "ov_infer_request_set_tensor");
  take(api.get_tensor, "ov_infer_request_get_tensor");
  take(api.start, "ov_infer_request_start_async");
  take(api.wait, "ov_infer_request_wait");
  take(api.cancel, "ov_infer_request_cancel");
  take(api.free_request, "ov_infer_request_free");
  take(api.wrap_tensor, "ov_tensor_create_from_host_ptr");
  take(api.tensor_shape, "ov_tensor_get_shape");
  take(api.tensor_dtype, "ov_tensor_get_element_type");
  take(api.tensor_data, "ov_tensor_data");
  take(api.free_tensor, "ov_tensor_free");
  take(api.free_shape, "ov_shape_free");
  return api;
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
  const EngineLibrary library = load_engine_library(kSearch);
  path_ = library.path;
  api_ = entries(library);
  OvVersion version = {};
  check(api_.get_version(&version));
  version_ = version.number;  // "2026.4.1-22982-…"
  version_ = version_.substr(0, version_.find('-'));
  api_.free_version(&version);
  int year = 0;
  std::from_chars(version_.data(), version_.data() + version_.size(), year);
  if (year < kOldestYear) {
    fail(ErrorCode::kUnsupported, kSearch.engine,
         "not available because {} is of version {}, expected at least {}.0; {}", path_, version_,
         kOldestYear, kSearch.advice);
  }
  check(api_.create_core(&core_));
}

std::string Library::last_error() const {
  const char* words = api_.last_error();
  std::string text = words == nullptr ? "no reason is known" : words;
  std::ranges::replace(text, '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

void Library::check(int status) const {
  if (status == 0) return;
  // The interface's own checks leave the words of an earlier error.
  fail(ErrorCode::kUnsupported, "openvino " + version_, "{}",
       status == kInvalidParameter ? "its C interface cannot pass a value" : last_error());
}

}  // namespace oag::openvino
