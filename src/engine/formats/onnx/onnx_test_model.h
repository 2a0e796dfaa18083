#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/formats/onnx/onnx_import.h"
#include "engine/formats/onnx/proto_writer.h"

// Messages of small models, for tests. Field numbers are those of onnx-ml.proto.
namespace oag::testing {

using Names = std::initializer_list<std::string_view>;

inline ProtoWriter attribute(std::string_view name, int type) {
  ProtoWriter writer;
  writer.text(1, name);
  writer.integer(20, type);
  return writer;
}

inline ProtoWriter graph_attribute(std::string_view name, const ProtoWriter& graph) {
  ProtoWriter writer = attribute(name, 5);
  writer.message(6, graph);
  return writer;
}

inline ProtoWriter float_attribute(std::string_view name, float value) {
  ProtoWriter writer = attribute(name, 1);
  writer.float_value(2, value);
  return writer;
}

inline ProtoWriter reference(std::string_view name, std::string_view to, int type) {
  ProtoWriter writer = attribute(name, type);
  writer.text(21, to);
  return writer;
}

inline ProtoWriter node(std::string_view op, Names inputs, Names outputs,
                        const std::vector<ProtoWriter>& attributes = {}, std::string_view domain = {}) {
  ProtoWriter writer;
  for (const std::string_view input : inputs) writer.text(1, input);
  for (const std::string_view output : outputs) writer.text(2, output);
  writer.text(4, op);
  for (const ProtoWriter& one : attributes) writer.message(5, one);
  if (!domain.empty()) writer.text(7, domain);
  return writer;
}

// A float tensor of the given dims: a number, a symbol, or "" for a dim of which nothing is known.
inline ProtoWriter value(std::string_view name, Names dims = {}) {
  ProtoWriter shape;
  for (const std::string_view text : dims) {
    ProtoWriter dim;
    if (!text.empty() && text.find_first_not_of("-0123456789") == std::string_view::npos) {
      dim.integer(1, std::stoll(std::string(text)));
    } else if (!text.empty()) {
      dim.text(2, text);
    }
    shape.message(1, dim);
  }
  ProtoWriter tensor, type, writer;
  tensor.integer(1, 1);
  tensor.message(2, shape);
  type.message(1, tensor);
  writer.text(1, name);
  writer.message(2, type);
  return writer;
}

// A tensor with its values in one field: numbers packed, or raw bytes.
inline ProtoWriter tensor(std::string_view name, int data_type, std::vector<int64_t> dims) {
  ProtoWriter writer;
  writer.packed(1, dims);
  writer.integer(2, data_type);
  writer.text(8, name);
  return writer;
}

inline ProtoWriter floats(std::string_view name, std::vector<float> values) {
  ProtoWriter writer = tensor(name, 1, {static_cast<int64_t>(values.size())});
  writer.packed(4, values);
  return writer;
}

struct GraphParts {
  std::vector<ProtoWriter> nodes;
  std::vector<ProtoWriter> inputs;
  std::vector<ProtoWriter> outputs;
  std::vector<ProtoWriter> initializers = {};
  std::string name = "g";
};

inline ProtoWriter graph(const GraphParts& parts) {
  ProtoWriter writer;
  for (const ProtoWriter& one : parts.nodes) writer.message(1, one);
  writer.text(2, parts.name);
  for (const ProtoWriter& one : parts.initializers) writer.message(5, one);
  for (const ProtoWriter& one : parts.inputs) writer.message(11, one);
  for (const ProtoWriter& one : parts.outputs) writer.message(12, one);
  return writer;
}

inline ProtoWriter opset(std::string_view domain, int64_t version) {
  ProtoWriter writer;
  writer.text(1, domain);
  writer.integer(2, version);
  return writer;
}

inline ProtoWriter function(std::string_view name, Names inputs, Names outputs, Names attributes,
                            const std::vector<ProtoWriter>& nodes) {
  ProtoWriter writer;
  writer.text(1, name);
  for (const std::string_view one : inputs) writer.text(4, one);
  for (const std::string_view one : outputs) writer.text(5, one);
  for (const std::string_view one : attributes) writer.text(6, one);
  for (const ProtoWriter& one : nodes) writer.message(7, one);
  writer.message(9, opset("", 28));
  writer.text(10, "own");
  return writer;
}

inline std::string model(const GraphParts& parts, const std::vector<ProtoWriter>& functions = {}) {
  ProtoWriter writer;
  writer.integer(1, 14);
  writer.message(7, graph(parts));
  writer.message(8, opset("", 28));
  for (const ProtoWriter& one : functions) writer.message(25, one);
  return writer.take();
}

inline OnnxModel import(const std::string& bytes) {
  return import_onnx(std::as_bytes(std::span(bytes)), "m");
}

inline std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// The line that refuses the model, which names it "m".
inline std::string refusal(const std::string& bytes) {
  return error_of([&] { import(bytes); });
}

inline std::filesystem::path data_path(std::string_view name) {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "onnx" / name;
}

}  // namespace oag::testing
