#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/compute_pool.h"
#include "base/error.h"
#include "engine/backends/cpu/cpu_device.h"
#include "engine/ops/schema.h"
#include "engine/tensor/block_format.h"
#include "engine/tensor/float16.h"
#include "engine/tensor/quantize.h"

// For tests and benchmarks: runs one operator alone, by a device's kernel or by the schema's reference.
namespace oag::cpu {

struct OperatorCase {
  std::string domain;
  std::string op;
  Attributes attributes;
  std::vector<Tensor> inputs;  // an undefined Tensor is an optional input left out
  size_t output_count = 1;
  std::vector<size_t> constants = {};  // inputs whose content the compiler knows
};

// One node with its outputs allocated and its kernel chosen.
class KernelRunner {
 public:
  KernelRunner(std::shared_ptr<CpuDevice> device, OperatorCase operation)
      : device_(std::move(device)), operation_(std::move(operation)) {
    std::vector<ValueId> ids;
    for (size_t i = 0; i < operation_.inputs.size(); ++i) {
      const Tensor& tensor = operation_.inputs[i];
      if (!tensor.defined()) {
        ids.push_back(kNoValue);
        continue;
      }
      const std::string name = "in" + std::to_string(i);
      const bool constant = std::count(operation_.constants.begin(), operation_.constants.end(), i) != 0;
      ids.push_back(constant
                        ? graph_.add_constant(name, tensor)
                        : graph_.add_input(name, ValueType::tensor(tensor.dtype(), to_shape(tensor.dims()))));
    }
    graph_.add_node(operation_.domain, operation_.op, std::move(ids), operation_.attributes,
                    operation_.output_count, "node");
    schema_ = OperatorRegistry::builtin().find(operation_.domain, operation_.op);
    choice_ = device_->kernels().choose({graph_, graph_.nodes[0]});
    if (choice_.winner != nullptr)
      kernel_ = device_->kernels().make(*choice_.winner, {graph_, graph_.nodes[0]});
    if (!kernel_) return;
    packed_ = allocate_host(kernel_->packed_bytes());
    kernel_->prepare(device_->make_stream(RunControl())->env(), {packed_->data(), packed_->size_bytes()});
  }

  bool accepted() const { return kernel_ != nullptr; }
  const KernelTable::Choice& choice() const { return choice_; }
  const OpSchema* schema() const { return schema_; }

  // By the first kernel that accepts. Outputs are garbage when `control` stops it.
  std::vector<Tensor> run(const RunControl& control = RunControl()) const {
    if (!kernel_) fail(ErrorCode::kUnsupported, operation_.op, "no kernel: {}", refusals());
    std::vector<Tensor> outputs = make_outputs();
    const auto stream = device_->make_stream(control);
    run_again(*stream, outputs);
    return outputs;
  }
  void run_again(Stream& stream, std::vector<Tensor>& outputs) const {
    KernelContext context(graph_.nodes[0], operation_.inputs, outputs, stream.env());
    stream.submit(*kernel_, context);
  }

  // By the operator's reference kernel.
  std::vector<Tensor> reference() const {
    std::vector<Tensor> outputs = make_outputs();
    const RunControl control;
    const auto stream = device_->make_stream(control);
    KernelContext context(graph_.nodes[0], operation_.inputs, outputs, stream->env());
    schema_->reference(context);
    return outputs;
  }

  std::string refusals() const {
    std::string text;
    for (const auto& [name, reason] : choice_.refusals) text += std::string(name) + ": " + reason + "; ";
    return text;
  }

 private:
  // Allocates what the schema can tell; the rest is left to the kernel.
  std::vector<Tensor> make_outputs() const {
    std::vector<Tensor> outputs(operation_.output_count);
    if (schema_ == nullptr) return outputs;
    Graph typed = graph_;
    InferenceContext inference(typed, typed.nodes[0], OperatorRegistry::builtin());
    schema_->infer(inference);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const ValueType& type = typed.value(typed.nodes[0].outputs[i]).type;
      const auto dims = type.shape ? evaluate(*type.shape, {}) : std::nullopt;
      if (dims) outputs[i] = Tensor::host(type.dtype, *dims);
    }
    for (const Alias& alias : schema_->aliases) {
      if (alias.kind == Alias::kUpdate)
        outputs[static_cast<size_t>(alias.output)] = operation_.inputs[static_cast<size_t>(alias.input)];
    }
    return outputs;
  }

  std::shared_ptr<CpuDevice> device_;
  OperatorCase operation_;
  Graph graph_;
  const OpSchema* schema_ = nullptr;
  KernelTable::Choice choice_;
  std::shared_ptr<Buffer> packed_;
  std::unique_ptr<Kernel> kernel_;
};

inline std::shared_ptr<CpuDevice> make_device(Isa isa, int threads) {
  return std::make_shared<CpuDevice>(isa, std::make_shared<ComputePool>(threads));
}

// A run that is cancelled has to end within this time. Under an emulator each tile takes ten times as long
// and more.
inline double cancel_limit_ms() {
  return std::getenv("OAG_TEST_EMULATED") == nullptr ? 20 : 400;
}

// How long a run goes on after it was cancelled 30 ms into it: the median of five.
inline double median_cancel_delay_ms(const KernelRunner& runner) {
  std::vector<double> delays_ms;
  for (int round = 0; round < 5; ++round) {
    RunControl control;
    TimePoint cancelled;
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      cancelled = Clock::now();
      control.cancel();
    });
    runner.run(control);
    const TimePoint back = Clock::now();
    canceller.join();
    delays_ms.push_back(std::chrono::duration<double, std::milli>(back - cancelled).count());
  }
  std::sort(delays_ms.begin(), delays_ms.end());
  return delays_ms[2];
}

inline Tensor copy_of(const Tensor& tensor) {
  Tensor copy = Tensor::host(tensor.dtype(), tensor.dims());
  std::copy(tensor.bytes().begin(), tensor.bytes().end(), copy.data());
  return copy;
}

// Uniform values, the same for a seed everywhere.
inline Tensor random_f32(Dims dims, uint32_t seed, float low = -1.0f, float high = 1.0f) {
  std::mt19937 engine(seed);
  Tensor tensor = Tensor::host(DType::kF32, std::move(dims));
  for (float& value : tensor.values<float>())
    value = low + (high - low) * static_cast<float>(engine() >> 8) * 0x1p-24f;
  return tensor;
}

// A matrix in any storage: encoded values where we write the format, else random blocks whose scales are
// sane.
inline Tensor random_weights(DType dtype, int64_t rows, int64_t columns, uint32_t seed) {
  Tensor tensor = Tensor::host(dtype, {rows, columns});
  const bool writable = dtype <= DType::kBF16 || (dtype >= DType::kQ4_0 && dtype <= DType::kQ8_0);
  if (writable) {
    quantize_rows(dtype, random_f32({rows, columns}, seed).values<float>(), columns, tensor.bytes());
    return tensor;
  }
  std::mt19937 engine(seed);
  for (std::byte& byte : tensor.bytes()) byte = static_cast<std::byte>(engine() >> 24);
  const auto put_scales = [&](std::initializer_list<size_t> offsets, float scale) {
    for (size_t block = 0; block < tensor.size_bytes(); block += dtype_info(dtype).block_bytes) {
      for (const size_t offset : offsets) {
        const uint16_t bits = f16_from_f32(scale * (0.5f + static_cast<float>(engine() >> 8) * 0x1p-24f));
        tensor.data()[block + offset] = static_cast<std::byte>(bits & 255);
        tensor.data()[block + offset + 1] = static_cast<std::byte>(bits >> 8);
      }
    }
  };
  switch (dtype) {
    case DType::kQ2_K: put_scales({80, 82}, 0.02f); break;
    case DType::kQ3_K: put_scales({108}, 0.01f); break;
    case DType::kQ4_K:
    case DType::kQ5_K: put_scales({0, 2}, 0.002f); break;
    case DType::kQ6_K: put_scales({208}, 0.0005f); break;
    case DType::kIQ4_NL: put_scales({0}, 0.01f); break;
    case DType::kIQ4_XS: put_scales({0}, 0.0005f); break;
    default:  // mxfp4: an exponent near that of 0.1
      for (size_t block = 0; block < tensor.size_bytes(); block += 17)
        tensor.data()[block] = static_cast<std::byte>(122 + engine() % 4);
  }
  return tensor;
}

}  // namespace oag::cpu
