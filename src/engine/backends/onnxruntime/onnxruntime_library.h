#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/backends/onnxruntime/onnxruntime_api.h"

namespace oag::onnxruntime {

// An object of the library, released at its end.
template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

// The library and its one environment. Loaded at first use and never unloaded: its threads may outlive who
// used it.
class Library {
 public:
  // Errors: kUnsupported, with why it is not available and what to do; asked again, it tries again.
  static const Library& get();

  const Api& api() const { return api_; }
  const Env* env() const { return env_; }
  const std::string& version() const { return version_; }  // "1.32.0"
  const std::string& path() const { return path_; }

  // Errors: kUnsupported with the library's words, unless it is null.
  void check(Status* status) const;
  // What a status says, as one line; releases it.
  std::string text_of(Status* status) const;

  // What `create` makes through its last parameter, owned.
  template <typename T, typename... Formal, typename... Args>
  Owned<T> make(const Entry<Status*(Formal...)>& create, const Entry<void(T*)>& release, Args... args) const {
    T* made = nullptr;
    check(create(args..., &made));
    return {made, release.function};
  }

 private:
  Library();

  Api api_;
  Env* env_ = nullptr;
  std::string version_, path_;
};

}  // namespace oag::onnxruntime
