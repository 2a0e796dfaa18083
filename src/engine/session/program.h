#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/device/device.h"
#include "engine/graph/graph.h"
#include "engine/ops/schema.h"
#include "engine/passes/pass.h"
#include "engine/session/engine_placement.h"

namespace oag {

struct Program;

// One node bound to a device and a kernel.
struct Step {
  const Node* node = nullptr;
  const OpSchema* schema = nullptr;
  size_t device = 0;  // index into Program::devices
  std::unique_ptr<Kernel> kernel;
  std::span<const std::byte> packed;  // the kernel's part of Program::packed
  std::string
      kernel_name;  // "linear.q8.avx2"; "reference" for a schema's own, "view" where nothing is computed
  std::vector<std::string> refusals;  // "name: reason", of kernels that were asked first
  std::map<std::string, std::shared_ptr<const Program>, std::less<>> bodies;  // by attribute
};

// A graph after all passes, with a kernel chosen for every node. Immutable; shared by sessions and runs.
struct Program {
  std::vector<std::shared_ptr<const OpSchema>> schemas;  // of plugins; the kernels below need them
  Graph graph;
  std::vector<std::shared_ptr<Device>> devices;
  std::shared_ptr<Buffer> packed;  // what the kernels keep their packed weights in
  std::vector<Step> steps;
  std::vector<KeptNodes> kept;  // nodes that other engines did not take
  // For each value, the value whose memory it occupies (itself, or what its schema's aliases lead to).
  std::vector<ValueId> roots;
};

// Which kernels nodes may get: the devices' own first, or each schema's reference (else its decomposition)
// wherever there is one, which is what faster kernels are compared with.
enum class KernelChoice { kBest, kReference };

struct CompileOptions {
  std::vector<std::shared_ptr<Device>>
      devices;  // in order of preference; the last must be able to read host memory
  const OperatorRegistry* registry = &OperatorRegistry::builtin();
  DType cache_dtype = DType::kF16;
  int64_t cache_page_tokens = 32;
  KernelChoice kernels = KernelChoice::kBest;
  // Which nodes go to other engines; null keeps all here.
  std::shared_ptr<const PlacementPolicy> policy;
  OpenEngine open_engine;  // for what the policy names
  std::string model;       // the model's path, which rules of the policy may ask for
  OpsetImports imports;    // the model's, for what other engines are given
  // Sees the program before its kernels are prepared, which is what takes memory; may throw.
  std::function<void(const Program&)> admit;
};

// Runs the passes, picks a device and a kernel for each node (a device's kernel, else the next device's, else
// its decomposition where the schema has no reference or a slower one, else the reference) and prepares the
// kernels. Errors: as infer_types, options.admit and the kernels' own.
std::shared_ptr<const Program> compile(Graph graph, const CompileOptions& options);

// Bytes of constants and packed weights that the program's runs read; what was packed is not read itself.
uint64_t constant_bytes(const Program& program);

// Which kernel runs each kind of node and why others did not: a table for people, one row per (operator,
// types, kernel, refusals). Of nodes that another engine computes, the kernel is the graph it was given.
struct ExplainRow {
  std::string op, types, device, kernel;
  int nodes = 0;
  std::vector<std::string> refusals;
  std::string reason;  // why the node is with another engine
};
std::vector<ExplainRow> explain(const Program& program);

}  // namespace oag
