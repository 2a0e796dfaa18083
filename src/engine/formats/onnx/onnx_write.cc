#include "engine/formats/onnx/onnx_write.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "engine/formats/onnx/onnx_encode.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

constexpr int64_t kIrVersion = 10;
constexpr size_t kMaxBytes = (size_t{1} << 31) - 1;

int64_t type_number(DType dtype) {
  const int64_t code = onnx_from_dtype(dtype);
  if (code == 0)
    fail(ErrorCode::kUnsupported, "model", "has values of type {}, which ONNX lacks", dtype_name(dtype));
  return code;
}

ProtoWriter encode_shape(const Shape& shape) {
  ProtoWriter writer;
  for (const Dim& dim : shape) {
    ProtoWriter one;
    if (dim.is_constant()) {
      one.integer(1, dim.constant());
    } else {
      one.text(2, dim.to_string());
    }
    writer.message(1, one);
  }
  return writer;
}

ProtoWriter encode_type(const ValueType& type) {
  ProtoWriter content, writer;
  switch (type.kind) {
    case TypeKind::kSequence:
    case TypeKind::kOptional:
      content.message(1, encode_type(*type.element));
      writer.message(type.kind == TypeKind::kSequence ? 4 : 9, content);
      return writer;
    case TypeKind::kMap:
      content.integer(1, type_number(type.key));
      content.message(2, encode_type(*type.element));
      writer.message(5, content);
      return writer;
    case TypeKind::kState:
      fail(ErrorCode::kUnsupported, "model", "has values that are states, which ONNX lacks");
    case TypeKind::kTensor: break;
  }
  if (type.dtype == DType::kUndefined) return writer;
  content.integer(1, type_number(type.dtype));
  if (type.shape) content.message(2, encode_shape(*type.shape));
  writer.message(1, content);
  return writer;
}

// A TensorProto whose bytes are elsewhere.
ProtoWriter encode_outside(const Tensor& tensor, std::string_view name) {
  ProtoWriter writer, location;
  for (const int64_t dim : tensor.dims()) writer.integer(1, dim);
  writer.integer(2, type_number(tensor.dtype()));
  writer.text(8, name);
  location.text(1, "location");
  location.text(2, "outside");
  writer.message(13, location);
  writer.integer(14, 1);
  return writer;
}

class ModelEncoder {
 public:
  using Outside = std::vector<std::pair<std::string, Tensor>>;

  ModelEncoder(size_t least_bytes, Outside* outside) : least_bytes_(least_bytes), outside_(outside) {}

  // `outer` are the names of the last inputs, which the enclosing graph has.
  ProtoWriter encode(const Graph& graph, const std::vector<std::string>& outer) {
    const size_t own_inputs = graph.inputs.size() - std::min(outer.size(), graph.inputs.size());
    const bool is_main = taken_.empty();
    const std::vector<std::string> names = name_values(graph, own_inputs, outer);
    ProtoWriter writer;
    for (const Node& node : graph.nodes) writer.message(1, encode_node(node, names));
    writer.text(2, graph.name);
    const std::vector<int> uses = graph.use_counts();
    for (size_t i = 0; i < graph.value_count(); ++i) {
      const Value& value = graph.value(static_cast<ValueId>(i));
      if (value.constant && uses[i] > 0)
        writer.message(5, encode_constant(*value.constant, names[i], is_main));
    }
    const auto declare = [&](uint32_t field, ValueId id) {
      ProtoWriter info;
      info.text(1, names[static_cast<size_t>(id)]);
      const ProtoWriter type = encode_type(graph.value(id).type);
      if (!type.encoded().empty()) info.message(2, type);
      writer.message(field, info);
    };
    for (size_t i = 0; i < own_inputs; ++i) declare(11, graph.inputs[i]);
    for (const ValueId id : graph.outputs) declare(12, id);
    return writer;
  }

  const std::set<std::string>& domains() const { return domains_; }

 private:
  // A name of its own for each value of the graph, whatever other graphs have.
  std::vector<std::string> name_values(const Graph& graph, size_t own_inputs,
                                       const std::vector<std::string>& outer) {
    std::vector<std::string> names(graph.value_count());
    for (size_t i = own_inputs; i < graph.inputs.size(); ++i)
      names[static_cast<size_t>(graph.inputs[i])] = outer[i - own_inputs];
    for (size_t i = 0; i < names.size(); ++i) {
      if (!names[i].empty()) continue;
      const std::string& wanted = graph.value(static_cast<ValueId>(i)).name;
      names[i] = wanted;
      for (int n = 1; !taken_.insert(names[i]).second; ++n) names[i] = fmt::format("{}.{}", wanted, n);
    }
    return names;
  }

  ProtoWriter encode_constant(const Tensor& tensor, const std::string& name, bool is_main) {
    if (!is_main || outside_ == nullptr || is_object(tensor.dtype()) || tensor.size_bytes() < least_bytes_)
      return encode_tensor(tensor, name);
    outside_->emplace_back(name, tensor);
    return encode_outside(tensor, name);
  }

  ProtoWriter encode_node(const Node& node, const std::vector<std::string>& names) {
    domains_.insert(node.domain);
    const auto name_of = [&](ValueId id) { return id == kNoValue ? "" : names[static_cast<size_t>(id)]; };
    const auto captures = static_cast<size_t>(node.int_attribute("captures", 0));
    const size_t own_inputs = node.inputs.size() - std::min(captures, node.inputs.size());
    ProtoWriter writer;
    std::vector<std::string> captured;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const std::string name = name_of(node.inputs[i]);
      if (i < own_inputs) {
        writer.text(1, name);
      } else {
        captured.push_back(name);
      }
    }
    for (const ValueId id : node.outputs) writer.text(2, name_of(id));
    writer.text(3, node.name);
    writer.text(4, node.op);
    for (const auto& [key, attribute] : node.attributes) {
      if (key != "captures") writer.message(5, encode_attribute(key, attribute, captured));
    }
    if (!node.domain.empty()) writer.text(7, node.domain);
    return writer;
  }

  ProtoWriter encode_attribute(const std::string& key, const Attribute& attribute,
                               const std::vector<std::string>& captured) {
    ProtoWriter writer;
    writer.text(1, key);
    std::visit([&](const auto& value) { put(writer, value, captured); }, attribute);
    return writer;
  }

  // The value in its field, and the number of its type in field 20.
  void put(ProtoWriter& to, int64_t value, const std::vector<std::string>&) {
    to.integer(3, value), to.integer(20, 2);
  }
  void put(ProtoWriter& to, float value, const std::vector<std::string>&) {
    to.float_value(2, value), to.integer(20, 1);
  }
  void put(ProtoWriter& to, const std::string& value, const std::vector<std::string>&) {
    to.text(4, value), to.integer(20, 3);
  }
  void put(ProtoWriter& to, const Tensor& value, const std::vector<std::string>&) {
    to.message(5, encode_tensor(value, {})), to.integer(20, 4);
  }
  void put(ProtoWriter& to, const GraphPtr& value, const std::vector<std::string>& captured) {
    to.message(6, encode(*value, captured)), to.integer(20, 5);
  }
  void put(ProtoWriter& to, const std::vector<float>& values, const std::vector<std::string>&) {
    to.packed(7, values), to.integer(20, 6);
  }
  void put(ProtoWriter& to, const std::vector<int64_t>& values, const std::vector<std::string>&) {
    to.packed(8, values), to.integer(20, 7);
  }
  void put(ProtoWriter& to, const std::vector<std::string>& values, const std::vector<std::string>&) {
    for (const std::string& value : values) to.text(9, value);
    to.integer(20, 8);
  }
  void put(ProtoWriter& to, const std::vector<GraphPtr>& values, const std::vector<std::string>& captured) {
    for (const GraphPtr& value : values) to.message(11, encode(*value, captured));
    to.integer(20, 10);
  }
  void put(ProtoWriter& to, const ValueType& value, const std::vector<std::string>&) {
    to.message(14, encode_type(value)), to.integer(20, 13);
  }

  size_t least_bytes_;
  Outside* outside_;
  std::set<std::string> taken_;
  std::set<std::string> domains_;
};

std::string write_model(const Graph& graph, const std::map<std::string, int64_t, std::less<>>& opset_imports,
                        ModelEncoder encoder) {
  ProtoWriter writer;
  writer.integer(1, kIrVersion);
  writer.text(2, "OpenAutoGLM");
  writer.message(7, encoder.encode(graph, {}));
  for (const std::string& domain : encoder.domains()) {
    const auto version = opset_imports.find(domain);
    ProtoWriter import;
    import.text(1, domain);
    import.integer(2, version == opset_imports.end() ? 1 : version->second);
    writer.message(8, import);
  }
  if (writer.encoded().size() > kMaxBytes) {
    fail(ErrorCode::kUnsupported, "model", "has {} bytes as one ONNX file, expected at most {}",
         writer.encoded().size(), kMaxBytes);
  }
  return writer.take();
}

}  // namespace

std::string write_onnx(const Graph& graph, const std::map<std::string, int64_t, std::less<>>& opset_imports) {
  return write_model(graph, opset_imports, {0, nullptr});
}

std::string write_onnx(const Graph& graph, const std::map<std::string, int64_t, std::less<>>& opset_imports,
                       size_t least_bytes, std::vector<std::pair<std::string, Tensor>>& outside) {
  return write_model(graph, opset_imports, {least_bytes, &outside});
}

}  // namespace oag
