#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "service/net/http_test_client.h"
#include "service/net/testing.h"
#include "service/protocol/openai_decode.h"
#include "service/serve/serve_options.h"
#include "service/serve/served_model.h"
#include "service/serve/service.h"
#include "tests/tiny_generation.h"
#include "tests/tiny_models.h"

namespace oag::testing {

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
    service_ = std::make_unique<Service>(options, test::test_runtime(1),
                                         [](const std::string& source) { return source; });
    service_->start();
    const std::string url = service_->url();
    port_ = static_cast<uint16_t>(std::strtoul(url.c_str() + url.rfind(':') + 1, nullptr, 10));
  }
  ~ServeTestServer() { service_->drain(); }

  static ServeOptions default_options() {
    ServeOptions options;
    options.settings = small_settings();
    return options;
  }

  Answer post(const std::string& path, const std::string& body, const std::string& headers = "") {
    RawClient client(port_);
    client.send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                "Connection: close\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
    const std::string all = client.read_to_end();
    Answer answer;
    const size_t end = all.find("\r\n\r\n");
    answer.head = all.substr(0, end + 2);
    answer.body = end == std::string::npos ? "" : all.substr(end + 4);
    if (answer.head.size() > 12) answer.status = std::atoi(answer.head.c_str() + 9);
    return answer;
  }
  Answer post(const std::string& path, const Json& body) { return post(path, body.dump()); }
  Answer post(const std::string& path, const char* body) { return post(path, std::string(body)); }

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
  uint16_t port_ = 0;
};

}  // namespace oag::testing
