#pragma once

#include <exception>
#include <string>
#include <utility>

#include "engine/graph/graph.h"
#include "openautoglm/plugin_abi.h"

// What plugins hold in their hands of a node.
struct oag_node {
  const oag::Node& node;
};

namespace oag {

// Fills a struct of the plugin as far as the plugin knows it. False when it is smaller than any version was.
bool fill_tensor(const Tensor& tensor, oag_tensor& out);

// The functions of oag_plugin_host that are about nodes.
void add_node_functions(oag_plugin_host& host);

// What was wrong in a call that a plugin made of the host: the first thing counts.
class HostFailure {
 public:
  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }
  int32_t set(std::string text) {
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
      set_safely("the engine threw something unknown");
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

  std::string text_;
};

}  // namespace oag
