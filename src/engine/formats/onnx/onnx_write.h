#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph/graph.h"

namespace oag {

// The graph as a ModelProto of IR 10 with all constants inside. Subgraphs are open there: captured inputs
// become the enclosing graph's names. Names that two graphs share are changed in the inner one.
// `opset_imports` are the versions of the domains ("" is ai.onnx), 1 for those that are not in it. Outputs
// whose type was not inferred have none there. Errors: kUnsupported for types that ONNX lacks, and for models
// above protobuf's limit of 2 GiB.
std::string write_onnx(const Graph& graph, const std::map<std::string, int64_t, std::less<>>& opset_imports);

// The same, but constants of the graph itself (not of its bodies) from `least_bytes` on are left out: they
// are said to be in a file "outside", and stand in `outside` with their names.
std::string write_onnx(const Graph& graph, const std::map<std::string, int64_t, std::less<>>& opset_imports,
                       size_t least_bytes, std::vector<std::pair<std::string, Tensor>>& outside);

}  // namespace oag
