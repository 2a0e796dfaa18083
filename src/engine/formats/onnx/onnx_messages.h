#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/formats/onnx/proto_reader.h"
#include "engine/tensor/dim.h"

namespace oag {

// The messages of ONNX IR 14 (onnx-ml.proto of ONNX 1.23) as far as the engine uses them. Texts are views
// into the source that they were read from. Field numbers stand in onnx_parse.cc.

using TextPairs = std::vector<std::pair<std::string_view, std::string_view>>;

struct OpsetImport {
  std::string_view domain;
  int64_t version = 0;
};

// A tensor's header. Its values are read when they are wanted: read_tensor.
struct TensorMessage {
  explicit TensorMessage(const ProtoReader& reader) : body(reader) {}

  ProtoReader body;  // the whole message
  std::string_view name;
  Dims dims;
  int64_t data_type = 0;
  bool segmented = false;
  bool external = false;
  std::optional<std::span<const std::byte>> raw_data;
  TextPairs external_data;
};

struct SparseTensorMessage {
  std::optional<TensorMessage> values;  // which has the tensor's name
  std::optional<TensorMessage> indices;
  Dims dims;
};

struct DimMessage {
  std::optional<int64_t> value;
  std::string_view param;
};

struct TypeMessage {
  // The field's number in TypeProto.
  enum Kind {
    kNone = 0,
    kTensor = 1,
    kSequence = 4,
    kMap = 5,
    kOpaque = 7,
    kSparseTensor = 8,
    kOptional = 9
  };

  Kind kind = kNone;
  int64_t elem_type = 0;                         // of tensors; of a map's keys
  std::optional<std::vector<DimMessage>> shape;  // of tensors
  std::unique_ptr<TypeMessage> element;          // of sequences, optionals and maps
};

struct ValueInfoMessage {
  std::string_view name;
  TypeMessage type;
};

struct GraphMessage;

struct AttributeMessage {
  enum Type {
    kUndefined = 0,
    kFloat = 1,
    kInt = 2,
    kString = 3,
    kTensor = 4,
    kGraph = 5,
    kFloats = 6,
    kInts = 7,
    kStrings = 8,
    kTensors = 9,
    kGraphs = 10,
    kSparseTensor = 11,
    kSparseTensors = 12,
    kType = 13,
    kTypes = 14,
  };

  std::string_view name;
  std::string_view reference;  // the name of the function's attribute that stands here
  Type type = kUndefined;
  // A single value is the only one of its list.
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
  std::vector<TensorMessage> tensors;
  std::vector<SparseTensorMessage> sparse_tensors;
  std::vector<GraphMessage> graphs;
  std::vector<TypeMessage> types;
};

struct NodeMessage {
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::string_view name;
  std::string_view op;
  std::string_view domain;  // "ai.onnx" is read as ""
  std::string_view overload;
  std::vector<AttributeMessage> attributes;
};

struct GraphMessage {
  std::string_view name;
  std::vector<NodeMessage> nodes;
  std::vector<TensorMessage> initializers;
  std::vector<SparseTensorMessage> sparse_initializers;
  std::vector<ValueInfoMessage> inputs;
  std::vector<ValueInfoMessage> outputs;

  // Found by order_graph.
  std::vector<uint32_t> order;  // indices of nodes, each after what it uses
  std::vector<std::string_view>
      free_names;  // names used here and in inner graphs that enclosing graphs define
};

struct FunctionMessage {
  std::string_view domain;  // "ai.onnx" is read as ""
  std::string_view overload;
  GraphMessage body;                         // inputs and outputs have names only
  std::vector<std::string_view> attributes;  // without defaults
  std::vector<AttributeMessage> attribute_defaults;
  std::vector<OpsetImport> opset_imports;
};

struct ModelMessage {
  int64_t ir_version = 0;
  std::vector<OpsetImport> opset_imports;
  std::string_view producer_name;
  std::string_view producer_version;
  std::string_view domain;
  int64_t model_version = 0;
  std::string_view doc_string;
  TextPairs metadata;
  std::optional<GraphMessage> graph;
  std::vector<FunctionMessage> functions;
};

// Reads all messages of a model. Nothing is checked but the wire format and that attributes hold what their
// type says. Errors: kCorruptData naming the byte; kUnsupported for kinds of attributes that no operator has.
ModelMessage parse_model(ProtoSource& source);

TensorMessage parse_tensor(ProtoReader reader);
SparseTensorMessage parse_sparse_tensor(ProtoReader reader);

}  // namespace oag
