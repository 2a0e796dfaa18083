// /v1/chat/completions and /v1/completions
#include "service/serve/endpoint.h"
#include "service/serve/service.h"
#include "service/serve/text_answer.h"

namespace oag {
namespace {

constexpr std::string_view kChatAnswer =
    R"({"type":"object","required":["id","object","created","model","choices","usage"],"properties":{
 "id":{"type":"string"},"object":{"type":"string"},"created":{"type":"integer"},"model":{"type":"string"},"usage":{"type":"object"},
 "choices":{"type":"array","items":{"type":"object","required":["index","message","finish_reason"],"properties":{
  "index":{"type":"integer"},"finish_reason":{"type":"string"},"logprobs":{"type":["object","null"]},
  "message":{"type":"object","required":["role","content"],"properties":{
   "role":{"type":"string"},"content":{"type":["string","null"]},"reasoning_content":{"type":"string"},
   "tool_calls":{"type":"array","items":{"type":"object","required":["id","type","function"],"properties":{"id":{"type":"string"},"type":{"type":"string"},
    "function":{"type":"object","required":["name","arguments"],"properties":{"name":{"type":"string"},"arguments":{"type":"string"}}}}}}}},
  "token_ids":{"type":"array","items":{"type":"integer"}}}}}}})";

constexpr std::string_view kCompletionAnswer =
    R"({"type":"object","required":["id","object","created","model","choices","usage"],"properties":{
 "id":{"type":"string"},"object":{"type":"string"},"created":{"type":"integer"},"model":{"type":"string"},"usage":{"type":"object"},
 "choices":{"type":"array","items":{"type":"object","required":["index","text","finish_reason"],"properties":{
  "index":{"type":"integer"},"text":{"type":"string"},"finish_reason":{"type":"string"},"logprobs":{"type":["object","null"]},
  "token_ids":{"type":"array","items":{"type":"integer"}}}}}}})";

void answer(Service& service, Call call, Request request) {
  std::string().swap(call.http.body);
  RequestContext& context = request.context;
  *call.id = context.id;
  if (context.deadline) *context.deadline -= context.arrival - call.arrival;
  context.arrival = call.arrival;
  TextAnswer::Surroundings around;
  around.model = service.models().find(request.context.model);
  around.exchange = std::move(call.exchange);
  around.held = std::move(call.held);
  around.metrics = &service.metrics();
  around.answers = &service.answers();
  around.encoder = &service.encoder();
  around.deadlines = &service.deadlines();
  around.comment_interval = service.options().comment_interval;
  std::make_shared<TextAnswer>(std::move(request), std::move(around))->start();
}

void chat(Service& service, Call call) {
  Request request = service.decoder().chat(call.http.body);
  answer(service, std::move(call), std::move(request));
}

void completion(Service& service, Call call) {
  Request request = service.decoder().completion(call.http.body);
  answer(service, std::move(call), std::move(request));
}

}  // namespace

extern constinit const Endpoint kChatCompletions = {
    .method = "POST",
    .path = "/v1/chat/completions",
    .operation = "createChatCompletion",
    .summary = "Answer a conversation, with pictures where the model sees",
    .lane = Lane::kWorker,
    .fields = &OpenAiDecoder::chat_table,
    .answer = kChatAnswer,
    .streams = true,
    .handle = chat,
};

extern constinit const Endpoint kCompletions = {
    .method = "POST",
    .path = "/v1/completions",
    .operation = "createCompletion",
    .summary = "Go on from a text or from token ids",
    .lane = Lane::kWorker,
    .fields = &OpenAiDecoder::completion_table,
    .answer = kCompletionAnswer,
    .streams = true,
    .handle = completion,
};

}  // namespace oag
