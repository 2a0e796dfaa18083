#include "llm/generate/text_embedder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace oag {
namespace {

int64_t checked_tokens(const EncoderBundle& bundle, int64_t asked) {
  if (asked == 0) return bundle.max_tokens;
  if (asked >= 3 && asked <= bundle.config.positions) return asked;
  fail(ErrorCode::kInvalidArgument, bundle.path.string(), "{} tokens of a text asked for; it takes 3 to {}",
       asked, bundle.config.positions);
}

}  // namespace

TextEmbedder::TextEmbedder(const std::shared_ptr<Runtime>& runtime,
                           std::shared_ptr<const EncoderBundle> bundle, int64_t max_tokens)
    : bundle_(std::move(bundle)),
      max_tokens_(checked_tokens(*bundle_, max_tokens)),
      session_(runtime, bundle_->build_graph(), {{runtime->devices().begin(), runtime->devices().end()}}),
      token_ids_(session_.input_index("token_ids")),
      positions_(session_.input_index("positions")) {}

std::vector<TokenId> TextEmbedder::encode(std::string_view text) const {
  return bundle_->tokenizer->encode(text, {.parse_special = true, .add_special = true});
}

std::vector<float> TextEmbedder::pooled(const Tensor& rows) const {
  const auto width = static_cast<size_t>(rows.dim(1));
  const std::span<const float> values = rows.values<float>();
  std::vector<double> sums(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(width));
  if (bundle_->pooling == Pooling::kMean) {
    for (size_t i = width; i < values.size(); ++i) sums[i % width] += values[i];
    for (double& sum : sums) sum /= static_cast<double>(rows.dim(0));
  }
  constexpr double kLeastLength = 1e-12;
  const double length = std::sqrt(std::inner_product(sums.begin(), sums.end(), sums.begin(), 0.0));
  const double divisor = bundle_->normalised ? std::max(length, kLeastLength) : 1.0;
  std::vector<float> result;
  for (const double sum : sums) result.push_back(static_cast<float>(sum / divisor));
  return result;
}

// A text that is too long loses its end, not the token behind it.
RunState TextEmbedder::embed(std::string_view text, const RunControl& control, Embedding& out) const {
  std::vector<TokenId> ids = encode(text);
  const auto most = static_cast<size_t>(max_tokens_);
  const bool truncated = ids.size() > most;
  if (truncated) {
    const TokenId last = ids.back();
    ids.resize(most);
    if (bundle_->tokenizer->adds_eos()) ids.back() = last;
  }
  const RunState state = embed(ids, control, out);
  out.truncated = truncated;
  return state;
}

RunState TextEmbedder::embed(std::span<const TokenId> ids, const RunControl& control, Embedding& out) const {
  const auto count = static_cast<int64_t>(ids.size());
  if (count == 0)
    fail(ErrorCode::kInvalidArgument, "text", "has no tokens, and the model puts none around a text");
  if (count > max_tokens_)
    fail(ErrorCode::kInvalidArgument, "text", "has {} tokens, at most {} are taken", count, max_tokens_);
  for (const TokenId id : ids) {
    if (id < 0 || static_cast<size_t>(id) >= bundle_->tokenizer->size_tokens())
      fail(ErrorCode::kInvalidArgument, "text", "token id {} is outside [0, {})", id,
           bundle_->tokenizer->size_tokens());
  }
  std::vector<int32_t> positions(ids.size());
  std::iota(positions.begin(), positions.end(), 0);
  RunBindings bindings;
  bindings.inputs.resize(session_.program().graph.inputs.size());
  bindings.inputs[token_ids_] = Tensor::of<int32_t>(DType::kI32, {count}, ids);
  bindings.inputs[positions_] = Tensor::of<int32_t>(DType::kI32, {count}, positions);
  std::vector<Tensor> outputs;
  const RunState state = session_.run(bindings, control, outputs);
  if (state == RunState::kDone) out = {pooled(outputs[0]), count, false};
  return state;
}

}  // namespace oag
