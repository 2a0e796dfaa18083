#pragma once

#include <string>

#include "engine/formats/onnx/onnx_messages.h"
#include "engine/graph/graph.h"

namespace oag {

// The type that a TypeProto says. A named dim becomes the symbol of that name, a dim of which nothing is
// known one that begins with `name`. Sparse tensors are dense here; a type that says nothing is a tensor of
// unknown type. Errors, naming `where` and the value `name`: kUnsupported for element types and kinds that
// the engine lacks, kCorruptData for containers of nothing.
ValueType read_type(const TypeMessage& message, const std::string& where, const std::string& name);

}  // namespace oag
