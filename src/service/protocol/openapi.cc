#include "service/protocol/openapi.h"

#include <algorithm>
#include <string>

namespace oag {
namespace {

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

Json error_answer(std::string_view when) {
  return {{"description", when},
          {"content", {{"application/json", {{"schema", {{"$ref", "#/components/schemas/Error"}}}}}}}};
}

// The names in braces of a path.
Json parameters_of(std::string_view path) {
  Json parameters = Json::array();
  for (size_t open = path.find('{'); open != std::string_view::npos; open = path.find('{', open + 1)) {
    const std::string_view name = path.substr(open + 1, path.find('}', open) - open - 1);
    parameters.push_back({{"name", name},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}, {"minLength", 1}}}});
  }
  return parameters;
}

Json operation_of(const RouteDescription& route) {
  Json content = {{std::string(route.media), {{"schema", parse_json(route.answer, route.path)}}}};
  if (route.streams) content["text/event-stream"] = {{"schema", {{"type", "string"}}}};
  Json answers = {{"200", {{"description", "done"}, {"content", content}}}};
  // Where a negative answer looks like a good one.
  if (route.fails_alike) answers["503"] = {{"description", "not now"}, {"content", content}};
  answers["default"] = error_answer("refused, or failed; the message says why");
  if (!route.open) answers["401"] = error_answer("the key is missing or wrong");
  if (route.body != nullptr) {
    answers["400"] = error_answer("the request is wrong; the message says where");
    answers["413"] = error_answer("the body is too large");
    answers["415"] = error_answer("the body is no JSON");
    answers["429"] = error_answer("the queue is full; Retry-After says when to come again");
  }
  const Json parameters = parameters_of(route.path);
  if (route.body != nullptr || !parameters.empty()) answers["404"] = error_answer("there is no such model");
  if (!route.open) answers["503"] = error_answer("the server is not ready, or is ending");
  Json operation = {{"operationId", route.operation}, {"summary", route.summary}};
  if (!parameters.empty()) operation["parameters"] = parameters;
  const Json body = route.body != nullptr        ? route.body->schema()
                    : !route.body_schema.empty() ? parse_json(route.body_schema, route.path)
                                                 : Json();
  if (!body.is_null())
    operation["requestBody"] = {{"required", true}, {"content", {{"application/json", {{"schema", body}}}}}};
  operation["responses"] = std::move(answers);
  operation["security"] = Json::array();
  if (!route.open) operation["security"].push_back({{"key", Json::array()}});
  return operation;
}

Json error_schema() {
  const Json text_or_null = {{"type", {"string", "null"}}};
  return {{"type", "object"},
          {"required", {"error"}},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"required", {"message", "type", "param", "code"}},
              {"properties",
               {{"message", {{"type", "string"}}},
                {"type", {{"type", "string"}}},
                {"param", text_or_null},
                {"code", text_or_null}}}}}}}};
}

}  // namespace

Json openapi_document(std::span<const RouteDescription> routes, std::string_view version) {
  Json paths = Json::object();
  for (const RouteDescription& route : routes)
    paths[std::string(route.path)][lowered(route.method)] = operation_of(route);
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "OpenAutoGLM"}, {"version", version}, {"license", {{"name", "Apache-2.0"}}}}},
          {"paths", std::move(paths)},
          {"components",
           {{"schemas", {{"Error", error_schema()}}},
            {"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

}  // namespace oag
