#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "engine/graph/graph.h"

namespace oag {

// A value that a model takes or gives, as the file declares it. Of an output the engine may know more than
// that.
struct OnnxPort {
  std::string name;
  ValueType type;
  bool sparse = false;  // a sparse tensor in the file; a dense one here
};

// An ONNX model as a graph of the engine: every operator of ai.onnx and ai.onnx.ml is in its newest version,
// calls of the model's own functions are replaced by their bodies, initializers and Constant nodes are
// constants, subgraphs are closed.
struct OnnxModel {
  Graph graph;
  std::vector<OnnxPort> inputs;   // as graph.inputs: without initializers, which are constants
  std::vector<OnnxPort> outputs;  // as graph.outputs
  int64_t ir_version = 0;
  std::map<std::string, int64_t, std::less<>> opset_imports;  // ai.onnx is ""
  std::string producer_name;
  std::string producer_version;
  std::string domain;
  int64_t model_version = 0;
  std::string doc_string;
  std::vector<std::pair<std::string, std::string>> metadata;
  // The model's file and those of its external data; constants are views into them. A file that shrinks reads
  // as zeros and is damaged() then.
  std::vector<std::shared_ptr<const MappedFile>> files;
};

struct OnnxImportOptions {
  // Where external data lies. Files of models need none: it is their own folder.
  std::filesystem::path folder;
  // The most that a sparse tensor may take when its zeros are written out.
  uint64_t most_dense_bytes = uint64_t{1} << 30;
};

// Reads a model. Errors, naming file and node or tensor: kNotFound, kIo; kCorruptData for what contradicts
// the format or itself; kUnsupported for what ONNX allows and the engine lacks. Operators that the engine
// does not have are no error here: their nodes stand in the graph as they are.
OnnxModel import_onnx(const std::filesystem::path& path, const OnnxImportOptions& options = {});

// The same for a model in memory, of which the result keeps nothing. `name` stands in errors.
OnnxModel import_onnx(std::span<const std::byte> bytes, const std::string& name,
                      const OnnxImportOptions& options = {});

}  // namespace oag
