// /v1/embeddings
#include "llm/generate/text_embedder.h"
#include "service/protocol/openai_encode.h"
#include "service/protocol/request_error.h"
#include "service/serve/endpoint.h"
#include "service/serve/respond.h"
#include "service/serve/service.h"

namespace oag {
namespace {

// Token ids are taken as they are: whoever sends them has put the special ones around them.
std::vector<TokenId> tokens_of_input(const TextEmbedder& embedder, const PromptText& input) {
  std::vector<TokenId> ids;
  if (const auto* text = std::get_if<std::string>(&input)) {
    ids = embedder.encode(*text);
  } else {
    const auto count = static_cast<int64_t>(embedder.bundle().tokenizer->size_tokens());
    for (const int64_t id : std::get<std::vector<int64_t>>(input)) {
      if (id < 0 || id >= count)
        reject("invalid_value", "input", "holds {}, expected token ids below {}", id, count);
      ids.push_back(static_cast<TokenId>(id));
    }
  }
  if (ids.empty()) reject("invalid_value", "input", "holds a text without tokens");
  if (std::ssize(ids) > embedder.max_tokens()) {
    reject("context_length_exceeded", "input", "has {} tokens, and this model takes {} at most; shorten it",
           ids.size(), embedder.max_tokens());
  }
  return ids;
}

void embed(Service& service, Call call) {
  const Request request = service.decoder().embedding(call.http.body);
  const auto model = service.models().find(request.context.model);
  const TextEmbedder& embedder = model->embedder();
  const auto& wanted = std::get<EmbeddingRequest>(request.payload);
  const int64_t width = embedder.bundle().config.hidden_size;
  if (wanted.dimensions.value_or(width) != width) {
    reject("unsupported_value", "dimensions", "is {}, and this model's vectors have {}", *wanted.dimensions,
           width);
  }
  std::vector<std::vector<TokenId>> inputs;
  for (const PromptText& input : wanted.inputs) inputs.push_back(tokens_of_input(embedder, input));
  const auto control = std::make_shared<RunControl>();
  call.exchange->on_gone([control, &metrics = service.metrics()] {
    metrics.count_disconnect();
    control->cancel();
  });
  std::vector<std::vector<float>> vectors;
  int64_t tokens = 0;
  for (const std::vector<TokenId>& ids : inputs) {
    Embedding out;
    if (embedder.embed(ids, *control, out) != RunState::kDone) return;
    tokens += out.tokens;
    vectors.push_back(std::move(out.values));
  }
  respond_json(*call.exchange, openai_embeddings(model->name(), vectors, tokens, wanted.base64), 200,
               warning_headers(request.warnings));
}

}  // namespace

extern constinit const Endpoint kEmbeddings = {
    .method = "POST",
    .path = "/v1/embeddings",
    .operation = "createEmbedding",
    .summary = "Vectors of texts",
    .lane = Lane::kSlow,
    .fields = &OpenAiDecoder::embedding_table,
    .answer =
        R"({"type":"object","required":["object","data","model","usage"],"properties":{"object":{"type":"string"},"data":{"type":"array","items":{"type":"object","required":["object","index","embedding"],"properties":{"object":{"type":"string"},"index":{"type":"integer"},"embedding":{"anyOf":[{"type":"array","items":{"type":"number"}},{"type":"string"}]}}}},"model":{"type":"string"},"usage":{"type":"object"}}})",
    .handle = embed,
};

}  // namespace oag
