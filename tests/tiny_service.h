#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "service/net/http_test_client.h"
#include "service/net/testing.h"
#include "service/serve/service.h"
#include "tests/tiny_generation.h"
#include "tests/tiny_models.h"

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

// A template that writes each message as "ROLE:TEXT;" and then asks for the assistant's. It knows no tools.
inline constexpr std::string_view kPlainTemplate =
    "{%- for message in messages %}{{ message.role + ':' + message.content + ';' }}{%- endfor %}"
    "{%- if add_generation_prompt %}assistant:{% endif %}";

// Settings that a model of the tests is small with.
inline ModelSettings small_settings() {
  ModelSettings settings;
  settings.context_tokens = 512;
  settings.parallel = 4;
  return settings;
}

// Tiny models of tests/data/models with templates of their own.
class TinyModels {
 public:
  std::filesystem::path path(const std::string& model, std::string_view chat_template) {
    const std::filesystem::path made = folder_ / (std::to_string(next_++) + ".gguf");
    test::rewrite_keys(test::tiny_model(model, "bf16"),
                       {{"tokenizer.chat_template", GgufValue::of(std::string(chat_template))}}, made);
    return made;
  }

  std::shared_ptr<ServedModel> load(const std::string& model = "llama",
                                    std::string_view chat_template = kPlainTemplate,
                                    const ModelSettings& settings = small_settings()) {
    ModelSpec spec;
    spec.name = model;
    const std::shared_ptr<Runtime> runtime = test::test_runtime(1);
    return ServedModel::load(runtime, ServedModel::plan(runtime, path(model, chat_template), spec, settings),
                             0);
  }

 private:
  TemporaryFolder folder_;
  int next_ = 0;
};

// A server of one tiny model, and its client.
class ServeTestServer {
 public:
  struct Answer {
    int status = 0;
    std::string head, body;
    Json json() const { return Json::parse(body); }
    // The value of a header; "" without it.
    std::string header(const std::string& name) const {
      const size_t at = head.find("\r\n" + name + ": ");
      if (at == std::string::npos) return "";
      const size_t begin = at + name.size() + 4;
      return head.substr(begin, head.find("\r\n", begin) - begin);
    }
  };

  explicit ServeTestServer(const std::string& model = "llama",
                           std::string_view chat_template = kPlainTemplate,
                           ServeOptions options = default_options())
      : ServeTestServer(models().path(model, chat_template), std::move(options)) {}

  // Of a model file.
  ServeTestServer(const std::filesystem::path& path, ServeOptions options) {
    options.http.port = 0;
    options.models.push_back({path.string(), "m", {}, false});
    options.drain_timeout = std::chrono::seconds(5);
    service_ = make_service(options);
    service_->start();
  }
  ~ServeTestServer() { service_->drain(); }

  static ServeOptions default_options() {
    ServeOptions options;
    options.settings = small_settings();
    return options;
  }

  Answer post(std::string_view path, std::string_view body, const std::string& headers = "") {
    RawClient client(port_of(*service_));
    client.send(
        testing::post(path, body, "application/json", "localhost", headers + "Connection: close\r\n"));
    const std::string all = client.read_to_end();
    const size_t end = all.find("\r\n\r\n");
    return {status_of(all), all.substr(0, end + 2), end == std::string::npos ? "" : all.substr(end + 4)};
  }
  Answer post(std::string_view path, const Json& body) { return post(path, std::string_view(body.dump())); }
  Answer post(std::string_view path, const char* body) { return post(path, std::string_view(body)); }

  // A chat with one message, its fields joined with `more`.
  Answer chat(const Json& more = Json::object()) {
    Json body = {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}, {"max_completion_tokens", 8}};
    body.update(more);
    return post("/v1/chat/completions", body);
  }

  Service& service() { return *service_; }

 private:
  static TinyModels& models() {
    static TinyModels models;
    return models;
  }

  std::unique_ptr<Service> service_;
};

}  // namespace oag::testing
