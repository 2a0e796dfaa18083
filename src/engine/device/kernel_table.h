#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/custom_operator.h"
#include "engine/ops/kernel.h"
#include "engine/ops/schema.h"

namespace oag {

// What a kernel is chosen by: the node with its inputs' types, and which inputs are constant.
struct KernelQuery {
  const Graph& graph;
  const Node& node;

  DType dtype(size_t i) const {
    return i < node.inputs.size() && node.inputs[i] != kNoValue ? graph.value(node.inputs[i]).type.dtype
                                                                : DType::kUndefined;
  }
  const Shape* shape(size_t i) const {
    if (i >= node.inputs.size() || node.inputs[i] == kNoValue) return nullptr;
    const auto& known = graph.value(node.inputs[i]).type.shape;
    return known ? &*known : nullptr;
  }
  const Tensor* constant(size_t i) const {
    if (i >= node.inputs.size() || node.inputs[i] == kNoValue) return nullptr;
    const auto& content = graph.value(node.inputs[i]).constant;
    return content ? &*content : nullptr;
  }
};

// Empty when the kernel takes the node; else one phrase that says why not ("k is no multiple of 32").
using Refusal = std::string;

// An executable form of one node, made once per compile: it may hold packed weights. Once prepared it is
// thread safe: several runs use it.
class Kernel {
 public:
  virtual ~Kernel() = default;
  // Bytes of packed weights, which runs read in place of the constants.
  virtual size_t packed_bytes() const { return 0; }
  // Does what pays to be done once. Called once, before the first run; `packed` is memory for packed_bytes(),
  // aligned to 64 bytes, that outlives the kernel.
  virtual void prepare(KernelEnv&, std::span<std::byte> /*packed*/) {}
  virtual void run(KernelContext& context) const = 0;
};

// One implementation of one operator in a device's table.
struct KernelImpl {
  std::string_view domain;
  std::string_view op;
  std::string_view name;  // "linear.q8.avx2"
  Refusal (*accept)(const KernelQuery& query);
  std::unique_ptr<Kernel> (*make)(const KernelQuery& query, const void* device_state);
};

// For each operator an ordered list of implementations; the first that accepts wins.
class KernelTable {
 public:
  KernelTable(std::vector<const KernelImpl*> implementations, const void* device_state)
      : implementations_(std::move(implementations)), device_state_(device_state) {}

  struct Choice {
    const KernelImpl* winner = nullptr;
    std::vector<std::pair<std::string_view, Refusal>> refusals;  // in order, up to the winner
  };
  Choice choose(const KernelQuery& query) const;
  std::unique_ptr<Kernel> make(const KernelImpl& implementation, const KernelQuery& query) const {
    return implementation.make(query, device_state_);
  }
  std::span<const KernelImpl* const> all() const { return implementations_; }

 private:
  std::vector<const KernelImpl*> implementations_;
  const void* device_state_;
};

// A kernel that is a plain function, such as a schema's reference.
std::unique_ptr<Kernel> function_kernel(KernelFunction function);

// The kernel of a custom operator.
std::unique_ptr<Kernel> custom_kernel(std::unique_ptr<CustomKernel> kernel);

}  // namespace oag
