#include "engine/backends/onnxruntime/onnxruntime_model.h"

#include <algorithm>

#include "base/error.h"
#include "engine/backends/onnxruntime/onnxruntime_values.h"
#include "engine/formats/onnx/onnx_write.h"
#include "engine/formats/onnx/opset_range.h"

namespace oag::onnxruntime {
namespace {

// The library takes no older opsets of ai.onnx.
constexpr int64_t kOldestOpset = 7;

// Constants of at least so many bytes are not copied into the model.
constexpr size_t kWeightBytes = 4096;

}  // namespace

Model::Model(const Library& library, const Graph& graph, const OpsetImports& imports, int threads)
    : library_(library), session_(load(graph, imports, threads)) {}

Owned<SessionOptions> Model::make_options(int threads) const {
  const Api& api = library_.api();
  auto options = library_.make<SessionOptions>(api.create_session_options, api.release_session_options);
  library_.check(api.set_intra_op_threads(options.get(), threads));
  // Threads that spin would take processors from ours between two runs.
  library_.check(api.add_config(options.get(), "session.intra_op.allow_spinning", "0"));
  std::vector<const char*> names;
  std::vector<const Value*> values;
  for (size_t i = 0; i < weights_.size(); ++i) {
    names.push_back(weights_[i].first.c_str());
    values.push_back(weight_values_[i].get());
  }
  if (!names.empty())
    library_.check(api.add_external_initializers(options.get(), names.data(), values.data(), names.size()));
  return options;
}

// A graph's operators may be registered under the newest number of their definition or under an older one
// that means the same: the newest is tried first.
Owned<OrtSession> Model::load(const Graph& graph, const OpsetImports& imports, int threads) {
  const Api& api = library_.api();
  OpsetImports opsets = imports;
  const auto ranges = opset_ranges(graph);
  for (const auto& [domain, range] : ranges) {
    const bool upgraded = domain.empty() || domain.starts_with("ai.onnx");
    if (upgraded || !opsets.contains(domain)) opsets[domain] = range.newest;
  }
  const auto onnx = ranges.find("");
  const int64_t least = std::max(kOldestOpset, onnx == ranges.end() ? kOldestOpset : onnx->second.least);
  int64_t& opset = opsets[""];
  opset = onnx == ranges.end() ? least : std::max(onnx->second.newest, least);
  std::string refusal;
  for (; opset >= least; --opset) {
    weights_.clear();
    const std::string bytes = write_onnx(graph, opsets, kWeightBytes, weights_);
    if (weight_values_.empty()) {
      for (const auto& [name, tensor] : weights_) weight_values_.push_back(to_value(library_, tensor));
    }
    const auto options = make_options(threads);
    OrtSession* session = nullptr;
    Status* status = api.create_session(library_.env(), bytes.data(), bytes.size(), options.get(), &session);
    if (status == nullptr) return {session, api.release_session.function};
    const bool unknown = api.get_error_code(status) == kNotImplemented;
    std::string text = library_.text_of(status);
    if (refusal.empty()) refusal = std::move(text);
    if (!unknown) break;
  }
  fail(ErrorCode::kUnsupported, "onnxruntime " + library_.version(), "{}", refusal);
}

}  // namespace oag::onnxruntime
