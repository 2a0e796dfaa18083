#include "service/serve/browser_guard.h"

#include <gtest/gtest.h>

#include "tests/tiny_service.h"

namespace oag {
namespace {

using testing::make_service;
using testing::port_of;
using testing::post;
using testing::RawClient;
using testing::status_of;
using testing::tiny_serve_options;

TEST(BrowserGuard, KnowsTheNamesOfTheLoopbackAlone) {
  for (const char* host : {"localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.1.2.3", "::1", "[::1]"})
    EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const char* host : {"", "127.evil.com", "127.0.0.1.evil.com", "localhost.evil.com", "evil-localhost",
                           "128.0.0.1", "127.0.0", "127.0.0.01x", "::2", "[::1", "0.0.0.0"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

TEST(BrowserGuard, TakesApplicationJsonAlone) {
  for (const char* type :
       {"application/json", "Application/JSON", "application/json; charset=utf-8", " application/json ;x=y"})
    EXPECT_TRUE(is_json_type(type)) << type;
  for (const char* type : {"", "text/plain;json", "text/plain; x=application/json", "application/jsonp",
                           "application/x-www-form-urlencoded", "json", "multipart/form-data; boundary=json"})
    EXPECT_FALSE(is_json_type(type)) << type;
}

constexpr std::string_view kBody = R"({"model": "tiny", "prompt": "a"})";

int status_for(uint16_t port, std::string_view type, std::string_view host, std::string_view headers = "") {
  RawClient client(port);
  return status_of(client.ask(post("/tokenize", kBody, type, host, headers)));
}

TEST(BrowserGuard, KeepsPagesOfOtherSitesFromAServerWithoutKeys) {
  const auto service = make_service(tiny_serve_options());
  service->start();
  const uint16_t port = port_of(*service);
  constexpr std::string_view kJson = "application/json";
  EXPECT_EQ(status_for(port, kJson, "localhost:8000"), 200);
  EXPECT_EQ(status_for(port, kJson, "LOCALHOST"), 200);
  EXPECT_EQ(status_for(port, kJson, "[::1]:8000"), 200);
  EXPECT_EQ(status_for(port, kJson, "127.0.0.1", "Origin: http://127.0.0.1:8000\r\n"), 200);
  EXPECT_EQ(status_for(port, kJson, "127.evil.com"), 403);
  EXPECT_EQ(status_for(port, kJson, "evil.com:8000"), 403);
  EXPECT_EQ(status_for(port, kJson, "localhost", "Origin: http://evil.example\r\n"), 403);
  EXPECT_EQ(status_for(port, kJson, "localhost", "Origin: null\r\n"), 403);
  EXPECT_EQ(status_for(port, "text/plain;json", "localhost"), 415);
  service->drain();
}

TEST(BrowserGuard, LetsEverybodyInWhoHasAKey) {
  ServeOptions options = tiny_serve_options();
  options.api_keys = {"secret"};
  const auto service = make_service(options);
  service->start();
  constexpr std::string_view kKey = "Authorization: Bearer secret\r\n";
  EXPECT_EQ(status_for(port_of(*service), "application/json", "models.example", kKey), 200);
  service->drain();
}

}  // namespace
}  // namespace oag
