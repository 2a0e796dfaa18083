// /v1/embeddings
#include "llm/generate/text_embedder.h"
#include "service/protocol/openai_encode.h"
#include "service/protocol/request_error.h"
#include "service/serve/endpoint.h"
#include "service/serve/respond.h"
#include "service/serve/service.h"

namespace oag {
namespace {

std::string text_of_input(const ServedModel& model, const PromptText& input) {
  if (const auto* text = std::get_if<std::string>(&input)) return *text;
  std::vector<TokenId> ids;
  for (const int64_t id : std::get<std::vector<int64_t>>(input)) {
    if (id < 0 || id >= static_cast<int64_t>(model.tokenizer()->size_tokens()))
      reject("invalid_value", "input", "holds {}, which is no token id", id);
    ids.push_back(static_cast<TokenId>(id));
  }
  return model.tokenizer()->decode(ids);
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
  std::vector<std::string> texts;
  for (const PromptText& input : wanted.inputs) texts.push_back(text_of_input(*model, input));
  const auto control = std::make_shared<RunControl>();
  call.exchange->on_gone([control, &metrics = service.metrics()] {
    metrics.count_disconnect();
    control->cancel();
  });
  std::vector<std::vector<float>> vectors;
  int64_t tokens = 0;
  for (const std::string& text : texts) {
    Embedding out;
    if (embedder.embed(text, *control, out) != RunState::kDone) return;
    tokens += out.tokens;
    vectors.push_back(std::move(out.values));
  }
  respond_json(*call.exchange, openai_embeddings(model->name(), vectors, tokens, wanted.base64));
}

}  // namespace

extern constinit const Endpoint kEmbeddings = {
    "POST",
    "/v1/embeddings",
    "createEmbedding",
    "Vectors of texts",
    Access::kKey,
    Lane::kSlow,
    &OpenAiDecoder::embedding_table,
    {},
    R"({"type":"object","required":["object","data","model","usage"],"properties":{"object":{"type":"string"},"data":{"type":"array","items":{"type":"object","required":["object","index","embedding"],"properties":{"object":{"type":"string"},"index":{"type":"integer"},"embedding":{"anyOf":[{"type":"array","items":{"type":"number"}},{"type":"string"}]}}}},"model":{"type":"string"},"usage":{"type":"object"}}})",
    "application/json",
    false,
    false,
    embed};

}  // namespace oag
