#include <fmt/format.h>

#include <cstdint>

#include "api/runtime_impl.h"
#include "api/session_impl.h"
#include "api/translate.h"
#include "base/file.h"
#include "engine/plugins/load_plugin.h"
#include "engine/tensor/container.h"

namespace openautoglm {
namespace {

Port public_port(const oag::OnnxPort& from) {
  Port port{.name = from.name, .dtype = public_dtype(from.type.dtype), .type = to_string(from.type)};
  if (!from.type.shape) return port;
  port.shape.emplace();
  for (const oag::Dim& dim : *from.type.shape) {
    PortDim& made = port.shape->emplace_back();
    if (dim.is_constant()) made.size = dim.constant();
    // The reader calls a dim of which nothing is known by its value's name and a number.
    const std::string symbol = dim.symbol_name().value_or("");
    if (!symbol.starts_with(from.name + "#")) made.symbol = symbol;
  }
  return port;
}

std::vector<Port> public_ports(const std::vector<oag::OnnxPort>& from) {
  std::vector<Port> ports;
  for (const oag::OnnxPort& port : from) ports.push_back(public_port(port));
  return ports;
}

template <typename Named>
size_t index_of(std::span<const Named> all, std::string_view name, const std::string& where,
                std::string_view what) {
  std::string names;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == name) return i;
    names += (names.empty() ? "" : ", ") + all[i].name;
  }
  oag::fail(oag::ErrorCode::kNotFound, where, "has no {} \"{}\"; it has: {}", what, name, names);
}

[[noreturn]] void refuse_container(const std::string& what, DType dtype) {
  oag::fail(oag::ErrorCode::kUnsupported, what, "is a {}; this API passes tensors only", dtype_name(dtype));
}

size_t alignment_of(oag::DType dtype) {
  if (dtype == oag::DType::kString) return alignof(std::string);
  if (dtype == oag::DType::kC64) return alignof(float);
  if (dtype == oag::DType::kC128) return alignof(double);
  const oag::DTypeInfo& info = oag::dtype_info(dtype);
  return info.block_values > 1 ? 1 : info.block_bytes;
}

// A tensor over the caller's memory.
oag::Tensor wrap(const std::string& what, DType dtype, const Dims& dims, const void* data) {
  if (dtype <= DType::kUndefined || dtype > DType::kMap)
    oag::fail(oag::ErrorCode::kInvalidArgument, what, "has no element type; set dtype");
  if (dtype >= DType::kSequence) refuse_container(what, dtype);
  const oag::DType type = internal_dtype(dtype);
  const size_t bytes = oag::tensor_bytes(type, dims);
  if (data == nullptr && bytes > 0) {
    oag::fail(oag::ErrorCode::kInvalidArgument, what, "has no memory, {} {} takes {} bytes",
              dtype_name(dtype), oag::to_string(dims), bytes);
  }
  if (reinterpret_cast<uintptr_t>(data) % alignment_of(type) != 0) {
    oag::fail(oag::ErrorCode::kInvalidArgument, what, "its memory is not aligned to {} bytes, as {} asks",
              alignment_of(type), dtype_name(dtype));
  }
  auto* begin = static_cast<std::byte*>(const_cast<void*>(data));  // inputs are only read
  return {type, dims, oag::wrap_host({begin, bytes}, nullptr)};
}

// What was given, each at its port's place.
template <typename Given>
std::vector<oag::Tensor> place(const std::vector<Given>& given, const std::vector<Port>& ports,
                               const std::string& path, std::string_view kind) {
  std::vector<oag::Tensor> placed(ports.size());
  for (const Given& one : given) {
    oag::Tensor& slot = placed[index_of<Port>(ports, one.name, path, kind)];
    const std::string what = fmt::format("{} {}", kind, one.name);
    if (slot.defined()) oag::fail(oag::ErrorCode::kInvalidArgument, what, "is given twice");
    slot = wrap(what, one.dtype, one.dims, one.data);
  }
  return placed;
}

bool shows(const oag::Tensor& tensor, const oag::Tensor& input) {
  const auto begin = reinterpret_cast<uintptr_t>(input.data());
  const auto at = reinterpret_cast<uintptr_t>(tensor.data());
  return begin <= at && at < begin + input.size_bytes();
}

constexpr size_t kMostPolicyBytes = size_t{1} << 20;

// What the options ask of a compile; lives while a model is compiled.
struct CompileSetup {
  explicit CompileSetup(const SessionOptions& options) {
    std::vector<std::string> plugins = options.plugins;
    if (!options.policy.empty()) {
      policy = std::make_shared<const oag::PlacementPolicy>(
          oag::parse_policy(oag::read_file(options.policy, kMostPolicyBytes), options.policy));
      plugins.insert(plugins.begin(), policy->plugins.begin(), policy->plugins.end());
    }
    registry = oag::load_plugins(plugins);
  }

  std::shared_ptr<const oag::PlacementPolicy> policy;
  oag::OperatorRegistry registry;
};

oag::CompileOptions compile_options(const SessionOptions& options, const CompileSetup& setup,
                                    const std::string& path, const oag::OnnxModel& model) {
  oag::CompileOptions compile;
  compile.registry = &setup.registry;
  compile.policy = setup.policy;
  if (options.reference_kernels) compile.kernels = oag::KernelChoice::kReference;
  compile.model = path;
  compile.imports = model.opset_imports;
  return compile;
}

}  // namespace

namespace detail {

void check_count(const std::string& name, size_t count, const Dims& dims) {
  translated([&] {
    const int64_t wanted = oag::element_count(dims);
    if (static_cast<uint64_t>(wanted) == count) return;
    oag::fail(oag::ErrorCode::kInvalidArgument, name, "got {} values for {}, which has {}", count,
              oag::to_string(dims), wanted);
  });
}

void check_dtype(const std::string& name, DType seen, DType asked) {
  if (seen == asked) return;
  throw Error(ErrorCode::kInvalidArgument, name,
              fmt::format("holds {}, was read as {}", dtype_name(seen), dtype_name(asked)));
}

}  // namespace detail

Session::Impl::Impl(std::shared_ptr<oag::Runtime> runtime, oag::OnnxModel model, std::string from,
                    const oag::CompileOptions& options)
    : path(std::move(from)),
      inputs(public_ports(model.inputs)),
      outputs(public_ports(model.outputs)),
      files(std::move(model.files)),
      session(std::move(runtime), std::move(model.graph), options) {}

oag::RunBindings Session::Impl::bind(const std::vector<Input>& given_inputs,
                                     const std::vector<Output>& given_outputs) const {
  oag::RunBindings bindings{place(given_inputs, inputs, path, "input"),
                            place(given_outputs, outputs, path, "output")};
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (bindings.inputs[i].defined()) continue;
    if (inputs[i].dtype >= DType::kSequence) refuse_container("input " + inputs[i].name, inputs[i].dtype);
    oag::fail(oag::ErrorCode::kInvalidArgument, "input " + inputs[i].name,
              "gets no value; the model takes {}", inputs[i].type);
  }
  return bindings;
}

Outputs Session::Impl::take(std::vector<oag::Tensor> tensors,
                            const std::vector<oag::Tensor>& from_inputs) const {
  for (const auto& file : files) {
    if (file->damaged())
      oag::fail(oag::ErrorCode::kIo, file->path().string(), "became shorter while it was read");
  }
  auto impl = std::make_shared<Outputs::Impl>();
  for (size_t i = 0; i < tensors.size(); ++i) {
    oag::Tensor& tensor = tensors[i];
    // What the model hands through must not end with the caller's memory.
    for (const oag::Tensor& input : from_inputs) {
      if (shows(tensor, input)) tensor = oag::deep_copy(tensor);
    }
    impl->views.push_back({outputs[i].name, public_dtype(tensor.dtype()), tensor.dims(), tensor.data(),
                           static_cast<size_t>(tensor.count()), tensor.size_bytes()});
  }
  impl->path = path;
  impl->tensors = std::move(tensors);
  return Outputs(std::move(impl));
}

Session::Session(const Runtime& runtime, const std::string& path, const SessionOptions& options) {
  impl_ = translated([&] {
    const CompileSetup setup(options);
    oag::OnnxModel model = oag::import_onnx(path);
    const oag::CompileOptions compile = compile_options(options, setup, path, model);
    return std::make_shared<const Impl>(runtime.impl_->runtime, std::move(model), path, compile);
  });
}

std::span<const Port> Session::inputs() const {
  return impl_->inputs;
}
std::span<const Port> Session::outputs() const {
  return impl_->outputs;
}

Outputs Session::run(const std::vector<Input>& inputs, const std::vector<Output>& outputs,
                     const RunOptions& options) const {
  return translated([&] {
    const oag::RunBindings bindings = impl_->bind(inputs, outputs);
    const oag::RunControl control(options.priority, options.deadline);
    std::vector<oag::Tensor> made;
    if (impl_->session.run(bindings, control, made) != oag::RunState::kDone)
      oag::fail(oag::ErrorCode::kDeadlineExceeded, impl_->path, "the run passed its deadline");
    return impl_->take(std::move(made), bindings.inputs);
  });
}

Run Session::submit(const std::vector<Input>& inputs, const std::vector<Output>& outputs,
                    const RunOptions& options) const {
  return translated([&] {
    oag::RunBindings bindings = impl_->bind(inputs, outputs);
    std::vector<oag::Tensor> kept = bindings.inputs;
    const oag::RunOptions wanted{options.priority, options.deadline};
    return Run(std::make_unique<Run::Impl>(
        Run::Impl{impl_, std::move(kept), impl_->session.submit(std::move(bindings), wanted)}));
  });
}

Outputs::Outputs(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

size_t Outputs::size() const {
  return impl_->views.size();
}

const TensorView& Outputs::operator[](size_t index) const {
  return translated([&]() -> const TensorView& {
    if (index >= size()) {
      oag::fail(oag::ErrorCode::kNotFound, impl_->path, "has no output {}; it has {} of them", index, size());
    }
    const TensorView& view = impl_->views[index];
    if (view.dtype >= DType::kSequence) refuse_container("output " + view.name, view.dtype);
    return view;
  });
}

const TensorView& Outputs::operator[](std::string_view name) const {
  return (*this)[translated([&] { return index_of<TensorView>(impl_->views, name, impl_->path, "output"); })];
}

Run::Run(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Run::~Run() {
  if (!impl_) return;
  impl_->handle.cancel();
  impl_->handle.wait();
}

Run::Run(Run&&) noexcept = default;

Run& Run::operator=(Run&& other) noexcept {
  Run ended(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

RunState Run::status() const {
  return static_cast<RunState>(impl_->handle.status());
}

RunState Run::wait(std::optional<std::chrono::steady_clock::time_point> until) const {
  return static_cast<RunState>(impl_->handle.wait(until));
}

void Run::cancel() {
  impl_->handle.cancel();
}

Outputs Run::outputs() const {
  return translated([&] { return impl_->session->take(impl_->handle.outputs(), impl_->inputs); });
}

}  // namespace openautoglm
