#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "service/net/http_test_client.h"
#include "service/serve/service.h"
#include "tests/tiny_generation.h"

namespace oag::testing {

// Where the tiny llama stands: a vocabulary of 512, no chat template.
inline std::string tiny_source(std::string_view name = "llama") {
  return oag::test::tiny_model(std::string(name), "bf16").string();
}

// Options of a server of the tiny llama under the name "tiny", on a free port.
inline ServeOptions tiny_serve_options() {
  ServeOptions options;
  options.models = {{tiny_source(), "tiny", "", false}};
  options.settings.parallel = 4;
  options.http.port = 0;
  options.drain_timeout = std::chrono::milliseconds(0);
  return options;
}

inline std::unique_ptr<Service> make_service(const ServeOptions& options) {
  return std::make_unique<Service>(options, oag::test::test_runtime(),
                                   [](const std::string& source) { return std::filesystem::path(source); });
}

inline uint16_t port_of(const Service& service) {
  const std::string url = service.url();
  return static_cast<uint16_t>(std::atoi(url.c_str() + url.rfind(':') + 1));
}

inline std::string post(std::string_view path, std::string_view body,
                        std::string_view type = "application/json", std::string_view host = "localhost",
                        std::string_view more_headers = "") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}",
                     path, host, type, body.size(), more_headers, body);
}

inline std::string get(std::string_view path, std::string_view more_headers = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, more_headers);
}

// The number in an answer's first line; 0 where there is none.
inline int status_of(std::string_view answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::atoi(std::string(answer.substr(9, 3)).c_str()) : 0;
}

}  // namespace oag::testing
