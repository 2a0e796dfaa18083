#include "engine/backends/openvino/openvino_device.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "engine/formats/onnx/onnx_write.h"
#include "engine/formats/onnx/opset_range.h"

namespace oag::openvino {
namespace {

constexpr int64_t kOldestOpset = 7;

// By ov_element_type_e; undefined where this engine has no such type or the interface cannot pass it.
constexpr DType kTypes[] = {
    DType::kUndefined, DType::kBool,      DType::kBF16,      DType::kF16,       DType::kF32,
    DType::kF64,       DType::kI4,        DType::kI8,        DType::kI16,       DType::kI32,
    DType::kI64,       DType::kUndefined, DType::kUndefined, DType::kUndefined, DType::kU4,
    DType::kUndefined, DType::kU8,        DType::kU16,       DType::kU32,       DType::kU64,
    DType::kUndefined, DType::kF8E4M3FN,  DType::kF8E5M2,
};

[[noreturn]] void refuse(const Library& library, std::string_view what) {
  fail(ErrorCode::kUnsupported, "openvino " + library.version(), "{}", what);
}

int code_of(const Library& library, DType dtype) {
  const auto* found = std::ranges::find(kTypes, dtype);
  if (dtype == DType::kUndefined || found == std::end(kTypes))
    refuse(library, fmt::format("values of type {} cannot be passed to it", dtype_name(dtype)));
  return static_cast<int>(found - std::begin(kTypes));
}

DType dtype_of(const Library& library, int code) {
  const DType dtype =
      code < 0 || code >= static_cast<int>(std::size(kTypes)) ? DType::kUndefined : kTypes[code];
  if (dtype == DType::kUndefined) refuse(library, fmt::format("has values of element type {}", code));
  return dtype;
}

// Its CPU computes f64 in f32.
void refuse_doubles(const Library& library, const Graph& graph) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const Value& value = graph.value(static_cast<ValueId>(v));
    if (value.type.dtype == DType::kF64) refuse(library, "computes f64 in f32");
  }
}

Owned<Model> read_model(const Library& library, const Graph& graph, const OpsetImports& imports) {
  OpsetImports opsets = imports;
  for (const auto& [domain, range] : opset_ranges(graph)) {
    const bool upgraded = domain.empty() || domain.starts_with("ai.onnx");
    if (upgraded || !opsets.contains(domain)) opsets[domain] = range.newest;
  }
  int64_t& opset = opsets[""];
  opset = std::max(opset, kOldestOpset);
  const std::string bytes = write_onnx(graph, opsets);
  Model* model = nullptr;
  library.check(library.api().read_model(library.core(), bytes.data(), bytes.size(), nullptr, &model));
  return {model, library.api().free_model};
}

// One oag.Delegate node.
class ModelKernel final : public Kernel {
 public:
  ModelKernel(const Library& library, const Graph& body, const OpsetImports& imports, int threads,
              StopWatcher& watcher)
      : library_(library), watcher_(watcher), model_(nullptr, library.api().free_compiled_model) {
    const auto add = [&](std::vector<std::string>& names, ValueId id) {
      const Value& value = body.value(id);
      if (value.type.kind != TypeKind::kTensor) refuse(library, "takes and gives tensors alone");
      code_of(library, value.type.dtype);
      names.push_back(value.name);
    };
    for (const ValueId id : body.inputs) add(input_names_, id);
    for (const ValueId id : body.outputs) add(output_names_, id);
    refuse_doubles(library, body);
    const auto model = read_model(library, body, imports);
    CompiledModel* compiled = nullptr;
    // Without the second it computes in bfloat16 where the processor can.
    library.check(library.api().compile_model(library.core(), model.get(), "CPU", 4, &compiled,
                                              "INFERENCE_NUM_THREADS", std::to_string(threads).c_str(),
                                              "EXECUTION_MODE_HINT", "ACCURACY"));
    model_.reset(compiled);
    // Inputs that nothing needs are gone; outputs that are gone cannot be had.
    for (std::string& name : input_names_) {
      if (!has_port(library.api().input_named, name)) name.clear();
    }
    for (const std::string& name : output_names_) {
      if (!has_port(library.api().output_named, name)) refuse(library, "loses output " + name);
    }
  }

  void run(KernelContext& context) const override {
    const Api& api = library_.api();
    Owned<InferRequest> request = take_request();
    std::vector<Owned<OvTensor>> inputs;
    for (size_t i = 0; i < context.input_count(); ++i) {
      if (input_names_[i].empty()) continue;
      inputs.push_back(wrap(context.input(i)));
      library_.check(api.set_tensor(request.get(), input_names_[i].c_str(), inputs.back().get()));
    }
    int status = api.start(request.get());
    if (status == 0) {  // it can be cancelled only when it was started so
      const auto guard = watcher_.watch(context.env(), [&] { api.cancel(request.get()); });
      status = api.wait(request.get());
    }
    if (context.env().should_stop()) return;
    if (status != 0) context.refuse("openvino {}: {}", library_.version(), library_.last_error());
    for (size_t o = 0; o < context.output_count(); ++o) copy_output(context, o, *request);
    give_back(std::move(request));
  }

 private:
  bool has_port(int (*find)(const CompiledModel*, const char*, Port**), const std::string& name) const {
    Port* port = nullptr;
    if (find(model_.get(), name.c_str(), &port) != 0) return false;
    library_.api().free_port(port);
    return true;
  }

  Owned<OvTensor> wrap(const Tensor& tensor) const {
    Dims dims = tensor.dims();
    OvTensor* made = nullptr;
    static std::byte nothing[64];  // for tensors without elements, whose memory must be no null pointer
    void* data = tensor.data() == nullptr ? nothing : tensor.data();
    library_.check(library_.api().wrap_tensor(code_of(library_, tensor.dtype()),
                                              {static_cast<int64_t>(dims.size()), dims.data()}, data, &made));
    return {made, library_.api().free_tensor};
  }

  void copy_output(const KernelContext& context, size_t o, const InferRequest& request) const {
    const Api& api = library_.api();
    OvTensor* made = nullptr;
    library_.check(api.get_tensor(&request, output_names_[o].c_str(), &made));
    const Owned<OvTensor> tensor(made, api.free_tensor);
    int code = 0;
    OvShape shape = {};
    void* data = nullptr;
    library_.check(api.tensor_dtype(tensor.get(), &code));
    Dims dims;  // the interface has no shapes without dims: asking for one fails
    if (api.tensor_shape(tensor.get(), &shape) == 0) {
      dims.assign(shape.dims, shape.dims + shape.rank);
      api.free_shape(&shape);
    }
    const Tensor& output = context.allocate_output(o, dtype_of(library_, code), std::move(dims));
    if (output.size_bytes() == 0) return;
    library_.check(api.tensor_data(tensor.get(), &data));
    std::copy_n(static_cast<const std::byte*>(data), output.size_bytes(), output.data());
  }

  // A request serves one run at a time.
  Owned<InferRequest> take_request() const {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Owned<InferRequest> request = std::move(idle_.back());
        idle_.pop_back();
        return request;
      }
    }
    InferRequest* request = nullptr;
    library_.check(library_.api().create_request(model_.get(), &request));
    return {request, library_.api().free_request};
  }

  void give_back(Owned<InferRequest> request) const {
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(request));
  }

  const Library& library_;
  StopWatcher& watcher_;
  Owned<CompiledModel> model_;
  std::vector<std::string> input_names_, output_names_;
  mutable std::mutex mutex_;
  mutable std::vector<Owned<InferRequest>> idle_;
};

DeviceProperties describe(const Library& library) {
  return engine_properties("openvino@" + library.version(), library.path(), "");
}

std::vector<DeviceProperties> discover() {
  try {
    return {describe(Library::get())};
  } catch (const Error& error) {
    return {engine_properties("openvino", "another engine", error.what())};
  }
}

std::shared_ptr<GraphDevice> open(int threads) {
  return std::make_shared<OpenVinoDevice>(Library::get(), threads);
}

}  // namespace

OpenVinoDevice::OpenVinoDevice(const Library& library, int threads)
    : GraphDevice(describe(library)), library_(library), threads_(threads) {}

std::unique_ptr<Kernel> OpenVinoDevice::load(const Graph& body, const OpsetImports& imports) {
  return std::make_unique<ModelKernel>(library_, body, imports, threads_, watcher());
}

std::vector<ValueType> OpenVinoDevice::infer(const Graph& body, const OpsetImports& imports) {
  const Api& api = library_.api();
  const auto model = read_model(library_, body, imports);
  std::vector<ValueType> types;
  int count = 0;
  for (size_t o = 0; o < body.outputs.size(); ++o) {
    Port* made = nullptr;
    library_.check(api.model_output(model.get(), o, &made));
    const Owned<Port> port(made, api.free_port);
    int code = 0;
    OvPartialShape partial = {};
    library_.check(api.port_dtype(port.get(), &code));
    library_.check(api.port_shape(port.get(), &partial));
    std::optional<Shape> shape;
    if (partial.rank.least == partial.rank.most) shape.emplace();
    for (int64_t d = 0; shape && d < partial.rank.least; ++d) {
      const OvDim& dim = partial.dims[d];
      shape->push_back(dim.least == dim.most ? Dim(dim.least)
                                             : Dim::symbol(fmt::format("openvino.{}", count++)));
    }
    api.free_partial_shape(&partial);
    types.push_back(ValueType::tensor(dtype_of(library_, code), std::move(shape)));
  }
  return types;
}

extern constinit const Backend kOpenVinoBackend = {"openvino", nullptr, discover, open};

}  // namespace oag::openvino
