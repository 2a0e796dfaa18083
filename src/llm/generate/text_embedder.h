#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/session/session.h"
#include "llm/bundle/encoder_bundle.h"

namespace oag {

// A text as a vector.
struct Embedding {
  std::vector<float> values;  // [hidden size]
  int64_t tokens = 0;         // that were encoded, those around the text included
  bool truncated = false;     // the text had more
};

// A text encoder on a Runtime. Each text is a run of its own, so that its vector never depends on others.
// Several threads may use it at once.
class TextEmbedder {
 public:
  // `max_tokens` of a text; 0: as the bundle says. Errors: those of compile; kInvalidArgument for more than
  // the model has positions for.
  TextEmbedder(const std::shared_ptr<Runtime>& runtime, std::shared_ptr<const EncoderBundle> bundle,
               int64_t max_tokens = 0);

  // Runs on the calling thread; `out` is filled on kDone. Errors: those of Tokenizer::encode; kOutOfMemory.
  RunState embed(std::string_view text, const RunControl& control, Embedding& out) const;
  // The same of tokens as they are. Errors: kInvalidArgument for none, too many, and ids out of range.
  RunState embed(std::span<const TokenId> ids, const RunControl& control, Embedding& out) const;
  // The tokens of a text, those around it included, however many they are.
  std::vector<TokenId> encode(std::string_view text) const;

  const EncoderBundle& bundle() const { return *bundle_; }
  int64_t max_tokens() const { return max_tokens_; }

 private:
  std::vector<float> pooled(const Tensor& rows) const;

  std::shared_ptr<const EncoderBundle> bundle_;
  int64_t max_tokens_;
  Session session_;
  size_t token_ids_, positions_;  // which of the session's inputs they are
};

}  // namespace oag
