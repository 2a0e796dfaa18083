// /admin/models/load and /admin/models/unload
#include "service/protocol/field.h"
#include "service/protocol/json_shape.h"
#include "service/protocol/request_error.h"
#include "service/serve/endpoint.h"
#include "service/serve/respond.h"
#include "service/serve/service.h"

namespace oag {
namespace {

constexpr std::string_view kLoad =
    R"({"type":"object","required":["source"],"properties":{"source":{"type":"string","minLength":1},"name":{"type":"string","minLength":1},"mmproj":{"type":"string"},"text_only":{"type":"boolean"}},"additionalProperties":false})";
constexpr std::string_view kUnload =
    R"({"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":1}},"additionalProperties":false})";

Json body_of(const Call& call, std::string_view schema) {
  Json body = parse_body(call.http.body);
  check_shape(parse_json(schema, "schema"), body, "");
  return body;
}

// What is wrong with a file is wrong with `source`, whose path the caller knows.
std::shared_ptr<ServedModel> load_model(ModelHost& models, ModelSpec spec) {
  try {
    return models.load(std::move(spec));
  } catch (const RequestError&) {
    throw;
  } catch (const Error& error) {
    const ApiProblem problem = problem_of(error);
    throw RequestError(problem.status, problem.code, "source", problem.message);
  }
}

// Blocks a request worker while it loads: that is what this call is for.
void load(Service& service, Call call) {
  const Json body = body_of(call, kLoad);
  ModelSpec spec;
  spec.source = body["source"];
  spec.name = member_or<std::string>(body, "name", "");
  spec.vision_path = member_or<std::string>(body, "mmproj", "");
  spec.text_only = member_or(body, "text_only", false);
  const auto model = load_model(service.models(), std::move(spec));
  respond_json(*call.exchange, {{"loaded", model->name()}, {"memory_bytes", model->memory_bytes()}});
}

void unload(Service& service, Call call) {
  const Json body = body_of(call, kUnload);
  service.models().unload(body["name"].get<std::string>());
  respond_json(*call.exchange, {{"unloaded", body["name"]}});
}

}  // namespace

extern constinit const Endpoint kLoadModel = {
    .method = "POST",
    .path = "/admin/models/load",
    .operation = "loadModel",
    .summary = "Load a model: {source, name, mmproj, text_only}",
    .access = Access::kAdmin,
    .lane = Lane::kSlow,
    .body_schema = kLoad,
    .answer = R"({"type":"object"})",
    .handle = load,
};
extern constinit const Endpoint kUnloadModel = {
    .method = "POST",
    .path = "/admin/models/unload",
    .operation = "unloadModel",
    .summary = "Unload a model that has no work: {name}",
    .access = Access::kAdmin,
    .lane = Lane::kSlow,
    .body_schema = kUnload,
    .answer = R"({"type":"object"})",
    .handle = unload,
};

}  // namespace oag
