#include "engine/formats/onnx/onnx_import.h"

#include <unordered_set>

#include "base/error.h"
#include "engine/formats/onnx/external_data.h"
#include "engine/formats/onnx/function_table.h"
#include "engine/formats/onnx/graph_builder.h"
#include "engine/formats/onnx/graph_order.h"
#include "engine/formats/onnx/onnx_attribute.h"
#include "engine/formats/onnx/onnx_messages.h"
#include "engine/formats/onnx/onnx_type.h"
#include "engine/formats/printable.h"

namespace oag {
namespace {

OpsetVersions opset_versions(const ModelMessage& message, const std::string& where) {
  OpsetVersions versions;
  for (const OpsetImport& import : message.opset_imports) {
    const auto [known, is_new] = versions.emplace(import.domain, import.version);
    if (!is_new && known->second != import.version) {
      fail(ErrorCode::kCorruptData, where, "imports opsets {} and {} of domain \"{}\", expected one",
           known->second, import.version, printable(import.domain));
    }
  }
  // Before IR 3 there was one opset and no import.
  if (versions.empty() && message.ir_version < 3) versions.emplace("", 1);
  return versions;
}

OnnxPort port_of(const ValueInfoMessage& value, const std::string& where) {
  const std::string name(value.name);
  return {name, read_type(value.type, where, name), value.type.kind == TypeMessage::kSparseTensor};
}

void describe_ports(const GraphMessage& graph, const std::string& where, OnnxModel& model) {
  std::unordered_set<std::string_view> taken;
  for (const ValueId id : model.graph.inputs) taken.insert(model.graph.value(id).name);
  for (const ValueInfoMessage& input : graph.inputs) {
    if (taken.contains(input.name)) model.inputs.push_back(port_of(input, where));
  }
  for (const ValueInfoMessage& output : graph.outputs) model.outputs.push_back(port_of(output, where));
}

// Dims may be said wrongly, and often are; an element type that differs makes every reader of the output
// fail.
void check_outputs(const OnnxModel& model, const std::string& where) {
  for (size_t i = 0; i < model.outputs.size(); ++i) {
    const ValueType& said = model.outputs[i].type;
    const ValueType& made = model.graph.value(model.graph.outputs[i]).type;
    const auto is_known = [](const ValueType& type) {
      return type.kind == TypeKind::kTensor && type.dtype != DType::kUndefined;
    };
    if (!is_known(said) || !is_known(made) || said.dtype == made.dtype) continue;
    fail(ErrorCode::kCorruptData, where, "output {} is said to be {}, but the graph makes {}; export it anew",
         printable(model.outputs[i].name), to_string(said), to_string(made));
  }
}

void describe_origin(const ModelMessage& message, OnnxModel& model) {
  model.ir_version = message.ir_version;
  model.producer_name = message.producer_name;
  model.producer_version = message.producer_version;
  model.domain = message.domain;
  model.model_version = message.model_version;
  model.doc_string = message.doc_string;
  for (const auto& [key, value] : message.metadata) model.metadata.emplace_back(key, value);
}

OnnxModel import_source(ProtoSource& source, const TensorOrigin& origin) {
  ModelMessage message = parse_model(source);
  order_graph(*message.graph, source.where);
  const FunctionTable functions(message.functions, *message.graph, source.where);
  const OpsetVersions opsets = opset_versions(message, source.where);
  AttributeReader attributes(origin, source.where);

  OnnxModel model;
  model.graph = GraphBuilder(functions, attributes, source.where).build(*message.graph, opsets);
  for (const auto& [domain, version] : opsets) model.opset_imports.emplace(domain, version);
  describe_ports(*message.graph, source.where, model);
  check_outputs(model, source.where);
  describe_origin(message, model);
  return model;
}

}  // namespace

OnnxModel import_onnx(const std::filesystem::path& path, const OnnxImportOptions& options) {
  auto file = MappedFile::open(path);
  ProtoSource source{file->bytes(), path.string()};
  std::filesystem::path folder = options.folder;
  if (folder.empty()) folder = path.has_parent_path() ? path.parent_path() : ".";
  ExternalData external(folder, std::filesystem::canonical(path).parent_path());
  const TensorOrigin origin{wrap_host(file->bytes(), file, file.get()), &external, options.most_dense_bytes};
  OnnxModel model = import_source(source, origin);
  model.files.push_back(std::move(file));
  model.files.insert(model.files.end(), external.files().begin(), external.files().end());
  for (const auto& mapped : model.files) {
    if (mapped->damaged()) fail(ErrorCode::kIo, mapped->path().string(), "became shorter while it was read");
  }
  return model;
}

OnnxModel import_onnx(std::span<const std::byte> bytes, const std::string& name,
                      const OnnxImportOptions& options) {
  ProtoSource source{bytes, name};
  ExternalData external(options.folder);
  OnnxModel model = import_source(source, {nullptr, &external, options.most_dense_bytes});
  model.files = external.files();
  return model;
}

}  // namespace oag
