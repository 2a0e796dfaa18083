#pragma once

#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "openautoglm/plugin_abi.h"

// Both directions of a call over the C edge, and what may go wrong in them. No exception crosses it.
namespace oag {

// A text of a plugin on one line.
std::string one_line(std::string_view text);

// What kept call(error), a function of a plugin, from its work; nothing when all went well. A plugin throws
// nothing, but one may break the rule.
template <typename F>
std::optional<std::string> failure_of_plugin(F&& call) {
  char error[OAG_PLUGIN_ERROR_BYTES] = "";
  try {
    if (call(error) == 0) return std::nullopt;
    error[OAG_PLUGIN_ERROR_BYTES - 1] = '\0';
    return one_line(error);
  } catch (const std::exception& thrown) {
    return one_line(thrown.what());
  } catch (...) {
    return "it threw something that is no std::exception";
  }
}

// What was wrong in the calls that a plugin made of the host, on any thread: the first thing counts.
class HostFailure {
 public:
  bool empty() const { return text_.empty(); }  // once the plugin has returned, as is text()
  const std::string& text() const { return text_; }

  // 0, which is what the plugin is answered.
  int32_t set(std::string text) {
    const std::lock_guard lock(mutex_);
    if (text_.empty()) text_ = std::move(text);
    return 0;
  }

  // Runs `work`; an exception becomes the failure, and 0 (or null) the answer.
  template <typename F>
  auto guard(F&& work) noexcept -> decltype(work()) {
    try {
      return work();
    } catch (const std::exception& error) {
      set_safely(error.what());
    } catch (...) {
      set_safely("something unknown was thrown");
    }
    return {};
  }

 private:
  void set_safely(const char* text) noexcept {
    try {
      set(text);
    } catch (const std::exception&) {
      text_.assign("out of memory");  // short enough to need none
    }
  }

  std::mutex mutex_;
  std::string text_;
};

}  // namespace oag
