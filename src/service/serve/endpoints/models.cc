// /v1/models and /v1/models/{model}
#include "service/serve/endpoint.h"
#include "service/serve/respond.h"
#include "service/serve/service.h"

namespace oag {
namespace {

constexpr std::string_view kModel =
    R"({"type":"object","required":["id","object","created","owned_by"],"properties":{"id":{"type":"string"},"object":{"type":"string"},"created":{"type":"integer"},"owned_by":{"type":"string"}}})";

Json model_json(const ServedModel& model) {
  return {{"id", model.name()},
          {"object", "model"},
          {"created", model.created()},
          {"owned_by", "openautoglm"},
          {"max_model_len", model.context_tokens()},
          {"capabilities",
           {{"text", model.generates()}, {"pictures", model.sees()}, {"embeddings", model.embeds()}}}};
}

void list(Service& service, Call call) {
  Json data = Json::array();
  for (const auto& model : service.models().models()) data.push_back(model_json(*model));
  respond_json(*call.exchange, {{"object", "list"}, {"data", std::move(data)}});
}

void get(Service& service, Call call) {
  respond_json(*call.exchange, model_json(*service.models().find(call.argument)));
}

}  // namespace

extern constinit const Endpoint kListModels = {
    .method = "GET",
    .path = "/v1/models",
    .operation = "listModels",
    .summary = "The models that are loaded",
    .answer =
        R"({"type":"object","required":["object","data"],"properties":{"object":{"type":"string"},"data":{"type":"array","items":{"type":"object","required":["id","object","created","owned_by"],"properties":{"id":{"type":"string"},"object":{"type":"string"},"created":{"type":"integer"},"owned_by":{"type":"string"}}}}}})",
    .handle = list,
};

extern constinit const Endpoint kGetModel = {
    .method = "GET",
    .path = "/v1/models/{model}",
    .operation = "getModel",
    .summary = "One model",
    .answer = kModel,
    .handle = get,
};

}  // namespace oag
