#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "engine/graph/graph.h"
#include "engine/tensor/tensor.h"

namespace oag {

// What a kernel may ask of the device it runs on.
class KernelEnv {
 public:
  virtual ~KernelEnv() = default;

  // Calls tile(i, worker) for i in [0, tiles), maybe in parallel; `ns_per_tile` is the caller's estimate.
  // Between tiles the run may be cancelled or give way: after it returns false the output is garbage and the
  // kernel returns.
  virtual bool parallel_for(int64_t tiles, int64_t ns_per_tile, FunctionRef<void(int64_t, int)> tile) = 0;
  virtual int workers() const = 0;  // upper bound of `worker`, for per-worker scratch

  // Scratch memory, 64-byte aligned, valid until the kernel returns; each call gives a further piece.
  virtual std::byte* workspace(size_t size_bytes) = 0;

  // Whether a long piece of work should stop here.
  virtual bool should_stop() const = 0;
};

// Runs the graphs that stand in a node's attributes.
class BodyRunner {
 public:
  virtual ~BodyRunner() = default;
  virtual bool run(std::string_view attribute, std::span<const Tensor> inputs,
                   std::vector<Tensor>& outputs) = 0;
};

// One execution of one node: its attributes, inputs, outputs and surroundings.
class KernelContext {
 public:
  KernelContext(const Node& node, std::span<const Tensor> inputs, std::span<Tensor> outputs, KernelEnv& env,
                BodyRunner* bodies = nullptr)
      : node_(node), inputs_(inputs), outputs_(outputs), env_(env), bodies_(bodies) {}

  const Node& node() const { return node_; }
  KernelEnv& env() const { return env_; }

  size_t input_count() const { return inputs_.size(); }
  bool has_input(size_t i) const { return i < inputs_.size() && inputs_[i].defined(); }
  const Tensor& input(size_t i) const { return inputs_[i]; }

  size_t output_count() const { return outputs_.size(); }
  bool wants_output(size_t i) const { return i < outputs_.size() && node_.outputs[i] != kNoValue; }
  // Allocated before the kernel runs when the shape was known; otherwise undefined until set_output.
  Tensor& output(size_t i) const { return outputs_[i]; }

  // For outputs whose dims depend on data. Allocates (or reuses the planned memory when the dims agree).
  Tensor& allocate_output(size_t i, DType dtype, Dims dims) const;

  // For outputs that exist already; planned memory gets a copy.
  void set_output(size_t i, const Tensor& value) const { view_output(i, value, value.dims()); }

  // Runs the graph in `attribute`. Its outputs share no memory with its inputs. False when the run was
  // stopped: the kernel returns.
  bool run_body(std::string_view attribute, std::span<const Tensor> inputs,
                std::vector<Tensor>& outputs) const;

  // For outputs that show an input's bytes under other dims: shares them, or copies them into planned memory
  // elsewhere. Errors: kInvalidArgument when the element counts differ.
  void view_output(size_t i, const Tensor& input, Dims dims) const;

  // Errors: kInvalidArgument, prefixed with node and operator; for data that no shape rule could have
  // refused.
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    refuse_line(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  [[noreturn]] void refuse_line(const std::string& message) const;

  const Node& node_;
  std::span<const Tensor> inputs_;
  std::span<Tensor> outputs_;
  KernelEnv& env_;
  BodyRunner* bodies_;
};

using KernelFunction = void (*)(KernelContext&);

}  // namespace oag
