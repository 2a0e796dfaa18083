#include "engine/plugins/plugin_run.h"

#include <limits>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/free_memory.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/plugins/guarded_memory.h"
#include "engine/plugins/plugin_node.h"

namespace {

// An output while the kernel computes.
struct GuardedOutput {
  oag::Tensor tensor;
  oag::GuardedMemory memory;
};

}  // namespace

// One execution of a node.
struct oag_run {
  oag::KernelContext& context;
  const std::vector<oag::ValueType>& types;  // of the outputs, as the shape function said
  std::vector<std::optional<GuardedOutput>> outputs;
  std::vector<oag::GuardedMemory> workspaces;
  oag::HostFailure failure;
};

namespace oag {
namespace {

// What is asked of the system without a look at what it has left.
constexpr uint64_t kModestBytes = uint64_t{64} << 20;

// Empty when that much memory is there.
std::string too_much(std::string_view what, uint64_t bytes) {
  if (bytes <= kModestBytes) return "";
  const std::optional<uint64_t> free = free_memory_bytes();
  if (bytes <= free.value_or(std::numeric_limits<int64_t>::max())) return "";
  return fmt::format("asks for {} bytes {}; {} are free", bytes, what, free.value_or(0));
}

std::string output_name(const oag_run& run, size_t i) {
  const auto* schema = &run.context.node();
  return fmt::format("output {} of {}", i, schema->outputs.size());
}

int32_t input(oag_run* run, size_t i, oag_tensor* tensor) {
  if (!run->context.has_input(i))
    return run->failure.guard([&] {
      return run->failure.set(fmt::format("its kernel reads input {}, which the node leaves out", i));
    });
  return fill_tensor(run->context.input(i), *tensor) ? 1 : 0;
}

int32_t give_output(oag_run* run, size_t i, DType dtype, const Dims& dims, oag_tensor* tensor) {
  const size_t bytes = tensor_bytes(dtype, dims);
  if (std::string much = too_much("for " + output_name(*run, i), bytes); !much.empty())
    return run->failure.set(std::move(much));
  const auto whole = static_cast<int64_t>(GuardedMemory::with_guards(bytes));
  const Tensor memory = Tensor::host(DType::kU8, {whole});
  auto& output = run->outputs[i];
  output.emplace(GuardedOutput{Tensor(dtype, dims, memory.buffer(), GuardedMemory::kGuardBytes),
                               GuardedMemory(memory.data(), bytes)});
  return fill_tensor(output->tensor, *tensor) ? 1 : 0;
}

bool is_output(oag_run* run, size_t i) {
  if (i < run->outputs.size()) return true;
  run->failure.set(fmt::format("its kernel writes output {}, the node has {}", i, run->outputs.size()));
  return false;
}

int32_t output(oag_run* run, size_t i, oag_tensor* tensor) {
  return run->failure.guard([&]() -> int32_t {
    if (!is_output(run, i)) return 0;
    if (run->outputs[i]) return fill_tensor(run->outputs[i]->tensor, *tensor) ? 1 : 0;
    const Tensor& planned = run->context.output(i);
    if (!planned.defined())
      return run->failure.set(fmt::format(
          "its kernel asks for {}, whose dims are not known: it has to allocate it", output_name(*run, i)));
    return give_output(run, i, planned.dtype(), planned.dims(), tensor);
  });
}

// Whether the dims are among those that the shape function and the run allow.
bool allowed(const oag_run& run, size_t i, const Dims& dims) {
  const Tensor& planned = run.context.output(i);
  if (planned.defined()) return planned.dims() == dims;
  const auto& shape = run.types[i].shape;
  if (!shape) return true;
  if (shape->size() != dims.size()) return false;
  for (size_t d = 0; d < dims.size(); ++d) {
    if ((*shape)[d].is_constant() && (*shape)[d].constant() != dims[d]) return false;
  }
  return true;
}

std::string expected_dims(const oag_run& run, size_t i) {
  const Tensor& planned = run.context.output(i);
  return planned.defined() ? to_string(planned.dims()) : to_string(*run.types[i].shape);
}

int32_t allocate_output(oag_run* run, size_t i, int32_t code, size_t rank, const int64_t* values,
                        oag_tensor* tensor) {
  return run->failure.guard([&]() -> int32_t {
    if (!is_output(run, i)) return 0;
    const auto dtype = dtype_from_onnx(code);
    const DType expected = run->types[i].dtype;
    // An output that nobody uses has no type.
    if (!dtype || (expected != DType::kUndefined && *dtype != expected))
      return run->failure.set(fmt::format(
          "its kernel makes {} of {}, expected {}", output_name(*run, i),
          dtype ? std::string(dtype_name(*dtype)) : fmt::format("type {}", code), dtype_name(expected)));
    if (rank > OAG_PLUGIN_MOST_DIMS)
      return run->failure.set(fmt::format("its kernel gives {} {} dims, {} are the most",
                                          output_name(*run, i), rank, OAG_PLUGIN_MOST_DIMS));
    const Dims dims(values, values + rank);
    if (!allowed(*run, i, dims))
      return run->failure.set(fmt::format("its kernel gives {} the dims {}, its shape function said {}",
                                          output_name(*run, i), to_string(dims), expected_dims(*run, i)));
    return give_output(run, i, *dtype, dims, tensor);
  });
}

void* workspace(oag_run* run, size_t size_bytes) {
  return run->failure.guard([&]() -> void* {
    if (std::string much = too_much("of workspace", size_bytes); !much.empty()) {
      run->failure.set(std::move(much));
      return nullptr;
    }
    std::byte* memory = run->context.env().workspace(GuardedMemory::with_guards(size_bytes));
    return run->workspaces.emplace_back(memory, size_bytes).data();
  });
}

int32_t should_stop(oag_run* run) {
  return run->context.env().should_stop() ? 1 : 0;
}

int32_t workers(oag_run* run) {
  return run->context.env().workers();
}

int32_t parallel_for(oag_run* run, int64_t tiles, int64_t ns_per_tile,
                     void (*tile)(void* state, int64_t i, int32_t worker), void* state) {
  return run->failure.guard([&]() -> int32_t {
    if (tiles < 0 || tile == nullptr)
      return run->failure.set(fmt::format("its kernel asks for {} tiles of work", tiles));
    const auto call = [&](int64_t i, int worker) { tile(state, i, worker); };
    return run->context.env().parallel_for(tiles, std::max<int64_t>(ns_per_tile, 1), call) ? 1 : 0;
  });
}

class PluginKernel final : public CustomKernel {
 public:
  PluginKernel(const PluginOperator& op, const oag_kernel& kernel, const Graph& graph, const Node& node)
      : op_(op), kernel_(kernel) {
    for (const ValueId id : node.outputs)
      types_.push_back(id == kNoValue ? ValueType() : graph.value(id).type);
    char error[OAG_PLUGIN_ERROR_BYTES] = "";
    const oag_node shown{node};
    const int32_t failed = kernel.create(kernel.state, &plugin_host(), &shown, &made_, error);
    error[OAG_PLUGIN_ERROR_BYTES - 1] = '\0';
    if (failed != 0)
      fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node.name, node.full_op()),
           "{}: its kernel cannot be made: {}", op.plugin(), one_line(error));
  }
  ~PluginKernel() override { kernel_.destroy(made_); }
  PluginKernel(const PluginKernel&) = delete;
  PluginKernel& operator=(const PluginKernel&) = delete;

  void run(KernelContext& context) const override {
    oag_run run{context, types_, {}, {}, {}};
    run.outputs.resize(context.output_count());
    char error[OAG_PLUGIN_ERROR_BYTES] = "";
    const oag_node shown{context.node()};
    const int32_t failed = kernel_.compute(made_, &plugin_host(), &shown, &run, error);
    error[OAG_PLUGIN_ERROR_BYTES - 1] = '\0';
    check_guards(run);
    if (context.env().should_stop()) return;  // what it says or made no longer matters
    if (!run.failure.empty()) context.refuse("{}: {}", op_.plugin(), one_line(run.failure.text()));
    if (failed != 0) context.refuse("{}: its kernel failed: {}", op_.plugin(), one_line(error));
    hand_over(run);
  }

 private:
  void check_guards(const oag_run& run) const {
    for (size_t i = 0; i < run.outputs.size(); ++i) {
      const char* where = run.outputs[i] ? run.outputs[i]->memory.written() : nullptr;
      if (where != nullptr)
        run.context.refuse("{}: its kernel wrote {} the memory of {}, {}", op_.plugin(), where,
                           output_name(run, i), to_string(run.outputs[i]->tensor.dims()));
    }
    for (const GuardedMemory& memory : run.workspaces) {
      if (const char* where = memory.written())
        run.context.refuse("{}: its kernel wrote {} its workspace", op_.plugin(), where);
    }
  }

  void hand_over(const oag_run& run) const {
    for (size_t i = 0; i < run.outputs.size(); ++i) {
      if (!run.context.wants_output(i)) continue;
      if (!run.outputs[i]) run.context.refuse("{}: its kernel made no {}", op_.plugin(), output_name(run, i));
      run.context.set_output(i, run.outputs[i]->tensor);
    }
  }

  const PluginOperator& op_;
  const oag_kernel& kernel_;
  std::vector<ValueType> types_;
  void* made_ = nullptr;
};

}  // namespace

std::unique_ptr<CustomKernel> make_plugin_kernel(const PluginOperator& op, const oag_kernel& kernel,
                                                 const Graph& graph, const Node& node) {
  return std::make_unique<PluginKernel>(op, kernel, graph, node);
}

void add_run_functions(oag_plugin_host& host) {
  host.input = input;
  host.output = output;
  host.allocate_output = allocate_output;
  host.workspace = workspace;
  host.should_stop = should_stop;
  host.workers = workers;
  host.parallel_for = parallel_for;
}

}  // namespace oag
