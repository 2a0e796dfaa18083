#pragma once

#include <string>
#include <vector>

#include "engine/backends/onnxruntime/onnxruntime_library.h"
#include "engine/device/graph_device.h"
#include "engine/graph/graph.h"

namespace oag::onnxruntime {

// A graph loaded into the library. Thread safe.
class Model {
 public:
  // `threads` compute, the caller's included; `imports` are versions of domains that only the model's maker
  // knows. Large constants are read where they are: their buffers are kept. Errors: kUnsupported with the
  // library's words.
  Model(const Library& library, const Graph& graph, const OpsetImports& imports, int threads);

  const Library& library() const { return library_; }
  OrtSession* session() const { return session_.get(); }

 private:
  Owned<OrtSession> load(const Graph& graph, const OpsetImports& imports, int threads);
  Owned<SessionOptions> make_options(int threads) const;

  const Library& library_;
  std::vector<std::pair<std::string, Tensor>> weights_;
  std::vector<Owned<Value>> weight_values_;
  Owned<OrtSession> session_;
};

}  // namespace oag::onnxruntime
