// /tokenize and /detokenize
#include "service/protocol/request_error.h"
#include "service/serve/endpoint.h"
#include "service/serve/prompt_builder.h"
#include "service/serve/respond.h"
#include "service/serve/service.h"

namespace oag {
namespace {

constexpr size_t kMostBytes = 1'000'000;

std::vector<TokenId> tokens_of(ServedModel& model, Request& request) {
  const auto& wanted = std::get<TokenizeRequest>(request.payload);
  if (std::holds_alternative<Json>(wanted.source)) return tokenize_messages(model, request);
  const auto& text = std::get<std::string>(wanted.source);
  if (text.size() > kMostBytes)
    reject("invalid_value", "prompt", "has {} bytes, at most {} are taken", text.size(), kMostBytes);
  return model.tokenizer()->encode(text, {.parse_special = true, .add_special = wanted.add_special_tokens});
}

// The bytes that a token prints. BERT's print blanks between words that the text need not have, so they are
// given as its vocabulary writes them: "play", "##ing".
std::string token_string(const Tokenizer& tokenizer, TokenId id) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  if (vocabulary.bert) return vocabulary.tokens[static_cast<size_t>(id)];
  return std::string(tokenizer.token_bytes(id, true));
}

void tokenize(Service& service, Call call) {
  Request request = service.decoder().tokenize(call.http.body);
  const auto model = service.models().find(request.context.model);
  const auto& wanted = std::get<TokenizeRequest>(request.payload);
  const std::vector<TokenId> ids = tokens_of(*model, request);
  Json out = {{"count", ids.size()},
              {"max_model_len", model->context_tokens()},
              {"tokens", ids},
              {"token_strs", nullptr}};
  if (wanted.return_token_strings) {
    out["token_strs"] = Json::array();
    for (const TokenId id : ids) out["token_strs"].push_back(token_string(*model->tokenizer(), id));
  }
  respond_json(*call.exchange, out, 200, warning_headers(request.warnings));
}

void detokenize(Service& service, Call call) {
  const Request request = service.decoder().detokenize(call.http.body);
  const auto model = service.models().find(request.context.model);
  const auto count = static_cast<int64_t>(model->tokenizer()->size_tokens());
  std::vector<TokenId> ids;
  for (const int64_t id : std::get<DetokenizeRequest>(request.payload).tokens) {
    if (id < 0 || id >= count)
      reject("invalid_value", "tokens", "holds {}, expected ids from 0 to {}", id, count - 1);
    ids.push_back(static_cast<TokenId>(id));
  }
  respond_json(*call.exchange, {{"prompt", model->tokenizer()->decode(ids, false)}}, 200,
               warning_headers(request.warnings));
}

}  // namespace

extern constinit const Endpoint kTokenize = {
    .method = "POST",
    .path = "/tokenize",
    .operation = "tokenize",
    .summary = "Token ids of a text or a conversation",
    .lane = Lane::kWorker,
    .fields = &OpenAiDecoder::tokenize_table,
    .answer =
        R"({"type":"object","required":["count","tokens"],"properties":{"count":{"type":"integer"},"tokens":{"type":"array","items":{"type":"integer"}}}})",
    .handle = tokenize,
};

extern constinit const Endpoint kDetokenize = {
    .method = "POST",
    .path = "/detokenize",
    .operation = "detokenize",
    .summary = "The text of token ids",
    .lane = Lane::kWorker,
    .fields = &OpenAiDecoder::detokenize_table,
    .answer = R"({"type":"object","required":["prompt"],"properties":{"prompt":{"type":"string"}}})",
    .handle = detokenize,
};

}  // namespace oag
