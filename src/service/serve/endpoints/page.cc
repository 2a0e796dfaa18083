// /
#include "service/serve/endpoint.h"
#include "service/serve/service.h"

namespace oag {

extern const std::string_view kEmbeddedChatPage;  // web/chat.html

namespace {

// Nothing from elsewhere runs in the page or is asked by it.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void page(Service&, Call call) {
  call.exchange->respond(200,
                         {{"Content-Type", "text/html; charset=utf-8"},
                          {"Content-Security-Policy", std::string(kPolicy)},
                          {"X-Content-Type-Options", "nosniff"},
                          {"Referrer-Policy", "no-referrer"}},
                         kEmbeddedChatPage);
}

}  // namespace

extern constinit const Endpoint kPage = {
    .method = "GET",
    .path = "/",
    .operation = "page",
    .summary = "A chat in the browser",
    .access = Access::kOpen,
    .answer = R"({"type":"string"})",
    .media = "text/html",
    .handle = page,
};

}  // namespace oag
