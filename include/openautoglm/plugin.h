// Custom operators as plugins of OpenAutoGLM, in C++20. A plugin is a shared library of sources like this
// one:
//
//   #include <openautoglm/plugin.h>
//
//   class DoubleKernel : public openautoglm::plugin::Kernel {
//    public:
//     void compute(openautoglm::plugin::KernelContext& context) const override {
//       const auto x = context.input(0).values<float>();
//       const auto y = context.output(0).values<float>();
//       for (size_t i = 0; i < x.size(); ++i) y[i] = 2 * x[i];
//     }
//   };
//
//   REGISTER_OPERATOR(Double)
//       .Domain("com.example")
//       .Input("X", "What is doubled")
//       .Output("Y", "Twice that")
//       .TypeConstraint("T", {openautoglm::plugin::DType::kFloat})
//       .ShapeFn(openautoglm::plugin::same_as_first_input)
//       .SetKernelFn([] { return new DoubleKernel(); });
//
// Nothing of the engine is linked. Exceptions of shape functions and kernels end the compile or run with
// their text. docs/plugins.md is the manual; plugin_abi.h is what crosses the edge, in C.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "openautoglm/plugin_abi.h"

namespace openautoglm::plugin {

// By their number in ONNX's TensorProto.DataType.
enum class DType : int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kFloat8E8M0 = 24,
};

using Dims = std::vector<int64_t>;

namespace detail {

template <typename T>
constexpr bool is_element(DType dtype) {
  switch (dtype) {
    case DType::kFloat: return std::is_same_v<T, float>;
    case DType::kDouble: return std::is_same_v<T, double>;
    case DType::kUint8: return std::is_same_v<T, uint8_t>;
    case DType::kInt8: return std::is_same_v<T, int8_t>;
    case DType::kInt16: return std::is_same_v<T, int16_t>;
    case DType::kInt32: return std::is_same_v<T, int32_t>;
    case DType::kUint32: return std::is_same_v<T, uint32_t>;
    case DType::kInt64: return std::is_same_v<T, int64_t>;
    case DType::kUint64: return std::is_same_v<T, uint64_t>;
    case DType::kBool: return std::is_same_v<T, bool> || std::is_same_v<T, uint8_t>;
    case DType::kUint16:
    case DType::kFloat16:  // the bits
    case DType::kBfloat16: return std::is_same_v<T, uint16_t>;
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FNUZ:
    case DType::kFloat8E8M0: return std::is_same_v<T, uint8_t>;
    default: return false;
  }
}

// What a function of the host that failed is answered with; the host knows the reason.
[[noreturn]] inline void host_failed(const char* what) {
  throw std::runtime_error(std::string("the engine refused ") + what);
}

// The one place where exceptions of the plugin become text.
template <typename F>
int32_t guarded(char* error, F&& work) noexcept {
  const auto tell = [error](const char* text) {
    std::strncpy(error, text, OAG_PLUGIN_ERROR_BYTES - 1);
    error[OAG_PLUGIN_ERROR_BYTES - 1] = '\0';
    return 1;
  };
  try {
    work();
    return 0;
  } catch (const std::exception& thrown) {
    return tell(thrown.what());
  } catch (...) {
    return tell("it threw something that is no std::exception");
  }
}

}  // namespace detail

// A dense row-major array that the engine owns, to be read.
class Tensor {
 public:
  explicit Tensor(const oag_tensor& tensor) : tensor_(tensor) {}

  DType dtype() const { return static_cast<DType>(tensor_.dtype); }
  std::span<const int64_t> dims() const { return {tensor_.dims, tensor_.rank}; }
  size_t rank() const { return tensor_.rank; }
  int64_t dim(size_t axis) const {
    if (axis >= tensor_.rank) throw std::out_of_range("a tensor has no such axis");
    return tensor_.dims[axis];
  }
  const void* data() const { return tensor_.data; }
  size_t size_bytes() const { return tensor_.size_bytes; }

  // Throws when elements are no T. float16 and bfloat16 are their bits, uint16_t.
  template <typename T>
  std::span<const T> values() const {
    return elements<T>();
  }

 protected:
  template <typename T>
  std::span<T> elements() const {
    static_assert(!std::is_const_v<T>, "name the element type alone");
    if (!detail::is_element<T>(dtype()))
      throw std::invalid_argument("a tensor of element type " + std::to_string(tensor_.dtype) +
                                  " (of ONNX's TensorProto) is used as another one");
    return {static_cast<T*>(tensor_.data), tensor_.size_bytes / sizeof(T)};
  }
  void* memory() const { return tensor_.data; }

 private:
  oag_tensor tensor_;
};

// One to be written.
class OutputTensor : public Tensor {
 public:
  using Tensor::Tensor;

  void* data() const { return memory(); }
  template <typename T>
  std::span<T> values() const {
    return elements<T>();
  }
};

enum class AttributeKind : oag_attribute_kind {
  kInt = OAG_ATTRIBUTE_INT,
  kFloat = OAG_ATTRIBUTE_FLOAT,
  kString = OAG_ATTRIBUTE_STRING,
  kInts = OAG_ATTRIBUTE_INTS,
  kFloats = OAG_ATTRIBUTE_FLOATS,
  kStrings = OAG_ATTRIBUTE_STRINGS,
  kTensor = OAG_ATTRIBUTE_TENSOR,
};

// No default: std::monostate.
using AttributeValue = std::variant<std::monostate, int64_t, float, std::string, std::vector<int64_t>,
                                    std::vector<float>, std::vector<std::string>>;

namespace detail {

struct AttributeDefinition {
  std::string name;
  std::string description;
  AttributeKind kind = AttributeKind::kInt;
  bool required = false;
  AttributeValue fallback;
};

}  // namespace detail

// A node of a model: which inputs it has, and its attributes.
class Node {
 public:
  Node(const oag_plugin_host& host, const oag_node* node,
       const std::vector<detail::AttributeDefinition>& attributes)
      : host_(host), node_(node), attributes_(attributes) {}

  size_t input_count() const { return host_.input_count(node_); }
  size_t output_count() const { return host_.output_count(node_); }
  bool has_input(size_t i) const { return host_.has_input(node_, i) != 0; }
  bool has_output(size_t i) const { return host_.has_output(node_, i) != 0; }
  bool has_attribute(const std::string& name) const {
    oag_attribute value = {};
    return find(name, value);
  }

  // The node's value, else the default of the registration. Throw where there is neither.
  int64_t int_attribute(const std::string& name) const {
    oag_attribute value = {};
    return find(name, value, OAG_ATTRIBUTE_INT) ? value.int_value : fallback<int64_t>(name);
  }
  float float_attribute(const std::string& name) const {
    oag_attribute value = {};
    return find(name, value, OAG_ATTRIBUTE_FLOAT) ? value.float_value : fallback<float>(name);
  }
  std::string string_attribute(const std::string& name) const {
    oag_attribute value = {};
    return find(name, value, OAG_ATTRIBUTE_STRING) ? std::string(value.text, value.count)
                                                   : fallback<std::string>(name);
  }
  std::vector<int64_t> ints_attribute(const std::string& name) const {
    oag_attribute value = {};
    if (!find(name, value, OAG_ATTRIBUTE_INTS)) return fallback<std::vector<int64_t>>(name);
    return {value.ints, value.ints + value.count};
  }
  std::vector<float> floats_attribute(const std::string& name) const {
    oag_attribute value = {};
    if (!find(name, value, OAG_ATTRIBUTE_FLOATS)) return fallback<std::vector<float>>(name);
    return {value.floats, value.floats + value.count};
  }
  std::vector<std::string> strings_attribute(const std::string& name) const {
    oag_attribute value = {};
    if (!find(name, value, OAG_ATTRIBUTE_STRINGS)) return fallback<std::vector<std::string>>(name);
    std::vector<std::string> strings;
    for (size_t i = 0; i < value.count; ++i) {
      size_t size = 0;
      const char* text = host_.attribute_string(node_, name.c_str(), i, &size);
      strings.emplace_back(text, size);
    }
    return strings;
  }
  Tensor tensor_attribute(const std::string& name) const {
    oag_tensor tensor = {};
    tensor.struct_size = sizeof(tensor);
    if (host_.attribute_tensor(node_, name.c_str(), &tensor) == 0) missing(name);
    return Tensor(tensor);
  }

 protected:
  const oag_plugin_host& host() const { return host_; }

 private:
  bool find(const std::string& name, oag_attribute& value, int32_t kind = -1) const {
    value.struct_size = sizeof(value);
    return host_.attribute(node_, name.c_str(), &value) != 0 && (kind < 0 || value.kind == kind);
  }

  template <typename T>
  T fallback(const std::string& name) const {
    for (const detail::AttributeDefinition& attribute : attributes_) {
      if (attribute.name != name) continue;
      if (const T* value = std::get_if<T>(&attribute.fallback)) return *value;
    }
    missing(name);
  }

  [[noreturn]] static void missing(const std::string& name) {
    throw std::invalid_argument("there is no attribute " + name + " of the type that is asked for");
  }

  const oag_plugin_host& host_;
  const oag_node* node_;
  const std::vector<detail::AttributeDefinition>& attributes_;
};

// --- shapes ---

// One dim of a shape: a number, or an expression over dims that only runs know. It lives within one call of a
// shape function.
class Dim {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): 4 and a dim of an input read the same in a shape
  Dim(int64_t value = 0) : dim_{value, 0} {}
  Dim(const oag_plugin_host& host, oag_shapes* shapes, oag_dim dim)
      : host_(&host), shapes_(shapes), dim_(dim) {}

  bool is_known() const { return dim_.symbol == 0; }
  int64_t value() const {
    if (!is_known()) throw std::logic_error("the dim is known in runs alone");
    return dim_.value;
  }
  const oag_dim& raw() const { return dim_; }

  friend Dim operator+(const Dim& a, const Dim& b) { return compute(OAG_DIM_ADD, a, b); }
  friend Dim operator-(const Dim& a, const Dim& b) { return compute(OAG_DIM_SUBTRACT, a, b); }
  friend Dim operator*(const Dim& a, const Dim& b) { return compute(OAG_DIM_MULTIPLY, a, b); }
  friend Dim floor_div(const Dim& a, const Dim& b) { return compute(OAG_DIM_FLOOR_DIVIDE, a, b); }
  friend Dim ceil_div(const Dim& a, const Dim& b) { return compute(OAG_DIM_CEIL_DIVIDE, a, b); }
  friend Dim min(const Dim& a, const Dim& b) { return compute(OAG_DIM_MIN, a, b); }
  friend Dim max(const Dim& a, const Dim& b) { return compute(OAG_DIM_MAX, a, b); }

 private:
  static Dim compute(oag_dim_operation operation, const Dim& a, const Dim& b) {
    const Dim& owner = a.host_ != nullptr ? a : b;
    if (owner.host_ == nullptr) throw std::logic_error("numbers of a shape function are computed as int64_t");
    oag_dim result = {};
    if (owner.host_->compute_dim(owner.shapes_, operation, a.dim_, b.dim_, &result) == 0)
      detail::host_failed("to compute a dim");
    return {*owner.host_, owner.shapes_, result};
  }

  const oag_plugin_host* host_ = nullptr;
  oag_shapes* shapes_ = nullptr;
  oag_dim dim_;
};

using Shape = std::vector<Dim>;

// What a shape function sees, and sets: the type of each output. Outputs that it does not set have dims that
// depend on data, and the element type of their type variable.
class ShapeContext : public Node {
 public:
  ShapeContext(const oag_plugin_host& host, const oag_node* node, oag_shapes* shapes,
               const std::vector<detail::AttributeDefinition>& attributes)
      : Node(host, node, attributes), shapes_(shapes) {}

  DType dtype(size_t input) const {
    const int32_t dtype = host().input_dtype(shapes_, input);
    if (dtype == 0) detail::host_failed("to tell the type of an input");
    return static_cast<DType>(dtype);
  }
  bool has_rank(size_t input) const { return host().input_rank(shapes_, input) >= 0; }
  // Throws when the rank is unknown.
  Shape shape(size_t input) const {
    const int64_t rank = host().input_rank(shapes_, input);
    if (rank < 0) throw std::invalid_argument("input " + std::to_string(input) + " has no known rank");
    Shape shape;
    for (size_t axis = 0; axis < static_cast<size_t>(rank); ++axis) {
      oag_dim dim = {};
      if (host().input_dim(shapes_, input, axis, &dim) == 0) detail::host_failed("to tell a dim");
      shape.emplace_back(host(), shapes_, dim);
    }
    return shape;
  }
  // The content of an input that is a constant of int32 or int64.
  bool constant_ints(size_t input, std::vector<int64_t>& values) const {
    const int64_t* data = nullptr;
    size_t count = 0;
    if (host().input_ints(shapes_, input, &data, &count) == 0) return false;
    values.assign(data, data + count);
    return true;
  }

  // A dim that the kernel will know; equal to no other.
  Dim new_dim(const std::string& hint) {
    oag_dim dim = {};
    if (host().new_dim(shapes_, hint.c_str(), &dim) == 0) detail::host_failed("a new dim");
    return {host(), shapes_, dim};
  }
  void set_output(size_t output, DType dtype, const Shape& shape) {
    std::vector<oag_dim> dims;
    for (const Dim& dim : shape) dims.push_back(dim.raw());
    if (host().set_output(shapes_, output, static_cast<int32_t>(dtype), static_cast<int64_t>(dims.size()),
                          dims.data()) == 0)
      detail::host_failed("the type of an output");
  }
  // Not even the rank is known before the kernel ran.
  void set_output(size_t output, DType dtype) {
    if (host().set_output(shapes_, output, static_cast<int32_t>(dtype), -1, nullptr) == 0)
      detail::host_failed("the type of an output");
  }

 private:
  oag_shapes* shapes_;
};

// A shape function: the first output is as the first input.
inline void same_as_first_input(ShapeContext& context) {
  if (context.has_rank(0)) {
    context.set_output(0, context.dtype(0), context.shape(0));
  } else {
    context.set_output(0, context.dtype(0));
  }
}

// --- kernels ---

// One execution of a node.
class KernelContext : public Node {
 public:
  KernelContext(const oag_plugin_host& host, const oag_node* node, oag_run* run,
                const std::vector<detail::AttributeDefinition>& attributes)
      : Node(host, node, attributes), run_(run) {}

  // Throws when the input is left out.
  Tensor input(size_t i) const {
    oag_tensor tensor = {};
    tensor.struct_size = sizeof(tensor);
    if (host().input(run_, i, &tensor) == 0) detail::host_failed("an input that the node lacks");
    return Tensor(tensor);
  }
  // Of the dims that the shape function said. Throws when they depend on data.
  OutputTensor output(size_t i) const {
    oag_tensor tensor = {};
    tensor.struct_size = sizeof(tensor);
    if (host().output(run_, i, &tensor) == 0)
      detail::host_failed("an output whose dims it does not know: allocate_output gives it memory");
    return OutputTensor(tensor);
  }
  // Once for an output, whose dims may depend on data; they have to agree with what the shape function knew.
  OutputTensor allocate_output(size_t i, DType dtype, const Dims& dims) const {
    oag_tensor tensor = {};
    tensor.struct_size = sizeof(tensor);
    if (host().allocate_output(run_, i, static_cast<int32_t>(dtype), dims.size(), dims.data(), &tensor) == 0)
      detail::host_failed("memory for an output");
    return OutputTensor(tensor);
  }

  // Scratch memory until the kernel returns, not initialised; each call gives a further piece.
  template <typename T>
  std::span<T> workspace(size_t count) const {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 64);
    const size_t bytes = count > SIZE_MAX / sizeof(T) ? SIZE_MAX : count * sizeof(T);
    void* memory = host().workspace(run_, bytes);
    if (memory == nullptr) detail::host_failed("workspace");
    return {static_cast<T*>(memory), count};
  }

  // Whether the run was cancelled or is past its deadline: the kernel returns, its outputs do not matter.
  bool should_stop() const { return host().should_stop(run_) != 0; }
  int workers() const { return host().workers(run_); }

  // Calls tile(i, worker) for i below `tiles` on the engine's threads; `ns_per_tile` is an estimate. False:
  // the run was stopped, the kernel returns. The first exception of a tile is thrown here. A tile takes no
  // memory of the context and calls no parallel_for.
  template <typename Tile>
  bool parallel_for(int64_t tiles, int64_t ns_per_tile, Tile&& tile) const {
    struct State {
      std::remove_reference_t<Tile>& tile;
      std::atomic<bool> failed{false};
      std::exception_ptr error;
    } state{tile, {}, {}};
    const auto call = [](void* data, int64_t i, int32_t worker) noexcept {
      State& shared = *static_cast<State*>(data);
      if (shared.failed.load(std::memory_order_relaxed)) return;
      try {
        shared.tile(i, static_cast<int>(worker));
      } catch (...) {
        if (!shared.failed.exchange(true)) shared.error = std::current_exception();
      }
    };
    const bool done = host().parallel_for(run_, tiles, ns_per_tile, call, &state) != 0;
    if (state.error) std::rethrow_exception(state.error);
    return done;
  }

 private:
  oag_run* run_;
};

// What computes. One object is made for each node of a compiled model, and several threads call it at once.
class Kernel {
 public:
  virtual ~Kernel() = default;
  // Called once, before the first run: attributes are best read here.
  virtual void prepare(const Node& /*node*/) {}
  virtual void compute(KernelContext& context) const = 0;
};

// --- registration ---

namespace detail {

struct ParameterDefinition {
  std::string name, description, type_variable;
  bool optional = false, variadic = false;
};

struct Definition;

struct KernelDefinition {
  const Definition* owner = nullptr;
  std::string device;
  std::function<std::unique_ptr<Kernel>()> make;
  oag_kernel shown = {};

  const oag_kernel* show(const Definition& of);
};

// A registered operator, and the C structs that show it. It stays where it is: they point into it.
struct Definition {
  std::string name, domain = "custom", description;
  bool deterministic = true;
  std::vector<ParameterDefinition> inputs, outputs;
  std::vector<AttributeDefinition> attributes;
  std::vector<std::pair<std::string, uint64_t>> type_constraints;
  std::function<void(ShapeContext&)> shapes;
  std::vector<KernelDefinition> kernels;

  std::vector<oag_parameter> input_structs, output_structs;
  std::vector<oag_attribute_spec> attribute_structs;
  std::vector<const oag_kernel*> kernel_structs;
  oag_operator operator_struct = {};

  uint64_t dtypes_of(const std::string& variable) const {
    for (const auto& [name, dtypes] : type_constraints) {
      if (name == variable) return dtypes;
    }
    return ~uint64_t{0};
  }

  std::vector<oag_parameter> show(const std::vector<ParameterDefinition>& parameters) const {
    std::vector<oag_parameter> structs;
    for (const ParameterDefinition& each : parameters) {
      structs.push_back({each.name.c_str(), each.description.c_str(), each.type_variable.c_str(),
                         dtypes_of(each.type_variable), each.optional ? 1 : 0, each.variadic ? 1 : 0});
    }
    return structs;
  }

  const oag_operator* show();
};

// A kernel and what it was made from.
struct KernelHolder {
  const Definition& definition;
  std::unique_ptr<Kernel> kernel;
};

inline int32_t infer_shapes(const void* state, const oag_plugin_host* host, const oag_node* node,
                            oag_shapes* shapes, char* error) {
  return guarded(error, [&] {
    const auto& definition = *static_cast<const Definition*>(state);
    ShapeContext context(*host, node, shapes, definition.attributes);
    definition.shapes(context);
  });
}

inline int32_t create_kernel(const void* state, const oag_plugin_host* host, const oag_node* node,
                             void** kernel, char* error) {
  return guarded(error, [&] {
    const auto& definition = *static_cast<const KernelDefinition*>(state);
    auto holder = std::make_unique<KernelHolder>(KernelHolder{*definition.owner, definition.make()});
    if (holder->kernel == nullptr) throw std::runtime_error("its kernel function returned null");
    holder->kernel->prepare(Node(*host, node, definition.owner->attributes));
    *kernel = holder.release();
  });
}

inline int32_t compute(void* kernel, const oag_plugin_host* host, const oag_node* node, oag_run* run,
                       char* error) {
  return guarded(error, [&] {
    const auto& holder = *static_cast<const KernelHolder*>(kernel);
    KernelContext context(*host, node, run, holder.definition.attributes);
    holder.kernel->compute(context);
  });
}

inline void destroy_kernel(void* kernel) {
  char error[OAG_PLUGIN_ERROR_BYTES];
  guarded(error, [&] { delete static_cast<KernelHolder*>(kernel); });
}

inline const oag_kernel* KernelDefinition::show(const Definition& of) {
  owner = &of;
  shown = {sizeof(oag_kernel), device.c_str(), this, create_kernel, compute, destroy_kernel};
  return &shown;
}

inline const oag_operator* Definition::show() {
  input_structs = show(inputs);
  output_structs = show(outputs);
  attribute_structs.clear();
  for (const AttributeDefinition& each : attributes)
    attribute_structs.push_back({each.name.c_str(), each.description.c_str(),
                                 static_cast<oag_attribute_kind>(each.kind), each.required ? 1 : 0});
  kernel_structs.clear();
  for (KernelDefinition& each : kernels) kernel_structs.push_back(each.show(*this));
  operator_struct.struct_size = sizeof(oag_operator);
  operator_struct.domain = domain.c_str();
  operator_struct.name = name.c_str();
  operator_struct.description = description.c_str();
  operator_struct.input_count = input_structs.size();
  operator_struct.inputs = input_structs.data();
  operator_struct.output_count = output_structs.size();
  operator_struct.outputs = output_structs.data();
  operator_struct.attribute_count = attribute_structs.size();
  operator_struct.attributes = attribute_structs.data();
  operator_struct.deterministic = deterministic ? 1 : 0;
  operator_struct.state = this;
  operator_struct.shapes = shapes ? infer_shapes : nullptr;
  operator_struct.kernel_count = kernel_structs.size();
  operator_struct.kernels = kernel_structs.data();
  return &operator_struct;
}

// Of this library alone: were the symbol visible, the dynamic linker would give all plugins one list.
__attribute__((visibility("hidden"))) inline std::vector<std::unique_ptr<Definition>>& definitions() {
  static std::vector<std::unique_ptr<Definition>> all;
  return all;
}

// The plugin as the engine sees it, made once.
__attribute__((visibility("hidden"))) inline const oag_plugin* show_plugin() {
  static const std::vector<const oag_operator*> operators = [] {
    std::vector<const oag_operator*> shown;
    for (const auto& definition : definitions()) shown.push_back(definition->show());
    return shown;
  }();
  static const oag_plugin plugin = {sizeof(oag_plugin), OAG_PLUGIN_ABI_VERSION, operators.size(),
                                    operators.data()};
  return &plugin;
}

}  // namespace detail

// Describes an operator; REGISTER_OPERATOR makes one. Parameters without a type variable of their own are of
// "T".
class Operator {
 public:
  explicit Operator(std::string name) { definition_->name = std::move(name); }

  Operator& Domain(std::string domain) {  // default: "custom"
    definition_->domain = std::move(domain);
    return *this;
  }
  Operator& Doc(std::string description) {
    definition_->description = std::move(description);
    return *this;
  }
  Operator& Input(std::string name, std::string description, std::string type_variable = "T") {
    definition_->inputs.push_back({std::move(name), std::move(description), std::move(type_variable)});
    return *this;
  }
  Operator& OptionalInput(std::string name, std::string description, std::string type_variable = "T") {
    Input(std::move(name), std::move(description), std::move(type_variable));
    definition_->inputs.back().optional = true;
    return *this;
  }
  // One or more; the last input only. Those of the type variable "" may differ in their types.
  Operator& VariadicInput(std::string name, std::string description, std::string type_variable = "T") {
    Input(std::move(name), std::move(description), std::move(type_variable));
    definition_->inputs.back().variadic = true;
    return *this;
  }
  Operator& Output(std::string name, std::string description, std::string type_variable = "T") {
    definition_->outputs.push_back({std::move(name), std::move(description), std::move(type_variable)});
    return *this;
  }
  Operator& VariadicOutput(std::string name, std::string description, std::string type_variable = "T") {
    Output(std::move(name), std::move(description), std::move(type_variable));
    definition_->outputs.back().variadic = true;
    return *this;
  }
  Operator& OptionalOutput(std::string name, std::string description, std::string type_variable = "T") {
    Output(std::move(name), std::move(description), std::move(type_variable));
    definition_->outputs.back().optional = true;
    return *this;
  }

  // An attribute that nodes may leave out, with its default. Its type is the default's.
  template <typename T>
  Operator& Attr(std::string name, std::string description, T fallback) {
    if constexpr (std::is_integral_v<T>) {
      return add_attribute(std::move(name), std::move(description), AttributeKind::kInt,
                           static_cast<int64_t>(fallback));
    } else if constexpr (std::is_floating_point_v<T>) {
      return add_attribute(std::move(name), std::move(description), AttributeKind::kFloat,
                           static_cast<float>(fallback));
    } else if constexpr (std::is_convertible_v<T, std::string>) {
      return add_attribute(std::move(name), std::move(description), AttributeKind::kString,
                           std::string(std::move(fallback)));
    } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
      return add_attribute(std::move(name), std::move(description), AttributeKind::kInts,
                           std::move(fallback));
    } else if constexpr (std::is_same_v<T, std::vector<float>>) {
      return add_attribute(std::move(name), std::move(description), AttributeKind::kFloats,
                           std::move(fallback));
    } else {
      static_assert(std::is_same_v<T, std::vector<std::string>>, "no attribute of ONNX has such a type");
      return add_attribute(std::move(name), std::move(description), AttributeKind::kStrings,
                           std::move(fallback));
    }
  }
  Operator& RequiredAttr(std::string name, std::string description, AttributeKind kind) {
    add_attribute(std::move(name), std::move(description), kind, std::monostate());
    definition_->attributes.back().required = true;
    return *this;
  }
  // May be left out and has no default.
  Operator& OptionalAttr(std::string name, std::string description, AttributeKind kind) {
    return add_attribute(std::move(name), std::move(description), kind, std::monostate());
  }

  // The element types of a type variable; without this, all that a plugin can have.
  Operator& TypeConstraint(std::string type_variable, std::initializer_list<DType> dtypes) {
    uint64_t bits = 0;
    for (const DType dtype : dtypes) bits |= uint64_t{1} << static_cast<int32_t>(dtype);
    definition_->type_constraints.emplace_back(std::move(type_variable), bits);
    return *this;
  }
  // Equal inputs may give other outputs: random numbers, the time.
  Operator& NotDeterministic() {
    definition_->deterministic = false;
    return *this;
  }
  // void(ShapeContext&)
  Operator& ShapeFn(std::function<void(ShapeContext&)> shapes) {
    definition_->shapes = std::move(shapes);
    return *this;
  }
  // Returns a new Kernel, which the engine's side owns. An operator may have one for each kind of device; the
  // engine takes that of the device it computes on.
  template <typename F>
  Operator& SetKernelFn(F make, std::string device = "cpu") {
    definition_->kernels.push_back({nullptr,
                                    std::move(device),
                                    [make = std::move(make)] { return std::unique_ptr<Kernel>(make()); },
                                    {}});
    return *this;
  }

 private:
  friend class Registration;

  Operator& add_attribute(std::string name, std::string description, AttributeKind kind,
                          AttributeValue fallback) {
    definition_->attributes.push_back(
        {std::move(name), std::move(description), kind, false, std::move(fallback)});
    return *this;
  }

  std::unique_ptr<detail::Definition> definition_ = std::make_unique<detail::Definition>();
};

class Registration {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): REGISTER_OPERATOR ends in an Operator
  Registration(Operator& described) { detail::definitions().push_back(std::move(described.definition_)); }
};

}  // namespace openautoglm::plugin

// Names in REGISTER_OPERATOR are those of nodes' op_type.
#define REGISTER_OPERATOR(name)                                                             \
  [[maybe_unused]] static const ::openautoglm::plugin::Registration oag_registered_##name = \
      ::openautoglm::plugin::Operator(#name).Doc("")

// Every source file brings it along, the linker keeps one.
extern "C" __attribute__((used, visibility("default"))) inline const oag_plugin* oag_plugin_entry(
    const oag_plugin_host* host) {
  if (host == nullptr || host->abi_version != OAG_PLUGIN_ABI_VERSION ||
      host->struct_size < sizeof(oag_plugin_host))
    return nullptr;
  try {
    return openautoglm::plugin::detail::show_plugin();
  } catch (...) {
    return nullptr;
  }
}
