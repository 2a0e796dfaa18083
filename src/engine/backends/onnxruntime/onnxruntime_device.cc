#include "engine/backends/onnxruntime/onnxruntime_device.h"

#include "base/error.h"
#include "engine/backends/onnxruntime/onnxruntime_model.h"
#include "engine/backends/onnxruntime/onnxruntime_values.h"
#include "engine/ops/onnx_dtype.h"

namespace oag::onnxruntime {
namespace {

// A sequence of no tensors, which only a model makes; null for other types.
Owned<Value> make_empty_sequence(const Library& library, const ValueType& type) {
  const Api& api = library.api();
  Value* made = nullptr;
  if (type.kind == TypeKind::kSequence && type.element->kind == TypeKind::kTensor) {
    Graph graph("empty");
    const ValueId output =
        graph.add("", "SequenceEmpty", {}, {{"dtype", onnx_from_dtype(type.element->dtype)}});
    graph.value(output).type = type;
    graph.outputs.push_back(output);
    const Model model(library, graph, {}, 1);
    const char* name = graph.value(output).name.c_str();
    library.check(api.run(model.session(), nullptr, nullptr, nullptr, 0, &name, 1, &made));
  }
  return {made, api.release_value.function};
}

// One oag.Delegate node.
class ModelKernel final : public Kernel {
 public:
  ModelKernel(const Library& library, const Graph& body, const OpsetImports& imports, int threads,
              StopWatcher& watcher)
      : model_(library, body, imports, threads), watcher_(watcher) {
    for (const ValueId id : body.inputs) {
      input_names_.push_back(body.value(id).name);
      empty_.push_back(make_empty_sequence(library, body.value(id).type));
    }
    for (const ValueId id : body.outputs) {
      output_names_.push_back(body.value(id).name);
      output_types_.push_back(body.value(id).type);
    }
  }

  void run(KernelContext& context) const override {
    const Library& library = model_.library();
    const Api& api = library.api();
    std::vector<Owned<Value>> inputs = wrap_inputs(context), given = wrap_outputs(context);
    std::vector<Value*> outputs;
    for (const Owned<Value>& value : given) outputs.push_back(value.get());
    const auto options = library.make<RunOptions>(api.create_run_options, api.release_run_options);
    Status* status = nullptr;
    {
      const auto guard = watcher_.watch(context.env(), [&] {
        if (Status* refused = api.set_terminate(options.get())) api.release_status(refused);
      });
      status =
          api.run(model_.session(), options.get(), names(input_names_).data(), input_pointers(inputs).data(),
                  inputs.size(), names(output_names_).data(), outputs.size(), outputs.data());
    }
    std::vector<Owned<Value>> made;
    for (size_t o = 0; o < outputs.size(); ++o)
      made.emplace_back(given[o] == nullptr ? outputs[o] : nullptr, api.release_value.function);
    if (status != nullptr && context.env().should_stop()) {
      api.release_status(status);
      return;
    }
    if (status != nullptr) context.refuse("onnxruntime {}: {}", library.version(), library.text_of(status));
    for (size_t o = 0; o < outputs.size(); ++o) {
      if (made[o] != nullptr)
        context.set_output(o, from_value(library, std::move(made[o]), output_types_[o]));
    }
  }

 private:
  std::vector<const Value*> input_pointers(const std::vector<Owned<Value>>& inputs) const {
    std::vector<const Value*> all;
    for (size_t i = 0; i < inputs.size(); ++i)
      all.push_back(inputs[i] == nullptr ? empty_[i].get() : inputs[i].get());
    return all;
  }

  static std::vector<const char*> names(const std::vector<std::string>& texts) {
    std::vector<const char*> all;
    for (const std::string& text : texts) all.push_back(text.c_str());
    return all;
  }

  // Null for empty sequences.
  std::vector<Owned<Value>> wrap_inputs(const KernelContext& context) const {
    std::vector<Owned<Value>> values;
    for (size_t i = 0; i < context.input_count(); ++i) {
      const bool empty = empty_[i] != nullptr && context.input(i).count() == 0;
      values.push_back(empty ? Owned<Value>(nullptr, model_.library().api().release_value.function)
                             : to_value(model_.library(), context.input(i)));
    }
    return values;
  }

  // Null where the library is to make the value: dims that depend on data, strings and containers.
  std::vector<Owned<Value>> wrap_outputs(const KernelContext& context) const {
    std::vector<Owned<Value>> values;
    for (size_t o = 0; o < context.output_count(); ++o) {
      const Tensor& output = context.output(o);
      values.push_back(output.defined() && !is_object(output.dtype())
                           ? to_value(model_.library(), output)
                           : Owned<Value>(nullptr, model_.library().api().release_value.function));
    }
    return values;
  }

  Model model_;
  StopWatcher& watcher_;
  std::vector<std::string> input_names_, output_names_;
  std::vector<Owned<Value>> empty_;  // of each input that is a sequence
  std::vector<ValueType> output_types_;
};

std::shared_ptr<GraphDevice> open(int threads) {
  return std::make_shared<OnnxRuntimeDevice>(Library::get(), threads);
}

DeviceProperties describe(const Library& library) {
  return engine_properties("onnxruntime@" + library.version(), library.path(), "");
}

std::vector<DeviceProperties> discover() {
  try {
    return {describe(Library::get())};
  } catch (const Error& error) {
    return {engine_properties("onnxruntime", "another engine", error.what())};
  }
}

}  // namespace

OnnxRuntimeDevice::OnnxRuntimeDevice(const Library& library, int threads)
    : GraphDevice(describe(library)), library_(library), threads_(threads) {}

std::unique_ptr<Kernel> OnnxRuntimeDevice::load(const Graph& body, const OpsetImports& imports) {
  return std::make_unique<ModelKernel>(library_, body, imports, threads_, watcher());
}

std::vector<ValueType> OnnxRuntimeDevice::infer(const Graph& body, const OpsetImports& imports) {
  const Api& api = library_.api();
  const Model model(library_, body, imports, 1);
  std::map<std::string, Dim, std::less<>> known;  // dims of the inputs, by the names that they have there
  for (const ValueId id : body.inputs) {
    if (const auto& shape = body.value(id).type.shape) {
      for (const Dim& dim : *shape) known.emplace(dim.to_string(), dim);
    }
  }
  std::vector<ValueType> types;
  for (size_t o = 0; o < body.outputs.size(); ++o) {
    const auto info =
        library_.make<TypeInfo>(api.session_output_type, api.release_type_info, model.session(), o);
    int count = 0;
    types.push_back(type_of(library_, info.get(), [&](int64_t size, std::string_view symbol) {
      if (size >= 0) return Dim(size);
      if (const auto found = known.find(symbol); found != known.end()) return found->second;
      return Dim::symbol(
          fmt::format("{}.{}.{}", body.value(body.outputs[o]).name, library_.version(), count++));
    }));
  }
  return types;
}

extern constinit const Backend kOnnxRuntimeBackend = {"onnxruntime", nullptr, discover, open};

}  // namespace oag::onnxruntime
