// /v1/chat/completions and /v1/completions
#include "service/serve/endpoint.h"
#include "service/serve/service.h"
#include "service/serve/text_answer.h"

namespace oag {
namespace {

constexpr std::string_view kAnswer =
    R"({"type":"object","required":["id","object","created","model","choices","usage"],"properties":{
 "id":{"type":"string"},"object":{"type":"string"},"created":{"type":"integer"},"model":{"type":"string"},"choices":{"type":"array"},"usage":{"type":"object"}}})";

void answer(Service& service, Call call, Request request) {
  TextAnswer::Surroundings around;
  around.model = service.models().find(request.context.model);
  around.exchange = std::move(call.exchange);
  around.metrics = &service.metrics();
  around.answers = &service.answers();
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
    "POST",
    "/v1/chat/completions",
    "createChatCompletion",
    "Answer a conversation, with pictures where the model sees",
    Access::kKey,
    Lane::kWorker,
    &OpenAiDecoder::chat_table,
    {},
    kAnswer,
    "application/json",
    true,
    false,
    chat};

extern constinit const Endpoint kCompletions = {"POST",
                                                "/v1/completions",
                                                "createCompletion",
                                                "Go on from a text or from token ids",
                                                Access::kKey,
                                                Lane::kWorker,
                                                &OpenAiDecoder::completion_table,
                                                {},
                                                kAnswer,
                                                "application/json",
                                                true,
                                                false,
                                                completion};

}  // namespace oag
