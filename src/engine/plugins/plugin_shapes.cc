#include "engine/plugins/plugin_shapes.h"

#include <deque>
#include <vector>

#include "engine/ops/onnx_dtype.h"
#include "engine/plugins/plugin_call.h"
#include "engine/plugins/plugin_node.h"

using oag::Dim;
using oag::DType;

// One call of a shape function.
struct oag_shapes {
  const oag::PluginOperator& op;
  oag::InferenceContext& context;
  std::vector<Dim> symbols;               // symbol n of the plugin is the one at n - 1
  std::deque<std::vector<int64_t>> ints;  // of constants that were asked for
  std::vector<bool> set;                  // outputs
  int new_dims = 0;
  oag::HostFailure failure;

  // Whether the input is there; a failure else.
  bool has(size_t input) {
    if (!context.has_input(input))
      failure.set(fmt::format("its shape function asked for input {}, which the node lacks", input));
    return context.has_input(input);
  }
  oag_dim show(const Dim& dim) {
    if (dim.is_constant()) return {dim.constant(), 0};
    symbols.push_back(dim);
    return {0, static_cast<int64_t>(symbols.size())};
  }
  // The dim that the plugin means; a failure for what no plugin was given.
  std::optional<Dim> read(const oag_dim& dim) {
    if (dim.symbol == 0) return Dim(dim.value);
    if (dim.symbol > 0 && static_cast<size_t>(dim.symbol) <= symbols.size())
      return symbols[static_cast<size_t>(dim.symbol) - 1];
    failure.set(fmt::format("its shape function made up a symbol, {}", dim.symbol));
    return std::nullopt;
  }
};

namespace oag {
namespace {

// The element type that the inputs give to a type variable.
std::optional<DType> bound_dtype(const PluginOperator& op, const InferenceContext& context,
                                 std::string_view variable) {
  const auto& formal = op.schema().inputs;
  for (size_t i = 0; i < context.input_count() && !formal.empty(); ++i) {
    if (context.has_input(i) && !variable.empty() &&
        formal[std::min(i, formal.size() - 1)].type_variable == variable)
      return context.dtype(i);
  }
  return std::nullopt;
}

int32_t input_dtype(oag_shapes* shapes, size_t input) {
  return shapes->failure.guard([&]() -> int32_t {
    return shapes->has(input) ? static_cast<int32_t>(onnx_from_dtype(shapes->context.dtype(input))) : 0;
  });
}

int64_t input_rank(oag_shapes* shapes, size_t input) {
  return shapes->failure.guard([&]() -> int64_t {
    if (!shapes->has(input) || !shapes->context.has_shape(input)) return -1;
    return static_cast<int64_t>(shapes->context.shape(input).size());
  });
}

int32_t input_dim(oag_shapes* shapes, size_t input, size_t axis, oag_dim* dim) {
  return shapes->failure.guard([&]() -> int32_t {
    const int64_t rank = input_rank(shapes, input);
    if (rank < 0 || axis >= static_cast<size_t>(rank))
      return shapes->failure.set(fmt::format("its shape function asked for axis {} of input {}, which has {}",
                                             axis, input,
                                             rank < 0 ? "no known rank" : fmt::format("{} dims", rank)));
    *dim = shapes->show(shapes->context.shape(input)[axis]);
    return 1;
  });
}

int32_t input_ints(oag_shapes* shapes, size_t input, const int64_t** values, size_t* count) {
  return shapes->failure.guard([&]() -> int32_t {
    auto ints = shapes->context.constant_ints(input);
    if (!ints) return 0;
    const std::vector<int64_t>& kept = shapes->ints.emplace_back(std::move(*ints));
    *values = kept.data();
    *count = kept.size();
    return 1;
  });
}

std::optional<Dim> compute(oag_dim_operation operation, const Dim& a, const Dim& b) {
  switch (operation) {
    case OAG_DIM_ADD: return a + b;
    case OAG_DIM_SUBTRACT: return a - b;
    case OAG_DIM_MULTIPLY: return a * b;
    case OAG_DIM_FLOOR_DIVIDE: return floor_div(a, b);
    case OAG_DIM_CEIL_DIVIDE: return ceil_div(a, b);
    case OAG_DIM_MIN: return min(a, b);
    case OAG_DIM_MAX: return max(a, b);
    default: return std::nullopt;
  }
}

int32_t compute_dim(oag_shapes* shapes, oag_dim_operation operation, oag_dim left, oag_dim right,
                    oag_dim* dim) {
  return shapes->failure.guard([&]() -> int32_t {
    const auto a = shapes->read(left), b = shapes->read(right);
    if (!a || !b) return 0;
    const bool divides = operation == OAG_DIM_FLOOR_DIVIDE || operation == OAG_DIM_CEIL_DIVIDE;
    if (divides && *b == Dim(0)) return shapes->failure.set("its shape function divides a dim by 0");
    const auto result = compute(operation, *a, *b);
    if (!result)
      return shapes->failure.set(fmt::format("its shape function computes by operation {}", operation));
    *dim = shapes->show(*result);
    return 1;
  });
}

int32_t new_dim(oag_shapes* shapes, const char* hint, oag_dim* dim) {
  return shapes->failure.guard([&]() -> int32_t {
    const std::string name = hint == nullptr ? "d" : one_line(hint);
    *dim = shapes->show(shapes->context.fresh_dim(fmt::format("{}{}", name, shapes->new_dims++)));
    return 1;
  });
}

// Empty when the element type may stand there.
std::string wrong_dtype(const oag_shapes& shapes, size_t output, int32_t code) {
  const Parameter& formal = shapes.op.formal_output(output);
  const auto dtype = dtype_from_onnx(code);
  if (!dtype || !formal.dtypes.contains(*dtype))
    return fmt::format("its shape function says that output {} is {}, which its registration excludes",
                       formal.name,
                       dtype ? std::string(dtype_name(*dtype)) : fmt::format("of element type {}", code));
  const auto bound = bound_dtype(shapes.op, shapes.context, formal.type_variable);
  if (bound && *bound != *dtype)
    return fmt::format("its shape function says that output {} is {}, but {} is {} by an input", formal.name,
                       dtype_name(*dtype), formal.type_variable, dtype_name(*bound));
  return "";
}

int32_t set_output(oag_shapes* shapes, size_t output, int32_t code, int64_t rank, const oag_dim* dims) {
  return shapes->failure.guard([&]() -> int32_t {
    const bool variadic = shapes->op.schema().outputs.back().variadic;
    if (!variadic && output >= shapes->op.schema().outputs.size())
      return shapes->failure.set(fmt::format("its shape function sets output {}, it has {}", output,
                                             shapes->op.schema().outputs.size()));
    if (std::string wrong = wrong_dtype(*shapes, output, code); !wrong.empty())
      return shapes->failure.set(std::move(wrong));
    std::string_view name = shapes->op.formal_output(output).name;
    if (rank > OAG_PLUGIN_MOST_DIMS)
      return shapes->failure.set(fmt::format("its shape function gives output {} {} dims, {} are the most",
                                             name, rank, OAG_PLUGIN_MOST_DIMS));
    if (rank > 0 && dims == nullptr)
      return shapes->failure.set(fmt::format("its shape function gives output {} no dims", name));
    std::optional<Shape> shape;
    if (rank >= 0) shape.emplace();
    for (int64_t d = 0; d < rank; ++d) {
      const auto dim = shapes->read(dims[d]);
      if (!dim) return 0;
      if (dim->is_constant() && dim->constant() < 0)
        return shapes->failure.set(
            fmt::format("its shape function gives output {} a dim of {}", name, dim->constant()));
      shape->push_back(*dim);
    }
    if (output < shapes->set.size()) shapes->set[output] = true;
    shapes->context.set_output(output, *dtype_from_onnx(code), std::move(shape));
    return 1;
  });
}

// The only element type of a set, if it is one.
std::optional<DType> only_dtype(DTypeSet dtypes) {
  std::optional<DType> only;
  for (int64_t code = 1; const auto dtype = dtype_from_onnx(code); ++code) {
    if (!dtypes.contains(*dtype)) continue;
    if (only) return std::nullopt;
    only = dtype;
  }
  return only;
}

void set_what_is_left(const PluginOperator& op, InferenceContext& context, const std::vector<bool>& set) {
  for (size_t o = 0; o < context.output_count(); ++o) {
    if (set[o]) continue;
    const Parameter& formal = op.formal_output(o);
    auto dtype = bound_dtype(op, context, formal.type_variable);
    if (!dtype) dtype = only_dtype(formal.dtypes);
    if (!dtype)
      context.refuse("{}: nothing says the element type of output {}: its shape function has to", op.plugin(),
                     formal.name);
    context.set_output(o, *dtype, std::nullopt);
  }
}

}  // namespace

void infer_plugin_shapes(const PluginOperator& op, InferenceContext& context) {
  oag_shapes shapes{op, context, {}, {}, std::vector<bool>(context.output_count()), 0, {}};
  if (op.description().shapes != nullptr) {
    const oag_operator& description = op.description();
    const oag_node node{context.node()};
    const auto failed = failure_of_plugin([&](char* error) {
      return description.shapes(description.state, &plugin_host(), &node, &shapes, error);
    });
    if (!shapes.failure.empty()) context.refuse("{}: {}", op.plugin(), one_line(shapes.failure.text()));
    if (failed) context.refuse("{}: its shape function failed: {}", op.plugin(), *failed);
  }
  set_what_is_left(op, context, shapes.set);
}

void add_shape_functions(oag_plugin_host& host) {
  host.input_dtype = input_dtype;
  host.input_rank = input_rank;
  host.input_dim = input_dim;
  host.input_ints = input_ints;
  host.compute_dim = compute_dim;
  host.new_dim = new_dim;
  host.set_output = set_output;
}

}  // namespace oag
