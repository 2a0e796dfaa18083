#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/ops/kernel.h"
#include "engine/ops/schema.h"

namespace oag::testing {

// One operator applied to small inputs, with the outputs that ONNX's own reference gives. The format is
// described in tests/data/op_cases/README.md.
struct OpCase {
  std::string op;
  std::string name;
  Attributes attributes;
  std::vector<std::optional<Tensor>> inputs;  // nothing: left out
  std::vector<Tensor> outputs;
  double rtol = 0;
  double atol = 0;
};

// The case files of tests/data/<folder>, in order of name.
std::vector<std::filesystem::path> op_case_files(const std::string& folder);
std::vector<OpCase> load_op_cases(const std::filesystem::path& file);

// What a shape rule gets to see of the inputs.
enum class Knowledge {
  kDims,     // the dims of all inputs, the content of none
  kContent,  // all inputs are constants
  kSymbols,  // a symbol for each dim; the content of integer inputs
  kNothing,  // element types only
};

// A graph of the case's one node, its outputs being the graph's, with types inferred.
Graph build_graph(const OpCase& op_case, Knowledge knowledge);

// Runs `kernel` on the node as an executor would: outputs whose shape was inferred are allocated beforehand.
// Returns what is wrong with dims, types or values, nothing when all is right.
std::string check_kernel(const OpCase& op_case, Knowledge knowledge, KernelFunction kernel, KernelEnv& env);

// The first difference beyond |x - y| <= atol + rtol·|y|, or nothing.
std::string compare_tensors(const Tensor& seen, const Tensor& wanted, double rtol, double atol);

}  // namespace oag::testing
