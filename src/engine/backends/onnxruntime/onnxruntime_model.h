#pragma once

#include <string>
#include <vector>

#include "engine/backends/onnxruntime/onnxruntime_library.h"
#include "engine/graph/graph.h"

namespace oag::onnxruntime {

// A graph loaded into the library. Thread safe.
class Model {
 public:
  // `threads` compute, the caller's included. Errors: kUnsupported with the library's words.
  Model(const Library& library, const Graph& graph, int threads);

  const Library& library() const { return library_; }
  OrtSession* session() const { return session_.get(); }

 private:
  const Library& library_;
  Owned<OrtSession> session_;
};

}  // namespace oag::onnxruntime
