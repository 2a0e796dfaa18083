#include "engine/plugins/plugin_run.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/log.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/plugins/guarded_memory.h"
#include "engine/plugins/output_dims.h"
#include "engine/plugins/plugin_call.h"
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
  const oag::PluginOperator& op;
  oag::KernelContext& context;
  const oag::OutputDims& output_dims;
  oag::DimBindings bindings;  // of output_dims
  std::vector<std::optional<GuardedOutput>> outputs;
  std::vector<oag::GuardedMemory> workspaces;
  std::atomic<bool> in_tiles = false;
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
  return fmt::format("its kernel asks for {} bytes {}; {} are free", bytes, what, free.value_or(0));
}

std::string output_name(const oag_run& run, size_t i) {
  const Parameter& formal = run.op.formal_output(i);
  return formal.variadic ? fmt::format("output {} ({})", i, formal.name)
                         : fmt::format("output {}", formal.name);
}

int32_t input(oag_run* run, size_t i, oag_tensor* tensor) {
  if (!run->context.has_input(i))
    return run->failure.guard(
        [&] { return run->failure.set(fmt::format("its kernel reads input {}, which the node lacks", i)); });
  return fill_tensor(run->context.input(i), *tensor) ? 1 : 0;
}

// False, with a failure, for what would take memory while several threads are at it.
bool is_alone(oag_run* run, std::string_view what) {
  if (!run->in_tiles) return true;
  run->failure.set(fmt::format("its kernel {} from within parallel_for", what));
  return false;
}

int32_t make_output(oag_run* run, size_t i, DType dtype, const Dims& dims, oag_tensor* tensor) {
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

int32_t output(oag_run* run, size_t i, oag_tensor* tensor) {
  return run->failure.guard([&]() -> int32_t {
    if (!run->context.wants_output(i))
      return run->failure.set(fmt::format("its kernel asks for output {}, which the node lacks", i));
    if (run->outputs[i]) return fill_tensor(run->outputs[i]->tensor, *tensor) ? 1 : 0;
    if (!is_alone(run, "makes an output")) return 0;
    const auto dims = run->output_dims.known(i, run->bindings);
    if (!dims)
      return run->failure.set(fmt::format(
          "its kernel asks for {}, whose dims are not known: it has to allocate it", output_name(*run, i)));
    return make_output(run, i, run->output_dims.types()[i].dtype, *dims, tensor);
  });
}

int32_t allocate_output(oag_run* run, size_t i, int32_t code, size_t rank, const int64_t* values,
                        oag_tensor* tensor) {
  return run->failure.guard([&]() -> int32_t {
    if (!is_alone(run, "allocates an output")) return 0;
    if (i >= run->outputs.size())
      return run->failure.set(fmt::format("its kernel allocates output {}, which the node lacks", i));
    if (run->outputs[i])
      return run->failure.set(fmt::format("its kernel makes {} a second time", output_name(*run, i)));
    const auto dtype = dtype_from_onnx(code);
    const DType expected = run->output_dims.types()[i].dtype;
    // An output that nobody uses has no type.
    if (!dtype || (expected != DType::kUndefined && *dtype != expected))
      return run->failure.set(fmt::format(
          "its kernel makes {} of {}, expected {}", output_name(*run, i),
          dtype ? std::string(dtype_name(*dtype)) : fmt::format("type {}", code), dtype_name(expected)));
    if (rank > OAG_PLUGIN_MOST_DIMS || (rank > 0 && values == nullptr))
      return run->failure.set(fmt::format("its kernel gives {} {} dims{}, {} are the most",
                                          output_name(*run, i), rank, values == nullptr ? " at NULL" : "",
                                          OAG_PLUGIN_MOST_DIMS));
    const Dims dims(values, values + rank);
    if (!run->output_dims.accept(i, dims, run->bindings))
      return run->failure.set(fmt::format("its kernel gives {} the dims {}, its shape function said {}",
                                          output_name(*run, i), to_string(dims),
                                          run->output_dims.expected(i, run->bindings)));
    return make_output(run, i, *dtype, dims, tensor);
  });
}

void* workspace(oag_run* run, size_t size_bytes) {
  return run->failure.guard([&]() -> void* {
    if (!is_alone(run, "takes workspace")) return nullptr;
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
    if (!is_alone(run, "calls parallel_for")) return 0;
    run->in_tiles = true;
    const auto call = [&](int64_t i, int worker) { tile(state, i, worker); };
    const int64_t most_ns = std::numeric_limits<int64_t>::max() / std::max<int64_t>(tiles, 1);
    const int64_t ns = std::clamp<int64_t>(ns_per_tile, 1, most_ns);
    const bool done = run->context.env().parallel_for(tiles, ns, call);
    run->in_tiles = false;
    return done ? 1 : 0;
  });
}

class PluginKernel final : public CustomKernel {
 public:
  PluginKernel(const PluginOperator& op, const oag_kernel& kernel, const Graph& graph, const Node& node)
      : op_(op), kernel_(kernel), output_dims_(op, graph, node) {
    const oag_node shown{node};
    const auto failed = failure_of_plugin(
        [&](char* error) { return kernel.create(kernel.state, &plugin_host(), &shown, &made_, error); });
    if (failed)
      fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node.name, node.full_op()),
           "{}: its kernel cannot be made: {}", op.plugin(), *failed);
  }
  ~PluginKernel() override {
    const auto failed = failure_of_plugin([&](char*) {
      kernel_.destroy(made_);
      return 0;
    });
    if (failed)
      log(LogLevel::kWarning, "{}: a kernel of {} failed at its end: {}", op_.plugin(), op_.schema().op,
          *failed);
  }
  PluginKernel(const PluginKernel&) = delete;
  PluginKernel& operator=(const PluginKernel&) = delete;

  void run(KernelContext& context) const override {
    if (output_dims_.has_ranks()) return run_with(context, output_dims_);
    run_with(context, output_dims_.with_ranks(context));
  }

 private:
  void run_with(KernelContext& context, const OutputDims& output_dims) const {
    oag_run run{op_, context, output_dims, output_dims.bind(context), {}, {}, {}, {}};
    run.outputs.resize(context.output_count());
    const oag_node shown{context.node()};
    const auto failed = failure_of_plugin(
        [&](char* error) { return kernel_.compute(made_, &plugin_host(), &shown, &run, error); });
    check_guards(run);
    if (context.env().should_stop()) return;  // what it says or made no longer matters
    if (!run.failure.empty()) context.refuse("{}: {}", op_.plugin(), one_line(run.failure.text()));
    if (failed) context.refuse("{}: its kernel failed: {}", op_.plugin(), *failed);
    hand_over(run);
  }

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

  void hand_over(oag_run& run) const {
    for (size_t i = 0; i < run.outputs.size(); ++i) {
      if (!run.context.wants_output(i)) continue;
      if (!run.outputs[i]) run.context.refuse("{}: its kernel made no {}", op_.plugin(), output_name(run, i));
      // Again, now that all outputs are there: an earlier one may name what a later one chose.
      const Dims& dims = run.outputs[i]->tensor.dims();
      const Tensor& planned = run.context.output(i);
      if (!run.output_dims.accept(i, dims, run.bindings) || (planned.defined() && planned.dims() != dims))
        run.context.refuse(
            "{}: its kernel gives {} the dims {}, which contradict what its shape function said",
            op_.plugin(), output_name(run, i), to_string(dims));
      run.context.set_output(i, run.outputs[i]->tensor);
    }
  }

  const PluginOperator& op_;
  const oag_kernel& kernel_;
  OutputDims output_dims_;
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
