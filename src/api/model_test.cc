// The C++ API on a tiny model. Expected tokens are those of transformers (tests/data/models/README.md).
#include "openautoglm/openautoglm.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <stdexcept>
#include <thread>

#include "tests/npy.h"
#include "tests/tiny_models.h"

namespace openautoglm {
namespace {

using oag::test::tiny_model;

std::vector<TokenId> reference(const std::string& model, const std::string& what) {
  return oag::test::load_npy<int32_t>(oag::test::tiny_models_folder() / model / "ref" /
                                      ("text." + what + ".npy"))
      .values;
}

Model load(const Runtime& runtime, const std::string& model = "llama", ModelOptions options = {}) {
  options.cache = "f32";
  return Model(runtime, tiny_model(model, "f32").string(), options);
}

// Greedy, past end tokens, from the reference's prompt.
Request greedy(int64_t max_tokens, const std::string& model = "llama") {
  Request request;
  request.prompt = reference(model, "input_ids");
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  request.ignore_end = true;
  return request;
}

// Runs for seconds unless it is stopped; `ran` counts down with the first token.
Request endless(std::latch& ran) {
  Request request = greedy(-1);
  request.on_token = [&ran, first = true](const Token&) mutable {
    if (std::exchange(first, false)) ran.count_down();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return true;
  };
  return request;
}

template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  throw std::runtime_error("no error");
}

// By the table of well-formed byte sequences in the Unicode standard (3-7).
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto at = [&](size_t k) {
      return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
    };
    const unsigned lead = at(0);
    const size_t length = lead < 0x80   ? 1
                          : lead < 0xc2 ? 0
                          : lead < 0xe0 ? 2
                          : lead < 0xf0 ? 3
                          : lead < 0xf5 ? 4
                                        : 0;
    if (length == 0) return false;
    for (size_t k = 1; k < length; ++k) {
      if (at(k) < 0x80 || at(k) > 0xbf) return false;
    }
    if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f)) return false;
    if ((lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f)) return false;
    i += length;
  }
  return true;
}

TEST(Api, NamesItsVersionAndDevices) {
  EXPECT_EQ(version(), "0.1.0");
  const auto all = devices();
  ASSERT_FALSE(all.empty());
  EXPECT_TRUE(all.front().name.starts_with("oag/cpu")) << all.front().name;
  EXPECT_GT(all.front().memory_bytes, 0u);
  Runtime runtime({.device = all.front().name, .threads = 1});
}

TEST(Api, ModelInfoSaysWhatTheFileHolds) {
  Runtime runtime;
  const std::string path = tiny_model("llama", "bf16").string();
  const Model model(runtime, path, {.context_tokens = 64});
  EXPECT_EQ(model.info().name, "tiny llama");
  EXPECT_EQ(model.info().path, path);
  EXPECT_EQ(model.info().architecture, "llama");
  EXPECT_EQ(model.info().precision, "bf16");
  EXPECT_EQ(model.info().parameters, 435072);
  EXPECT_EQ(model.info().trained_context_tokens, 1024);
  EXPECT_EQ(model.info().context_tokens, 64);
  EXPECT_EQ(model.info().vocabulary_tokens, 512);
  EXPECT_FALSE(model.info().has_chat_template);
}

TEST(Api, GreedyTokensEqualTheReferenceOfEachArchitecture) {
  Runtime runtime;
  for (const char* name : {"llama", "llama3", "qwen2", "qwen3", "glm4", "glm"}) {
    Model model = load(runtime, name);
    const Generation answer = model.submit(greedy(8, name));
    EXPECT_EQ(answer.result().token_ids, reference(name, "tokens")) << name;
    EXPECT_EQ(answer.result().finish_reason, FinishReason::kLength);
    EXPECT_EQ(answer.result().prompt_tokens, static_cast<int64_t>(reference(name, "input_ids").size()));
    EXPECT_GT(answer.result().ttft_ms, 0);
  }
}

TEST(Api, AFolderWithOneModelIsThatModel) {
  Runtime runtime;
  EXPECT_EQ(Model(runtime, (oag::test::tiny_models_folder() / "llama").string()).info().name, "tiny llama");
  const std::string several = (oag::test::tiny_models_folder() / "llama_k").string();
  const Error error = error_of([&] { Model(runtime, several); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.where(), several);
}

TEST(Api, LoadErrorsSayWhatIsWrongAndWhere) {
  Runtime runtime;
  const Error missing = error_of([&] { Model(runtime, "/no/such/model.gguf"); });
  EXPECT_EQ(missing.code(), ErrorCode::kNotFound);
  EXPECT_NE(std::string(missing.what()).find("/no/such/model.gguf"), std::string::npos) << missing.what();

  const std::string whole = oag::read_file(tiny_model("llama", "bf16"));
  const auto cut =
      std::filesystem::temp_directory_path() / ("oag_api_cut." + std::to_string(::getpid()) + ".gguf");
  std::ofstream(cut, std::ios::binary) << whole.substr(0, whole.size() / 2);
  const Error damaged = error_of([&] { Model(runtime, cut.string()); });
  std::filesystem::remove(cut);
  EXPECT_EQ(damaged.code(), ErrorCode::kCorruptData);
  EXPECT_NE(std::string(damaged.what()).find(cut.string()), std::string::npos) << damaged.what();
  EXPECT_EQ(std::string(damaged.what()).find('\n'), std::string::npos);
}

TEST(Api, OptionsOutOfRangeAreRefusedByName) {
  const auto where = [](auto&& call) {
    const Error error = error_of(call);
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    return error.where();
  };
  EXPECT_EQ(where([] { Runtime({.threads = -1}); }), "threads");
  EXPECT_EQ(error_of([] { Runtime({.device = "abacus"}); }).code(), ErrorCode::kNotFound);
  Runtime runtime;
  const std::string path = tiny_model("llama", "bf16").string();
  EXPECT_EQ(where([&] { Model(runtime, path, {.context_tokens = 1025}); }), "context");
  EXPECT_EQ(where([&] { Model(runtime, path, {.context_tokens = -1}); }), "context_tokens");
  EXPECT_EQ(where([&] { Model(runtime, path, {.cache_tokens = -1}); }), "cache_tokens");
  EXPECT_EQ(where([&] { Model(runtime, path, {.cache = "q9"}); }), "cache");
  EXPECT_EQ(where([&] { Model(runtime, path, {.max_parallel = 0}); }), "max_parallel");

  Model model = load(runtime);
  const auto refused = [&](Request request) {
    return where([&] { (void)model.submit(std::move(request)); });
  };
  EXPECT_EQ(refused({.prompt = "a", .max_tokens = -2}), "max_tokens");
  EXPECT_EQ(refused({.prompt = std::vector<TokenId>{512}, .max_tokens = 0}), "prompt");
  EXPECT_EQ(refused({.prompt = std::vector<TokenId>{}}), "prompt");
  EXPECT_EQ(refused({.prompt = std::vector<TokenId>{512}}), "prompt");
  EXPECT_EQ(refused({.prompt = std::vector<TokenId>(1024, 1)}), "prompt");
  EXPECT_EQ(refused({.prompt = std::vector<Message>{}}), "prompt");
  EXPECT_NE(refused({.prompt = "a", .sampling = {.temperature = -1}}).find("temperature"), std::string::npos);
}

TEST(Api, NoTokensAreMadeWhenNoneAreWanted) {
  Runtime runtime;
  Model model = load(runtime);
  const Generation answer = model.submit(greedy(0));
  EXPECT_EQ(answer.result().finish_reason, FinishReason::kLength);
  EXPECT_TRUE(answer.result().token_ids.empty());
  EXPECT_EQ(answer.result().prompt_tokens, static_cast<int64_t>(reference("llama", "input_ids").size()));
}

TEST(Api, TokensStreamInOrderFromAnotherThreadBeforeTheEnd) {
  Runtime runtime;
  Model model = load(runtime);
  std::vector<TokenId> ids;
  std::string text;
  bool other_thread = true;
  Request request = greedy(32);
  request.on_token = [&, caller = std::this_thread::get_id()](const Token& token) {
    ids.push_back(token.id);
    text += token.text;
    other_thread = other_thread && std::this_thread::get_id() != caller;
    return true;
  };
  const Generation answer = model.submit(std::move(request));
  const Result& result = answer.result();
  EXPECT_TRUE(answer.done());
  EXPECT_EQ(ids.size(), 32u);
  EXPECT_EQ(ids, result.token_ids);
  EXPECT_EQ(text, result.text);
  EXPECT_TRUE(other_thread);
}

TEST(Api, EveryPieceOfAStreamIsWholeUtf8) {
  Runtime runtime;
  Model model = load(runtime);
  Request request = greedy(400);
  request.sampling = {.temperature = 20, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 7};
  size_t pieces = 0, beyond_ascii = 0;
  std::string text;
  request.on_token = [&](const Token& token) {
    EXPECT_TRUE(is_utf8(token.text)) << "token " << token.id;
    ++pieces;
    for (const char c : token.text) beyond_ascii += static_cast<unsigned char>(c) >= 0x80;
    text += token.text;
    return true;
  };
  const Generation answer = model.submit(std::move(request));
  EXPECT_EQ(answer.result().text, text);
  EXPECT_GE(pieces, 400u);
  EXPECT_GT(beyond_ascii, 20u);  // else this test would see nothing
}

TEST(Api, CancelEndsAnAnswerAndTheModelAnswersOn) {
  Runtime runtime;
  Model model = load(runtime);
  std::latch ran(1);
  Generation stopped = model.submit(endless(ran));
  ran.wait();
  stopped.cancel();
  ASSERT_TRUE(stopped.wait_for(std::chrono::seconds(60)));
  EXPECT_EQ(stopped.result().finish_reason, FinishReason::kCancelled);
  EXPECT_GE(stopped.result().token_ids.size(), 1u);
  EXPECT_EQ(model.submit(greedy(8)).result().token_ids, reference("llama", "tokens"));
}

TEST(Api, ACallbackThatReturnsFalseEndsItsAnswer) {
  Runtime runtime;
  Model model = load(runtime);
  int calls = 0;
  Request request = greedy(-1);
  request.on_token = [&](const Token&) { return ++calls < 3; };
  const Generation answer = model.submit(std::move(request));
  EXPECT_EQ(answer.result().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(answer.result().token_ids.size(), 3u);
  EXPECT_EQ(calls, 3);
}

TEST(Api, ACallbackThatThrowsFailsItsAnswerAlone) {
  Runtime runtime;
  Model model = load(runtime, "llama", {.cache_tokens = 2048});
  Request throwing = greedy(-1);
  throwing.on_token = [](const Token&) -> bool { throw std::runtime_error("disk is full"); };
  const Generation good = model.submit(greedy(8));
  const Generation bad = model.submit(std::move(throwing));
  EXPECT_EQ(good.result().token_ids, reference("llama", "tokens"));
  EXPECT_EQ(bad.result().finish_reason, FinishReason::kError);
  EXPECT_EQ(bad.result().error, "the token callback threw: disk is full");
}

TEST(Api, WaitingInsideACallbackIsRefused) {
  Runtime runtime;
  Model model = load(runtime);
  std::latch submitted(1);
  std::optional<Generation> answer;
  std::optional<ErrorCode> code;
  bool polled = true;
  Request request = greedy(1);
  request.on_token = [&](const Token&) {
    submitted.wait();
    polled = answer->wait_for(std::chrono::seconds(0));
    code = error_of([&] { (void)answer->result(); }).code();
    return true;
  };
  answer.emplace(model.submit(std::move(request)));
  submitted.count_down();
  EXPECT_EQ(answer->result().finish_reason, FinishReason::kLength);
  EXPECT_EQ(code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(polled);
}

TEST(Api, DroppingAnAnswerStopsItsCallback) {
  Runtime runtime;
  Model model = load(runtime);
  std::atomic<int> calls{0};
  std::latch ran(1);
  {
    Request request = greedy(-1);
    request.on_token = [&](const Token&) {
      if (calls++ == 0) ran.count_down();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      return true;
    };
    const Generation dropped = model.submit(std::move(request));
    ran.wait();
  }
  const int calls_then = calls;
  model.submit(greedy(8)).result();
  EXPECT_EQ(calls, calls_then);
}

TEST(Api, AnAnswerMayBeDroppedInsideItsOwnCallback) {
  Runtime runtime;
  Model model = load(runtime);
  std::latch submitted(1), dropped(1);
  std::optional<Generation> answer;
  Request request = greedy(-1);
  request.on_token = [&](const Token&) {
    submitted.wait();
    if (answer) {
      answer.reset();
      dropped.count_down();
    }
    return true;
  };
  answer.emplace(model.submit(std::move(request)));
  submitted.count_down();
  dropped.wait();
  EXPECT_EQ(model.submit(greedy(8)).result().token_ids, reference("llama", "tokens"));
}

TEST(Api, AnAnswerOutlivesItsModelAndRuntime) {
  std::optional<Generation> ended, running;
  std::latch ran(1);
  {
    Runtime runtime;
    Model model = load(runtime);
    ended.emplace(model.submit(greedy(8)));
    ended->wait_for(std::chrono::seconds(60));
    running.emplace(model.submit(endless(ran)));
    ran.wait();
  }
  EXPECT_EQ(ended->result().token_ids, reference("llama", "tokens"));
  ASSERT_TRUE(running->done());
  EXPECT_EQ(running->result().finish_reason, FinishReason::kCancelled);
  EXPECT_FALSE(running->result().token_ids.empty());
}

TEST(Api, AModelMayBeDroppedInsideACallbackOfItsOwn) {
  std::latch submitted(1);
  auto model = std::make_unique<Model>(load(Runtime()));
  Request request = greedy(100);
  request.on_token = [&](const Token&) {
    submitted.wait();
    model.reset();
    return true;
  };
  const Generation generation = model->submit(std::move(request));
  submitted.count_down();
  EXPECT_EQ(generation.result().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(generation.result().token_ids.size(), 1u);
}

TEST(Api, TwoRuntimesDoNotSeeEachOther) {
  auto one = std::make_unique<Runtime>(RuntimeOptions{.threads = 1});
  Runtime two({.threads = 2});
  auto first = std::make_unique<Model>(load(*one));
  Model second = load(two);
  one.reset();  // its model keeps what it needs
  std::latch ran(1);
  Generation held = first->submit(endless(ran));
  ran.wait();
  EXPECT_EQ(second.submit(greedy(8)).result().token_ids, reference("llama", "tokens"));
  Generation running = second.submit(greedy(-1));
  first.reset();
  EXPECT_EQ(held.result().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(running.result().finish_reason, FinishReason::kLength);
  EXPECT_EQ(running.result().token_ids.size() + reference("llama", "input_ids").size(), 1024u);
}

TEST(Api, ManyThreadsMaySubmitAtOnce) {
  Runtime runtime;
  Model model = load(runtime, "llama", {.cache_tokens = 4096});
  std::vector<std::vector<TokenId>> answers(6);
  {
    std::vector<std::jthread> threads;
    for (auto& answer : answers) {
      threads.emplace_back([&] { answer = model.submit(greedy(8)).result().token_ids; });
    }
  }
  for (const auto& answer : answers) EXPECT_EQ(answer, reference("llama", "tokens"));
}

TEST(Api, ADeadlineThatIsOverEndsTheAnswerAsAnError) {
  Runtime runtime;
  Model model = load(runtime);
  Request request = greedy(-1);
  request.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  const Generation answer = model.submit(std::move(request));
  EXPECT_EQ(answer.result().finish_reason, FinishReason::kError);
  EXPECT_NE(answer.result().error.find("deadline"), std::string::npos);
}

TEST(Api, StopTextsEndAnAnswerAndAreNoPartOfIt) {
  Runtime runtime;
  Model model = load(runtime);
  const std::string whole = model.submit(greedy(24)).result().text;
  ASSERT_GT(whole.size(), 8u);
  const std::string stop = whole.substr(whole.size() / 2, 3);
  Request request = greedy(24);
  request.stop = {stop};
  const Generation answer = model.submit(std::move(request));
  EXPECT_EQ(answer.result().finish_reason, FinishReason::kStop);
  EXPECT_EQ(answer.result().text, whole.substr(0, whole.find(stop)));
}

TEST(Api, TextBecomesTokensAndTextAgain) {
  Runtime runtime;
  const Model model = load(runtime, "qwen2");
  const std::string text = "naïve 日本 🙂 <|im_end|>";
  const auto written = model.encode(text, {.parse_special = false});
  const auto special = model.encode(text);
  EXPECT_EQ(model.decode(written), text);
  EXPECT_LT(special.size(), written.size());
  EXPECT_EQ(model.decode(special), "naïve 日本 🙂 ");
  EXPECT_EQ(model.decode(special, false), text);
  EXPECT_EQ(error_of([&] { model.decode(std::vector<TokenId>{-1}); }).code(), ErrorCode::kInvalidArgument);
}

TEST(Api, AConversationIsAnsweredThroughTheChatTemplate) {
  Runtime runtime;
  Model model = load(runtime, "qwen2");
  const std::vector<Message> messages = {{"system", "Be brief."}, {"user", "Hello"}};
  const std::string prompt = model.apply_chat_template(messages);
  EXPECT_EQ(
      prompt,
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
  const std::string closed = model.apply_chat_template(messages, false);
  EXPECT_EQ(prompt, closed + "<|im_start|>assistant\n");

  Request chat = greedy(8), raw = greedy(8);
  chat.prompt = messages;
  raw.prompt = model.encode(prompt);
  EXPECT_EQ(model.submit(std::move(chat)).result().token_ids,
            model.submit(std::move(raw)).result().token_ids);
}

}  // namespace
}  // namespace openautoglm
