#include "tests/op_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/ops/element.h"
#include "engine/ops/float8.h"
#include "engine/ops/verify.h"

namespace oag::testing {
namespace {

double number(const Json& json) {
  if (!json.is_string()) return json.get<double>();
  const auto text = json.get<std::string>();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  return text == "-inf" ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
}

Tensor read_tensor(const Json& json) {
  const auto name = json.at("dtype").get<std::string>();
  const auto dtype = dtype_from_name(name);
  if (!dtype) fail(ErrorCode::kCorruptData, "op cases", "dtype {} is not known", name);
  const Tensor tensor = Tensor::host(*dtype, json.at("dims").get<Dims>());
  const Json& data = json.at("data");
  if (static_cast<int64_t>(data.size()) != tensor.count()) {
    fail(ErrorCode::kCorruptData, "op cases", "{} values for dims {}", data.size(), to_string(tensor.dims()));
  }
  if (kFloat8Types.contains(*dtype)) {  // infinities stay what they are
    for (size_t i = 0; i < data.size(); ++i)
      tensor.values<uint8_t>()[i] = float8_from_double(*dtype, number(data[i]), false);
    return tensor;
  }
  visit_wide(*dtype, [&](auto wide) {
    using Wide = decltype(wide);
    std::vector<Wide> values;
    for (const Json& value : data) {
      if constexpr (std::is_same_v<Wide, double>) {
        values.push_back(number(value));
      } else {
        values.push_back(value.get<Wide>());
      }
    }
    store_elements<Wide>(tensor, 0, 1, values);
  });
  return tensor;
}

Attribute read_attribute(const Json& json) {
  const auto type = json.at("type").get<std::string>();
  const Json& value = json.at("value");
  if (type == "int") return value.get<int64_t>();
  if (type == "ints") return value.get<std::vector<int64_t>>();
  if (type == "float") return static_cast<float>(number(value));
  if (type == "string") return value.get<std::string>();
  if (type == "strings") return value.get<std::vector<std::string>>();
  if (type == "tensor") return read_tensor(value);
  std::vector<float> floats;
  for (const Json& item : value) floats.push_back(static_cast<float>(number(item)));
  return floats;
}

std::string symbol_name(size_t input, size_t dim) {
  return fmt::format("i{}d{}", input, dim);
}

// Dims as the symbols of Knowledge::kSymbols are bound in this case.
DimBindings bindings_of(const OpCase& op_case) {
  DimBindings bindings;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    if (!op_case.inputs[i]) continue;
    for (size_t d = 0; d < op_case.inputs[i]->rank(); ++d)
      bindings[symbol_name(i, d)] = op_case.inputs[i]->dim(d);
  }
  return bindings;
}

bool is_content_known(const Tensor& tensor, Knowledge knowledge) {
  if (knowledge == Knowledge::kContent) return true;
  return knowledge == Knowledge::kSymbols && (tensor.dtype() == DType::kI64 || tensor.dtype() == DType::kI32);
}

std::optional<Shape> known_shape(const Tensor& tensor, size_t input, Knowledge knowledge) {
  if (knowledge == Knowledge::kNothing) return std::nullopt;
  Shape shape = to_shape(tensor.dims());
  if (knowledge == Knowledge::kSymbols) {
    for (size_t d = 0; d < shape.size(); ++d) shape[d] = Dim::symbol(symbol_name(input, d));
  }
  return shape;
}

// Outputs that an executor could plan, filled with what no kernel writes; the rest undefined. Symbolic dims
// broadcast to their max, which an empty array does not: such outputs stand for those that an executor finds
// planned wrongly.
std::vector<Tensor> plan_outputs(const OpCase& op_case, const Graph& graph) {
  std::vector<Tensor> outputs;
  for (const ValueId id : graph.outputs) {
    const ValueType& type = graph.value(id).type;
    const auto dims = type.shape ? evaluate(*type.shape, bindings_of(op_case)) : std::nullopt;
    outputs.push_back(dims ? Tensor::host(type.dtype, *dims) : Tensor());
    if (dims) std::memset(outputs.back().data(), 0x5a, outputs.back().size_bytes());
  }
  return outputs;
}

std::string check_inferred(const Value& value, const std::optional<Dims>& planned, const Tensor& wanted) {
  if (value.type.dtype != wanted.dtype()) {
    return fmt::format("inferred {}, it is {}", dtype_name(value.type.dtype), dtype_name(wanted.dtype()));
  }
  if (value.type.shape && value.type.shape->size() != wanted.rank()) {
    return fmt::format("inferred {}, it is {}", to_string(*value.type.shape), to_string(wanted.dims()));
  }
  if (planned && *planned != wanted.dims() && wanted.count() > 0) {
    return fmt::format("inferred {}, it is {}", to_string(*value.type.shape), to_string(wanted.dims()));
  }
  return "";
}

template <typename Wide>
bool is_close(Wide seen, Wide wanted, double rtol, double atol) {
  if (seen == wanted) return true;
  const auto x = static_cast<double>(seen), y = static_cast<double>(wanted);
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
  if (std::isinf(x) || std::isinf(y) || (rtol == 0 && atol == 0)) return false;
  return std::abs(x - y) <= atol + rtol * std::abs(y);
}

}  // namespace

std::vector<std::filesystem::path> op_case_files(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path data = std::filesystem::path(OAG_SOURCE_DIR) / "tests/data" / folder;
  if (!std::filesystem::exists(data)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(data)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<OpCase> load_op_cases(const std::filesystem::path& file) {
  const Json json = parse_json(read_file(file), file.string());
  std::vector<OpCase> cases;
  for (const Json& item : json.at("cases")) {
    OpCase& made = cases.emplace_back();
    made.op = json.at("op").get<std::string>();
    made.name = item.at("name").get<std::string>();
    for (const auto& [name, attribute] : item.at("attributes").items())
      made.attributes[name] = read_attribute(attribute);
    for (const Json& input : item.at("inputs")) {
      made.inputs.push_back(input.is_null() ? std::nullopt : std::optional(read_tensor(input)));
    }
    for (const Json& output : item.at("outputs")) made.outputs.push_back(read_tensor(output));
    made.rtol = item.at("rtol").get<double>();
    made.atol = item.at("atol").get<double>();
  }
  return cases;
}

Graph build_graph(const OpCase& op_case, Knowledge knowledge) {
  Graph graph(op_case.name);
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    const auto& input = op_case.inputs[i];
    if (!input) {
      inputs.push_back(kNoValue);
    } else if (is_content_known(*input, knowledge)) {
      inputs.push_back(graph.add_constant("c", *input));
    } else {
      inputs.push_back(
          graph.add_input("x", ValueType::tensor(input->dtype(), known_shape(*input, i, knowledge))));
    }
  }
  graph.outputs =
      graph.add_node("", op_case.op, inputs, op_case.attributes, op_case.outputs.size(), op_case.op).outputs;
  infer_types(graph);
  return graph;
}

std::string check_kernel(const OpCase& op_case, Knowledge knowledge, KernelFunction kernel, KernelEnv& env) {
  const Graph graph = build_graph(op_case, knowledge);
  std::vector<Tensor> outputs = plan_outputs(op_case, graph);
  const std::vector<Tensor> planned = outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto dims = planned[i].defined() ? std::optional(planned[i].dims()) : std::nullopt;
    const std::string wrong = check_inferred(graph.value(graph.outputs[i]), dims, op_case.outputs[i]);
    if (!wrong.empty()) return fmt::format("output {}: {}", i, wrong);
  }
  std::vector<Tensor> inputs;
  for (const auto& input : op_case.inputs) inputs.push_back(input.value_or(Tensor()));
  KernelContext context(graph.nodes[0], inputs, outputs, env);
  kernel(context);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const bool reused = !planned[i].defined() || planned[i].data() == outputs[i].data();
    if (!reused && outputs[i].count() > 0) return fmt::format("output {} left its planned memory", i);
    const std::string wrong = compare_tensors(outputs[i], op_case.outputs[i], op_case.rtol, op_case.atol);
    if (!wrong.empty()) return fmt::format("output {}: {}", i, wrong);
  }
  return "";
}

std::string compare_tensors(const Tensor& seen, const Tensor& wanted, double rtol, double atol) {
  if (seen.dtype() != wanted.dtype() || seen.dims() != wanted.dims()) {
    return fmt::format("is {} {}, expected {} {}", dtype_name(seen.dtype()), to_string(seen.dims()),
                       dtype_name(wanted.dtype()), to_string(wanted.dims()));
  }
  std::string difference;
  visit_wide(wanted.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    std::vector<Wide> have(static_cast<size_t>(seen.count())), want(have.size());
    load_elements<Wide>(seen, 0, 1, have);
    load_elements<Wide>(wanted, 0, 1, want);
    for (size_t i = 0; i < have.size() && difference.empty(); ++i) {
      if (is_close(have[i], want[i], rtol, atol)) continue;
      difference =
          fmt::format("element {} is {}, expected {} within {} + {} of it", i, have[i], want[i], atol, rtol);
    }
  });
  return difference;
}

}  // namespace oag::testing
