#include "service/serve/service.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>

#include "tests/tiny_service.h"

namespace oag {
namespace {

using testing::make_service;
using testing::port_of;
using testing::post;
using testing::RawClient;
using testing::tiny_serve_options;

constexpr std::string_view kLong =
    R"({"model": "tiny", "prompt": "on", "max_tokens": 900, "ignore_eos": true, "stream": true})";

TEST(Service, EndsOnlyWhenNoAnswerIsAtWorkAnyMore) {
  auto service = make_service(tiny_serve_options());
  service->start();
  RawClient client(port_of(*service));
  client.send(post("/v1/completions", kLong));
  ASSERT_TRUE(client.read_until("data: ").ends_with("data: "));
  const std::shared_ptr<ServedModel> model = service->models().models().front();
  test::Held held(model->language_model());  // the answer cannot end
  service->drain();
  auto ending = std::async(std::launch::async, [&] { service.reset(); });
  EXPECT_EQ(ending.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  held.release();
  ending.get();
}

// What encodes an answer is none of the scheduler's threads: others go on meanwhile.
TEST(Service, AnswersWholeWhileItsEncoderIsBusy) {
  const auto service = make_service(tiny_serve_options());
  service->start();
  std::latch release(1);
  service->encoder().submit(0, [&] { release.wait(); });
  RawClient whole(port_of(*service)), streamed(port_of(*service));
  whole.send(post("/v1/completions", R"({"model": "tiny", "prompt": "on", "max_tokens": 2, "logprobs": 5})"));
  ServedModel& model = *service->models().models().front();
  ASSERT_TRUE(testing::eventually([&] { return model.language_model().stats().finished >= 2; }));  // warm-up
  streamed.send(post("/v1/completions", kLong));
  EXPECT_NE(streamed.read_until("[DONE]").find("[DONE]"), std::string::npos);
  release.count_down();
  const std::string answer = whole.read_answer();
  EXPECT_EQ(testing::status_of(answer), 200);
  EXPECT_NE(answer.find("\"completion_tokens\":2"), std::string::npos) << answer;
  service->drain();
}

TEST(Service, RefusesMoreLogProbabilitiesThanAnAnswerMayHold) {
  const auto service = make_service(tiny_serve_options());
  service->start();
  const auto status_for = [&](std::string_view more) {
    RawClient client(port_of(*service));
    return testing::status_of(client.ask(post(
        "/v1/chat/completions",
        fmt::format(R"({{"model": "tiny", "messages": [{{"role": "user", "content": "a"}}], "logprobs": true,
                     "top_logprobs": 20, {}}})",
                    more))));
  };
  EXPECT_EQ(status_for(R"("n": 64)"), 400);
  EXPECT_EQ(status_for(R"("n": 64, "max_tokens": 1)"), 200);
  service->drain();
}

TEST(Service, RefusesToolsThatCannotFitBeforeItWorksOnThem) {
  const auto service = make_service(tiny_serve_options());
  service->start();
  const std::string much(size_t{2} << 20, 'x');
  const auto param_of = [&](const std::string& member) {
    RawClient client(port_of(*service));
    const std::string answer = client.ask(
        post("/v1/chat/completions",
             R"({"model": "tiny", "messages": [{"role": "user", "content": "a"}], )" + member + "}"));
    EXPECT_NE(answer.find("context_length_exceeded"), std::string::npos) << answer.substr(0, 400);
    const size_t at = answer.find("\"param\":\"") + 9;
    return answer.substr(at, answer.find('"', at) - at);
  };
  EXPECT_EQ(param_of(R"("tools": [{"type": "function", "function": {"name": "f", "description": ")" + much +
                     "\"}}]"),
            "tools");
  EXPECT_EQ(param_of(R"("chat_template_kwargs": {")" + much + "\": 1}"), "chat_template_kwargs");
  service->drain();
}

TEST(Service, NamesModelsToThoseAloneWhoMayUseThem) {
  ServeOptions options = tiny_serve_options();
  options.api_keys = {"secret"};
  options.settings.parallel = 1;
  options.settings.max_queue = 0;
  const auto service = make_service(options);
  service->start();
  const auto ticket = service->models().models().front()->admit(1);
  for (const char* path : {"/readyz", "/progressz"}) {
    RawClient client(port_of(*service));
    const std::string open = client.ask(testing::get(path));
    EXPECT_EQ(open.find("tiny"), std::string::npos) << open;
    const std::string keyed = client.ask(testing::get(path, "Authorization: Bearer secret\r\n"));
    EXPECT_NE(keyed.find("tiny"), std::string::npos) << keyed;
  }
  service->drain();
}

TEST(Service, SeesARequestWorkerThatHangs) {
  ServeOptions options = tiny_serve_options();
  options.progress_timeout = std::chrono::milliseconds(50);
  const auto service = make_service(options);
  service->start();
  RawClient client(port_of(*service));
  EXPECT_EQ(testing::status_of(client.ask(testing::get("/progressz"))), 200);
  std::latch release(1);
  service->request_workers().submit(0, [&] { release.wait(); });
  EXPECT_TRUE(
      testing::eventually([&] { return testing::status_of(client.ask(testing::get("/progressz"))) == 503; }));
  release.count_down();
  EXPECT_TRUE(
      testing::eventually([&] { return testing::status_of(client.ask(testing::get("/progressz"))) == 200; }));
  service->drain();
}

TEST(Service, GivesErrorsTheIdOfTheirRequest) {
  const auto service = make_service(tiny_serve_options());
  service->start();
  RawClient client(port_of(*service));
  const auto id_of = [&](std::string_view body, std::string_view type = "application/json") {
    RawClient own(port_of(*service));
    const std::string answer = own.ask(post("/v1/completions", body, type));
    EXPECT_GE(testing::status_of(answer), 400);
    const size_t at = answer.find("X-Request-Id: ");
    return at == std::string::npos ? "" : answer.substr(at + 14, answer.find("\r\n", at) - at - 14);
  };
  EXPECT_EQ(id_of(R"({"model": "none", "prompt": "a", "request_id": "mine"})"), "mine");
  EXPECT_EQ(id_of(R"({"model": "tiny", "prompt": "", "request_id": "mine"})"), "mine");
  EXPECT_TRUE(id_of("{").starts_with("req-"));
  EXPECT_TRUE(id_of("{}", "text/plain").starts_with("req-"));
  EXPECT_NE(id_of("{"), id_of("{"));
  service->drain();
}

TEST(Service, CountsAnswersByStatusAndEndingsByModel) {
  const auto service = make_service(tiny_serve_options());
  service->start();
  RawClient client(port_of(*service));
  client.ask(
      post("/v1/completions", R"({"model": "tiny", "prompt": "a", "max_tokens": 1, "ignore_eos": true})"));
  client.ask(post("/v1/completions", R"({"model": "none", "prompt": "a"})"));
  RawClient(port_of(*service)).ask(post("/v1/completions", "{}", "text/plain"));
  RawClient(port_of(*service)).ask("nonsense\r\n\r\n");
  RawClient scraper(port_of(*service));
  const std::string metrics = scraper.ask(testing::get("/metrics"));
  for (const char* line :
       {"oag_http_responses_total{status=\"200\"} 1", "oag_http_responses_total{status=\"404\"} 1",
        "oag_http_responses_total{status=\"415\"} 1", "oag_http_responses_total{status=\"400\"} 1",
        "oag_finish_reasons_total{model=\"tiny\",reason=\"length\"} 1"})
    EXPECT_NE(metrics.find(line), std::string::npos) << line << " is not in " << metrics;
  service->drain();
}

TEST(Service, TellsClientsThatItsEndCutsTheirAnswers) {
  const auto service = make_service(tiny_serve_options());
  service->start();
  std::string whole(kLong);
  whole.replace(whole.find("true}"), 5, "false}");  // "stream"
  RawClient streamed(port_of(*service)), waits(port_of(*service));
  streamed.send(post("/v1/completions", kLong));
  ASSERT_TRUE(streamed.read_until("data: ").ends_with("data: "));
  const std::shared_ptr<ServedModel> model = service->models().models().front();
  test::Held held(model->language_model());
  waits.send(post("/v1/completions", whole));
  ASSERT_TRUE(testing::eventually([&] { return model->admitted() == 2; }));
  service->drain();
  const std::string stream = streamed.read_to_end();
  EXPECT_NE(stream.find(R"("code":"shutting_down")"), std::string::npos) << stream;
  EXPECT_TRUE(stream.ends_with("\r\n0\r\n\r\n")) << "the stream did not end properly";
  EXPECT_EQ(stream.find("[DONE]"), std::string::npos);
  const std::string answer = waits.read_answer();
  EXPECT_EQ(testing::status_of(answer), 503);
  EXPECT_NE(answer.find("Retry-After"), std::string::npos);
}

}  // namespace
}  // namespace oag
