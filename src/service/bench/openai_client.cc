#include "service/bench/openai_client.h"

#include <algorithm>

#include "base/error.h"
#include "service/net/http_call.h"
#include "service/net/sse.h"

namespace oag {
namespace {

constexpr size_t kMostBodyBytes = size_t{16} << 20;
constexpr size_t kMostShownBytes = 300;

int64_t count_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

// The member `name` of an object; null where there is none.
const Json& member(const Json& value, const char* name) {
  static const Json kNull;
  if (!value.is_object()) return kNull;
  const auto found = value.find(name);
  return found == value.end() ? kNull : *found;
}

// What a refusal says: the message of OpenAI's error object, or the beginning of the body.
std::string reason_in(const std::string& body) {
  const Json answer = Json::parse(body, nullptr, false);
  const Json& error = member(answer, "error");
  const Json& message = error.is_object() ? member(error, "message") : error;
  return (message.is_string() ? message.get<std::string>() : body).substr(0, kMostShownBytes);
}

std::string failure_of(const HttpCallResult& result, const std::string& body) {
  if (result.failure != NetFailure::kNone) return result.detail;
  const std::string reason = reason_in(body);
  return fmt::format("HTTP status {}{}{}", result.head.status, reason.empty() ? "" : ": ", reason);
}

bool has_text(const Json& value) {
  return value.is_string() && !value.get_ref<const std::string&>().empty();
}

// True when a chunk carries a piece of the answer: text, a thought, or a part of a tool call.
bool carries_text(const Json& chunk) {
  const Json& choices = member(chunk, "choices");
  return choices.is_array() && std::any_of(choices.begin(), choices.end(), [](const Json& choice) {
           const Json& delta = member(choice, "delta");
           return has_text(member(choice, "text")) || has_text(member(delta, "content")) ||
                  has_text(member(delta, "reasoning_content")) || has_text(member(delta, "reasoning")) ||
                  !member(delta, "tool_calls").empty();
         });
}

}  // namespace

std::optional<TokenUsage> usage_of(const Json& answer) {
  const Json& usage = member(answer, "usage");
  if (!usage.is_object()) return std::nullopt;
  const Json& details = member(usage, "prompt_tokens_details");
  return TokenUsage{.prompt_tokens = count_in(usage, "prompt_tokens"),
                    .completion_tokens = count_in(usage, "completion_tokens"),
                    .cached_tokens = details.is_object() ? count_in(details, "cached_tokens") : 0};
}

// One call to an endpoint, and the body of an answer that is not a stream.
struct OpenAiClient::Reply {
  Reply(const OpenAiClient& client, std::string method, const std::string& endpoint, std::string body)
      : call{.url = client.base_,
             .headers = {{"Content-Type", "application/json"}},
             .method = std::move(method),
             .body = std::move(body),
             .stall_timeout = client.options_.timeout,
             .cancel = client.options_.cancel} {
    call.url.target += "/" + endpoint;
    const std::string& key = client.options_.api_key;
    if (!key.empty()) call.headers.emplace_back("Authorization", "Bearer " + key);
  }

  void keep(std::span<const std::byte> piece) {
    const size_t room = kMostBodyBytes - std::min(text.size(), kMostBodyBytes);
    text.append(reinterpret_cast<const char*>(piece.data()), std::min(piece.size(), room));
  }

  // Errors: kCancelled.
  void finish(HttpCallResult done) {
    result = std::move(done);
    if (result.failure == NetFailure::kCancelled) fail(ErrorCode::kCancelled, "request", "cancelled");
  }

  bool good() const { return result.failure == NetFailure::kNone && result.head.status == 200; }

  HttpCall call;
  HttpCallResult result;
  std::string text;
};

OpenAiClient::OpenAiClient(Options options)
    : options_(std::move(options)),
      base_(parse_url(options_.url.find("://") == std::string::npos ? "http://" + options_.url
                                                                    : options_.url)) {
  while (base_.target.ends_with('/')) base_.target.pop_back();
  if (base_.target.empty()) base_.target = "/v1";
}

Json OpenAiClient::get_json(const std::string& method, const std::string& endpoint,
                            const std::string& body) const {
  Reply reply(*this, method, endpoint, body);
  reply.finish(http_call(
      reply.call, [](const HttpHead&) { return true; },
      [&](std::span<const std::byte> piece) { reply.keep(piece); }));
  if (!reply.good()) {
    fail(ErrorCode::kNetwork, reply.call.url.redacted(), "{}", failure_of(reply.result, reply.text));
  }
  return parse_json(reply.text, reply.call.url.redacted());
}

std::vector<std::string> OpenAiClient::models() const {
  std::vector<std::string> ids;
  const Json answer = get_json("GET", "models", "");
  for (const Json& model : member(answer, "data")) {
    if (const Json& id = member(model, "id"); id.is_string()) ids.push_back(id.get<std::string>());
  }
  return ids;
}

Json OpenAiClient::ask(const std::string& endpoint, const Json& body) const {
  return get_json("POST", endpoint, body.dump());
}

StreamedAnswer OpenAiClient::stream(const std::string& endpoint, const Json& body) const {
  StreamedAnswer answer;
  bool done = false;
  SseReader events([&](const std::string& data) {
    if (data == "[DONE]") {
      done = true;
      return;
    }
    const Json chunk = Json::parse(data, nullptr, false);
    if (chunk.is_discarded()) {
      answer.error = "an event is no JSON: " + data.substr(0, kMostShownBytes);
    } else if (!member(chunk, "error").is_null()) {
      answer.error = reason_in(data);
    }
    if (carries_text(chunk)) answer.texts.push_back(Clock::now());
    if (const auto usage = usage_of(chunk)) answer.usage = usage;
  });
  Reply reply(*this, "POST", endpoint, body.dump());
  bool streamed = false;
  reply.finish(http_call(
      reply.call,
      [&](const HttpHead& head) {
        streamed = head.status == 200;
        return true;
      },
      [&](std::span<const std::byte> piece) {
        if (!streamed) return reply.keep(piece);
        events.feed({reinterpret_cast<const char*>(piece.data()), piece.size()});
      }));
  answer.end = Clock::now();
  if (!reply.good()) {
    answer.error = failure_of(reply.result, reply.text);
  } else if (answer.error.empty() && !done) {
    answer.error = "the stream ends without [DONE]";
  } else if (answer.error.empty() && answer.texts.empty()) {
    answer.error = "the answer is empty";
  }
  return answer;
}

}  // namespace oag
