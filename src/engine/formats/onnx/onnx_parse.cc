#include <bit>
#include <string>

#include "engine/formats/onnx/onnx_messages.h"
#include "engine/formats/printable.h"

namespace oag {
namespace {

std::string_view normal_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

std::pair<std::string_view, std::string_view> parse_pair(ProtoReader reader) {
  std::pair<std::string_view, std::string_view> entry;
  while (reader.next()) {
    if (reader.field() == 1) entry.first = reader.text("key");
    if (reader.field() == 2) entry.second = reader.text("value");
  }
  return entry;
}

OpsetImport parse_opset_import(ProtoReader reader) {
  OpsetImport import;
  while (reader.next()) {
    if (reader.field() == 1) import.domain = normal_domain(reader.text("opset domain"));
    if (reader.field() == 2) import.version = reader.integer("opset version");
  }
  return import;
}

DimMessage parse_dim(ProtoReader reader) {
  DimMessage dim;
  while (reader.next()) {
    if (reader.field() == 1) dim.value = reader.integer("dim_value");
    if (reader.field() == 2) dim.param = reader.text("dim_param");
  }
  return dim;
}

std::vector<DimMessage> parse_shape(ProtoReader reader) {
  std::vector<DimMessage> dims;
  while (reader.next()) {
    if (reader.field() == 1) dims.push_back(parse_dim(reader.message("dim")));
  }
  return dims;
}

TypeMessage parse_type(ProtoReader reader);

// TypeProto.Tensor, .SparseTensor, .Sequence, .Map and .Optional.
TypeMessage parse_type_content(ProtoReader reader, TypeMessage::Kind kind) {
  TypeMessage type;
  type.kind = kind;
  const bool is_tensor = kind == TypeMessage::kTensor || kind == TypeMessage::kSparseTensor;
  const bool is_map = kind == TypeMessage::kMap;
  const uint32_t element_field = is_map ? 2 : 1;
  while (reader.next()) {
    if (is_tensor && reader.field() == 2) {
      type.shape = parse_shape(reader.message("shape"));
    } else if ((is_tensor || is_map) && reader.field() == 1) {
      type.elem_type = reader.integer(is_map ? "key_type" : "elem_type");
    } else if (!is_tensor && reader.field() == element_field) {
      type.element = std::make_unique<TypeMessage>(parse_type(reader.message("element type")));
    }
  }
  return type;
}

TypeMessage parse_type(ProtoReader reader) {
  TypeMessage type;
  while (reader.next()) {
    switch (reader.field()) {
      case TypeMessage::kTensor:
      case TypeMessage::kSequence:
      case TypeMessage::kMap:
      case TypeMessage::kSparseTensor:
      case TypeMessage::kOptional:
        type = parse_type_content(reader.message("type"), static_cast<TypeMessage::Kind>(reader.field()));
        break;
      case TypeMessage::kOpaque: type.kind = TypeMessage::kOpaque; break;
      default: break;
    }
  }
  return type;
}

ValueInfoMessage parse_value_info(ProtoReader reader) {
  ValueInfoMessage info;
  while (reader.next()) {
    if (reader.field() == 1) info.name = reader.text("value's name");
    if (reader.field() == 2) info.type = parse_type(reader.message("value's type"));
  }
  return info;
}

GraphMessage parse_graph(ProtoReader reader);

// The type that an attribute of this one field has; kUndefined for fields that hold no value.
AttributeMessage::Type type_of_field(uint32_t field) {
  switch (field) {
    case 2: return AttributeMessage::kFloat;
    case 3: return AttributeMessage::kInt;
    case 4: return AttributeMessage::kString;
    case 5: return AttributeMessage::kTensor;
    case 6: return AttributeMessage::kGraph;
    case 7: return AttributeMessage::kFloats;
    case 8: return AttributeMessage::kInts;
    case 9: return AttributeMessage::kStrings;
    case 10: return AttributeMessage::kTensors;
    case 11: return AttributeMessage::kGraphs;
    case 14: return AttributeMessage::kType;
    case 15: return AttributeMessage::kTypes;
    case 22: return AttributeMessage::kSparseTensor;
    case 23: return AttributeMessage::kSparseTensors;
    default: return AttributeMessage::kUndefined;
  }
}

void read_attribute_value(const ProtoReader& reader, AttributeMessage::Type type,
                          AttributeMessage& attribute) {
  switch (type) {
    case AttributeMessage::kFloat: attribute.floats.assign(1, reader.float_value("f")); break;
    case AttributeMessage::kInt: attribute.ints.assign(1, reader.integer("i")); break;
    case AttributeMessage::kString: attribute.strings.assign(1, reader.text("s")); break;
    case AttributeMessage::kTensor: attribute.tensors.assign(1, parse_tensor(reader.message("t"))); break;
    case AttributeMessage::kGraph:
      attribute.graphs.clear();
      attribute.graphs.push_back(parse_graph(reader.message("g")));
      break;
    case AttributeMessage::kFloats:
      reader.fixed<float>("floats", [&](float value) { attribute.floats.push_back(value); });
      break;
    case AttributeMessage::kInts:
      reader.integers("ints", [&](int64_t value) { attribute.ints.push_back(value); });
      break;
    case AttributeMessage::kStrings: attribute.strings.push_back(reader.text("strings")); break;
    case AttributeMessage::kTensors:
      attribute.tensors.push_back(parse_tensor(reader.message("tensors")));
      break;
    case AttributeMessage::kGraphs: attribute.graphs.push_back(parse_graph(reader.message("graphs"))); break;
    case AttributeMessage::kType:
      attribute.types.clear();
      attribute.types.push_back(parse_type(reader.message("tp")));
      break;
    case AttributeMessage::kTypes:
      attribute.types.push_back(parse_type(reader.message("type_protos")));
      break;
    case AttributeMessage::kSparseTensor:
      attribute.sparse_tensors.assign(1, parse_sparse_tensor(reader.message("sparse_tensor")));
      break;
    case AttributeMessage::kSparseTensors:
      attribute.sparse_tensors.push_back(parse_sparse_tensor(reader.message("sparse_tensors")));
      break;
    case AttributeMessage::kUndefined: break;
  }
}

// What a writer leaves out because it is the type's zero.
void fill_default(AttributeMessage& attribute) {
  if (attribute.type == AttributeMessage::kFloat && attribute.floats.empty()) attribute.floats.push_back(0);
  if (attribute.type == AttributeMessage::kInt && attribute.ints.empty()) attribute.ints.push_back(0);
  if (attribute.type == AttributeMessage::kString && attribute.strings.empty())
    attribute.strings.emplace_back();
}

AttributeMessage parse_attribute(ProtoReader reader) {
  AttributeMessage attribute;
  int64_t stated = 0;
  auto held = AttributeMessage::kUndefined;
  while (reader.next()) {
    if (reader.field() == 1) attribute.name = reader.text("attribute's name");
    if (reader.field() == 20) stated = reader.integer("attribute's type");
    if (reader.field() == 21) attribute.reference = reader.text("ref_attr_name");
    const AttributeMessage::Type type = type_of_field(reader.field());
    if (type == AttributeMessage::kUndefined) continue;
    if (held != AttributeMessage::kUndefined && held != type)
      reader.fail_here("attribute {} holds values of two types, expected one", printable(attribute.name));
    held = type;
    read_attribute_value(reader, type, attribute);
  }
  if (stated < 0 || stated > AttributeMessage::kTypes)
    reader.fail_here("attribute {} is of type {}, which ONNX does not have", printable(attribute.name),
                     stated);
  // The first versions of ONNX did not state the type.
  attribute.type = stated == 0 ? held : static_cast<AttributeMessage::Type>(stated);
  if (held != AttributeMessage::kUndefined && held != attribute.type) {
    reader.fail_here("attribute {} is said to be of type {} and holds a value of type {}",
                     printable(attribute.name), stated, static_cast<int>(held));
  }
  fill_default(attribute);
  const bool is_single_object =
      attribute.type == AttributeMessage::kTensor || attribute.type == AttributeMessage::kGraph ||
      attribute.type == AttributeMessage::kSparseTensor || attribute.type == AttributeMessage::kType;
  if (attribute.reference.empty() && held == AttributeMessage::kUndefined &&
      (is_single_object || attribute.type == AttributeMessage::kUndefined))
    reader.fail_here("attribute {} holds no value", printable(attribute.name));
  return attribute;
}

NodeMessage parse_node(ProtoReader reader) {
  NodeMessage node;
  while (reader.next()) {
    switch (reader.field()) {
      case 1: node.inputs.push_back(reader.text("node's input")); break;
      case 2: node.outputs.push_back(reader.text("node's output")); break;
      case 3: node.name = reader.text("node's name"); break;
      case 4: node.op = reader.text("op_type"); break;
      case 5: node.attributes.push_back(parse_attribute(reader.message("attribute"))); break;
      case 7: node.domain = normal_domain(reader.text("node's domain")); break;
      case 8: node.overload = reader.text("overload"); break;
      default: break;
    }
  }
  return node;
}

GraphMessage parse_graph(ProtoReader reader) {
  GraphMessage graph;
  while (reader.next()) {
    switch (reader.field()) {
      case 1: graph.nodes.push_back(parse_node(reader.message("node"))); break;
      case 2: graph.name = reader.text("graph's name"); break;
      case 5: graph.initializers.push_back(parse_tensor(reader.message("initializer"))); break;
      case 11: graph.inputs.push_back(parse_value_info(reader.message("graph's input"))); break;
      case 12: graph.outputs.push_back(parse_value_info(reader.message("graph's output"))); break;
      case 15:
        graph.sparse_initializers.push_back(parse_sparse_tensor(reader.message("sparse_initializer")));
        break;
      default: break;
    }
  }
  return graph;
}

FunctionMessage parse_function(ProtoReader reader) {
  FunctionMessage function;
  while (reader.next()) {
    switch (reader.field()) {
      case 1: function.body.name = reader.text("function's name"); break;
      case 4: function.body.inputs.push_back({reader.text("function's input"), {}}); break;
      case 5: function.body.outputs.push_back({reader.text("function's output"), {}}); break;
      case 6: function.attributes.push_back(reader.text("function's attribute")); break;
      case 7: function.body.nodes.push_back(parse_node(reader.message("function's node"))); break;
      case 9: function.opset_imports.push_back(parse_opset_import(reader.message("opset_import"))); break;
      case 10: function.domain = normal_domain(reader.text("function's domain")); break;
      case 11:
        function.attribute_defaults.push_back(parse_attribute(reader.message("attribute_proto")));
        break;
      case 13: function.overload = reader.text("function's overload"); break;
      default: break;
    }
  }
  return function;
}

void parse_model_field(const ProtoReader& reader, ModelMessage& model) {
  switch (reader.field()) {
    case 1: model.ir_version = reader.integer("ir_version"); break;
    case 2: model.producer_name = reader.text("producer_name"); break;
    case 3: model.producer_version = reader.text("producer_version"); break;
    case 4: model.domain = reader.text("domain"); break;
    case 5: model.model_version = reader.integer("model_version"); break;
    case 6: model.doc_string = reader.text("doc_string"); break;
    case 7:
      if (model.graph) reader.fail_here("the model holds two graphs, expected one");
      model.graph = parse_graph(reader.message("graph"));
      break;
    case 8: model.opset_imports.push_back(parse_opset_import(reader.message("opset_import"))); break;
    case 14: model.metadata.push_back(parse_pair(reader.message("metadata_props"))); break;
    case 25: model.functions.push_back(parse_function(reader.message("function"))); break;
    default: break;
  }
}

}  // namespace

TensorMessage parse_tensor(ProtoReader reader) {
  TensorMessage tensor(reader.restarted());
  while (reader.next()) {
    switch (reader.field()) {
      case 1: reader.integers("dims", [&](int64_t dim) { tensor.dims.push_back(dim); }); break;
      case 2: tensor.data_type = reader.integer("data_type"); break;
      case 3: tensor.segmented = true; break;
      case 8: tensor.name = reader.text("tensor's name"); break;
      case 9: tensor.raw_data = reader.bytes("raw_data"); break;
      case 13: tensor.external_data.push_back(parse_pair(reader.message("external_data"))); break;
      case 14: tensor.external = reader.integer("data_location") == 1; break;
      default: break;
    }
  }
  return tensor;
}

SparseTensorMessage parse_sparse_tensor(ProtoReader reader) {
  SparseTensorMessage sparse;
  while (reader.next()) {
    if (reader.field() == 1) sparse.values = parse_tensor(reader.message("values"));
    if (reader.field() == 2) sparse.indices = parse_tensor(reader.message("indices"));
    if (reader.field() == 3) reader.integers("dims", [&](int64_t dim) { sparse.dims.push_back(dim); });
  }
  return sparse;
}

ModelMessage parse_model(ProtoSource& source) {
  constexpr std::string_view kPointer = "version https://git-lfs";
  const std::string_view text(reinterpret_cast<const char*>(source.bytes.data()), source.bytes.size());
  if (text.starts_with(kPointer)) {
    fail(ErrorCode::kCorruptData, source.where,
         "is Git LFS's pointer to the model, not the model: fetch it with `git lfs pull`");
  }
  ProtoReader reader(source);
  ModelMessage model;
  while (reader.next()) parse_model_field(reader, model);
  if (!model.graph) {
    fail(ErrorCode::kCorruptData, source.where, "holds no graph; is this an ONNX model?");
  }
  return model;
}

}  // namespace oag
