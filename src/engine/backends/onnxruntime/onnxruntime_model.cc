#include "engine/backends/onnxruntime/onnxruntime_model.h"

#include <algorithm>

#include "base/error.h"
#include "engine/formats/onnx/onnx_write.h"
#include "engine/formats/onnx/opset_range.h"

namespace oag::onnxruntime {
namespace {

// The library takes no older opsets of ai.onnx.
constexpr int64_t kOldestOpset = 7;

Owned<SessionOptions> make_options(const Library& library, int threads) {
  const Api& api = library.api();
  auto options = library.make<SessionOptions>(api.create_session_options, api.release_session_options);
  library.check(api.set_intra_op_threads(options.get(), threads));
  // Threads that spin would take processors from ours between two runs.
  library.check(api.add_config(options.get(), "session.intra_op.allow_spinning", "0"));
  return options;
}

// A graph's operators may be registered under the newest number of their definition or under an older one
// that means the same: the newest is tried first.
Owned<OrtSession> load(const Library& library, const Graph& graph, int threads) {
  const Api& api = library.api();
  const auto options = make_options(library, threads);
  std::map<std::string, int64_t, std::less<>> opsets;
  const auto ranges = opset_ranges(graph);
  for (const auto& [domain, range] : ranges) opsets[domain] = range.newest;
  const auto onnx = ranges.find("");
  const int64_t least = std::max(kOldestOpset, onnx == ranges.end() ? kOldestOpset : onnx->second.least);
  int64_t& opset = opsets[""];
  opset = std::max(opset, least);
  std::string refusal;
  for (; opset >= least; --opset) {
    const std::string bytes = write_onnx(graph, opsets);
    OrtSession* session = nullptr;
    Status* status = api.create_session(library.env(), bytes.data(), bytes.size(), options.get(), &session);
    if (status == nullptr) return {session, api.release_session.function};
    const bool unknown = api.get_error_code(status) == kNotImplemented;
    std::string text = library.text_of(status);
    if (refusal.empty()) refusal = std::move(text);
    if (!unknown) break;
  }
  fail(ErrorCode::kUnsupported, "onnxruntime " + library.version(), "{}", refusal);
}

}  // namespace

Model::Model(const Library& library, const Graph& graph, int threads)
    : library_(library), session_(load(library, graph, threads)) {}

}  // namespace oag::onnxruntime
