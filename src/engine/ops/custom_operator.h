#pragma once

#include <memory>

#include "engine/graph/graph.h"
#include "engine/ops/kernel.h"

namespace oag {

class InferenceContext;

// The kernel of one node of a custom operator; thread safe.
class CustomKernel {
 public:
  virtual ~CustomKernel() = default;
  virtual void run(KernelContext& context) const = 0;
};

// What a schema is made of whose rule and kernels are no functions of this program: a plugin's.
class CustomOperator {
 public:
  virtual ~CustomOperator() = default;
  // As OpSchema::infer.
  virtual void infer(InferenceContext& context) const = 0;
  // `node` is one of `graph`, whose types are inferred. Errors: kInvalidArgument naming the node.
  virtual std::unique_ptr<CustomKernel> make_kernel(const Graph& graph, const Node& node) const = 0;
};

}  // namespace oag
