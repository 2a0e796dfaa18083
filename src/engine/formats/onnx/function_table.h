#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "engine/formats/onnx/onnx_messages.h"

namespace oag {

// How deep calls of functions and subgraphs within each other may go.
constexpr int kMaxGraphDepth = 128;

// A model's own functions by domain, name and overload.
class FunctionTable {
 public:
  // Orders the functions' bodies, and makes sure of all that lets calls be replaced by bodies: no function
  // calls itself, directly or through others, and what `main` becomes stays within reason. That is counted,
  // so that a small file cannot ask for a graph that fills the memory. Errors, naming `where` and function:
  // kCorruptData, kUnsupported for too many nodes.
  FunctionTable(std::vector<FunctionMessage>& functions, const GraphMessage& main, const std::string& where);

  // Null when the node is an operator.
  const FunctionMessage* find(const NodeMessage& node) const;

 private:
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, const FunctionMessage*>
      functions_;
};

}  // namespace oag
