// The C API on a tiny model. Expected tokens are those of transformers (tests/data/models/README.md).
#include "openautoglm/c_api.h"

#include <gtest/gtest.h>

#include <cstring>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "tests/npy.h"
#include "tests/tiny_models.h"

namespace {

using oag::test::tiny_model;

std::vector<int32_t> reference(const std::string& what) {
  return oag::test::load_npy<int32_t>(oag::test::tiny_models_folder() / "llama" / "ref" /
                                      ("text." + what + ".npy"))
      .values;
}

class CApi : public testing::Test {
 protected:
  void SetUp() override {
    oag_model_options options = OAG_MODEL_OPTIONS_INIT;
    options.cache = "f32";
    ASSERT_EQ(oag_model_load(nullptr, tiny_model("llama", "f32").c_str(), &options, &model_), OAG_OK)
        << oag_last_error();
  }
  void TearDown() override { oag_model_free(model_); }

  oag_request greedy(int64_t max_tokens) {
    oag_request request = OAG_REQUEST_INIT;
    request.prompt_ids = prompt_.data();
    request.prompt_id_count = prompt_.size();
    request.max_tokens = max_tokens;
    request.temperature = 0;
    request.ignore_end = 1;
    return request;
  }

  std::vector<int32_t> prompt_ = reference("input_ids");
  oag_model* model_ = nullptr;
};

void expect_failed(oag_status status, oag_status expected, const char* said) {
  EXPECT_EQ(status, expected) << oag_last_error();
  EXPECT_NE(std::strstr(oag_last_error(), said), nullptr) << oag_last_error();
}

void expect_null_refused(oag_status status) {
  expect_failed(status, OAG_ERROR_INVALID_ARGUMENT, "NULL");
}

// A callback that waits inside its first call, and lets the generation run for seconds.
struct Gate {
  std::latch entered{1}, open{1};
  int calls = 0;
  static int call(const oag_token_event*, void* user_data) {
    auto* gate = static_cast<Gate*>(user_data);
    if (gate->calls++ == 0) {
      gate->entered.count_down();
      gate->open.wait();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return 0;
  }
};

TEST_F(CApi, GreedyTokensEqualTheReference) {
  const oag_request request = greedy(8);
  oag_generation* answer = nullptr;
  ASSERT_EQ(oag_generate_submit(model_, &request, &answer), OAG_OK) << oag_last_error();
  int done = 0;
  ASSERT_EQ(oag_generation_wait(answer, -1, &done), OAG_OK);
  EXPECT_EQ(done, 1);
  oag_finish_reason reason = OAG_FINISH_ERROR;
  ASSERT_EQ(oag_generation_finish_reason(answer, &reason), OAG_OK);
  EXPECT_EQ(reason, OAG_FINISH_LENGTH);
  const int32_t* ids = nullptr;
  size_t count = 0;
  ASSERT_EQ(oag_generation_tokens(answer, &ids, &count), OAG_OK);
  EXPECT_EQ(std::vector<int32_t>(ids, ids + count), reference("tokens"));
  const char* error = nullptr;
  ASSERT_EQ(oag_generation_error(answer, &error), OAG_OK);
  EXPECT_STREQ(error, "");
  oag_generation_stats stats = {sizeof stats, 0, 0, 0, 0, 0, 0};
  ASSERT_EQ(oag_generation_get_stats(answer, &stats), OAG_OK);
  EXPECT_EQ(stats.struct_size, sizeof stats);
  EXPECT_EQ(stats.prompt_tokens, static_cast<int64_t>(prompt_.size()));
  EXPECT_EQ(stats.answer_tokens, 8);
  EXPECT_GT(stats.ttft_ms, 0);
  oag_generation_free(answer);
}

TEST_F(CApi, TokensStreamInOrderThroughTheCallback) {
  struct Seen {
    std::vector<int32_t> ids;
    std::string text;
    std::thread::id thread;
    bool sizes_right = true;
  } seen;
  oag_request request = greedy(32);
  request.user_data = &seen;
  request.on_token = [](const oag_token_event* event, void* user_data) {
    auto* to = static_cast<Seen*>(user_data);
    to->sizes_right = to->sizes_right && event->struct_size == sizeof *event;
    to->ids.push_back(event->id);
    to->text.append(event->text, event->text_bytes);
    to->thread = std::this_thread::get_id();
    return 0;
  };
  oag_generation* answer = nullptr;
  ASSERT_EQ(oag_generate_submit(model_, &request, &answer), OAG_OK);
  int done = 0;
  while (done == 0) {
    ASSERT_EQ(oag_generation_poll(answer, &done), OAG_OK);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const int32_t* ids = nullptr;
  size_t count = 0, bytes = 0;
  const char* text = nullptr;
  ASSERT_EQ(oag_generation_tokens(answer, &ids, &count), OAG_OK);
  ASSERT_EQ(oag_generation_text(answer, &text, &bytes), OAG_OK);
  EXPECT_EQ(count, 32u);
  EXPECT_EQ(seen.ids, std::vector<int32_t>(ids, ids + count));
  EXPECT_EQ(seen.text, std::string(text, bytes));
  EXPECT_EQ(text[bytes], '\0');
  EXPECT_TRUE(seen.sizes_right);
  EXPECT_NE(seen.thread, std::this_thread::get_id());
  oag_generation_free(answer);
}

TEST_F(CApi, ARunningGenerationIsPolledWaitedForAndCancelled) {
  Gate gate;
  oag_request request = greedy(-1);
  request.on_token = Gate::call;
  request.user_data = &gate;
  oag_generation* answer = nullptr;
  ASSERT_EQ(oag_generate_submit(model_, &request, &answer), OAG_OK);
  gate.entered.wait();
  int done = 1;
  ASSERT_EQ(oag_generation_poll(answer, &done), OAG_OK);
  EXPECT_EQ(done, 0);
  ASSERT_EQ(oag_generation_wait(answer, 5, &done), OAG_OK);
  EXPECT_EQ(done, 0);
  oag_finish_reason reason = OAG_FINISH_ERROR;
  expect_failed(oag_generation_finish_reason(answer, &reason), OAG_ERROR_INVALID_ARGUMENT, "has not ended");
  const char* text = nullptr;
  expect_failed(oag_generation_text(answer, &text, nullptr), OAG_ERROR_INVALID_ARGUMENT, "has not ended");
  ASSERT_EQ(oag_generation_cancel(answer), OAG_OK);
  gate.open.count_down();
  ASSERT_EQ(oag_generation_wait(answer, INT64_MAX, &done), OAG_OK);
  EXPECT_EQ(done, 1);
  ASSERT_EQ(oag_generation_finish_reason(answer, &reason), OAG_OK);
  EXPECT_EQ(reason, OAG_FINISH_CANCELLED);
  ASSERT_EQ(oag_generation_cancel(answer), OAG_OK);  // nothing happens
  oag_generation_free(answer);
}

TEST_F(CApi, FreeingARunningGenerationStopsItsCallback) {
  Gate gate;
  gate.open.count_down();
  oag_request request = greedy(-1);
  request.on_token = Gate::call;
  request.user_data = &gate;
  oag_generation* answer = nullptr;
  ASSERT_EQ(oag_generate_submit(model_, &request, &answer), OAG_OK);
  gate.entered.wait();
  oag_generation_free(answer);
  const int calls = gate.calls;
  const oag_request next = greedy(8);
  int done = 0;
  ASSERT_EQ(oag_generate_submit(model_, &next, &answer), OAG_OK);
  ASSERT_EQ(oag_generation_wait(answer, -1, &done), OAG_OK);
  EXPECT_EQ(gate.calls, calls);
  oag_generation_free(answer);
}

TEST_F(CApi, AGenerationOutlivesItsModel) {
  Gate gate;
  gate.open.count_down();
  oag_request request = greedy(-1);
  request.on_token = Gate::call;
  request.user_data = &gate;
  oag_generation* answer = nullptr;
  ASSERT_EQ(oag_generate_submit(model_, &request, &answer), OAG_OK);
  gate.entered.wait();
  oag_model_free(std::exchange(model_, nullptr));
  oag_finish_reason reason = OAG_FINISH_ERROR;
  ASSERT_EQ(oag_generation_finish_reason(answer, &reason), OAG_OK);
  EXPECT_EQ(reason, OAG_FINISH_CANCELLED);
  oag_generation_free(answer);
}

TEST_F(CApi, NullArgumentsAreRefused) {
  const oag_request request = greedy(8);
  oag_generation* answer = nullptr;
  ASSERT_EQ(oag_generate_submit(model_, &request, &answer), OAG_OK);
  int done = 0;
  ASSERT_EQ(oag_generation_wait(answer, -1, &done), OAG_OK);
  oag_model* loaded = nullptr;
  oag_model_info info = {};
  oag_finish_reason reason;
  const char* text = nullptr;
  const int32_t* ids = nullptr;
  size_t size = 0;
  oag_generation* other = nullptr;
  oag_generation_stats stats = {sizeof stats, 0, 0, 0, 0, 0, 0};
  expect_null_refused(oag_device_count(nullptr));
  expect_null_refused(oag_device_at(0, nullptr));
  expect_null_refused(oag_runtime_create(nullptr, nullptr));
  expect_null_refused(oag_model_load(nullptr, nullptr, nullptr, &loaded));
  expect_null_refused(oag_model_load(nullptr, "x", nullptr, nullptr));
  expect_null_refused(oag_model_get_info(nullptr, &info));
  expect_null_refused(oag_model_get_info(model_, nullptr));
  expect_null_refused(oag_encode(nullptr, "a", 1, 0, 0, nullptr, 0, &size));
  expect_null_refused(oag_encode(model_, nullptr, 1, 0, 0, nullptr, 0, &size));
  expect_null_refused(oag_encode(model_, "a", 1, 0, 0, nullptr, 0, nullptr));
  expect_null_refused(oag_encode(model_, "a", 1, 0, 0, nullptr, 5, &size));
  expect_null_refused(oag_decode(nullptr, nullptr, 0, 0, nullptr, 0, &size));
  expect_null_refused(oag_decode(model_, nullptr, 1, 0, nullptr, 0, &size));
  expect_null_refused(oag_decode(model_, nullptr, 0, 0, nullptr, 0, nullptr));
  expect_null_refused(oag_apply_chat_template(nullptr, nullptr, 0, 1, nullptr, 0, &size));
  expect_null_refused(oag_apply_chat_template(model_, nullptr, 1, 1, nullptr, 0, &size));
  const oag_message no_role = OAG_MESSAGE(nullptr, "Hello"), no_content = OAG_MESSAGE("user", nullptr);
  expect_null_refused(oag_apply_chat_template(model_, &no_role, 1, 1, nullptr, 0, &size));
  expect_null_refused(oag_apply_chat_template(model_, &no_content, 1, 1, nullptr, 0, &size));
  expect_null_refused(oag_generate_submit(nullptr, &request, &other));
  expect_null_refused(oag_generate_submit(model_, nullptr, &other));
  expect_null_refused(oag_generate_submit(model_, &request, nullptr));
  oag_request no_stop = request;
  no_stop.stop_count = 1;
  expect_null_refused(oag_generate_submit(model_, &no_stop, &other));
  expect_null_refused(oag_generation_poll(nullptr, &done));
  expect_null_refused(oag_generation_poll(answer, nullptr));
  expect_null_refused(oag_generation_wait(nullptr, 0, &done));
  expect_null_refused(oag_generation_wait(answer, 0, nullptr));
  expect_null_refused(oag_generation_cancel(nullptr));
  expect_null_refused(oag_generation_finish_reason(nullptr, &reason));
  expect_null_refused(oag_generation_finish_reason(answer, nullptr));
  expect_null_refused(oag_generation_error(nullptr, &text));
  expect_null_refused(oag_generation_error(answer, nullptr));
  expect_null_refused(oag_generation_text(nullptr, &text, &size));
  expect_null_refused(oag_generation_text(answer, nullptr, &size));
  expect_null_refused(oag_generation_tokens(nullptr, &ids, &size));
  expect_null_refused(oag_generation_tokens(answer, nullptr, &size));
  expect_null_refused(oag_generation_tokens(answer, &ids, nullptr));
  expect_null_refused(oag_generation_get_stats(nullptr, &stats));
  expect_null_refused(oag_generation_get_stats(answer, nullptr));
  oag_generation_free(answer);
  oag_generation_free(nullptr);
  oag_model_free(nullptr);
  oag_runtime_free(nullptr);
}

TEST_F(CApi, StructSizesTellOldAndNewHeadersApart) {
  struct Newer {
    oag_request request;
    uint64_t later_field;
  } newer = {greedy(1), 0};
  oag_generation* answer = nullptr;
  for (const size_t wrong : {size_t{0}, offsetof(oag_request, images) - 8, size_t{0xdeadbeef}}) {
    newer.request.struct_size = wrong;
    expect_failed(oag_generate_submit(model_, &newer.request, &answer), OAG_ERROR_INVALID_ARGUMENT,
                  "struct_size");
    EXPECT_EQ(answer, nullptr);
  }
  // A program that was built before requests had pictures.
  newer.request.struct_size = offsetof(oag_request, images);
  ASSERT_EQ(oag_generate_submit(model_, &newer.request, &answer), OAG_OK) << oag_last_error();
  oag_generation_free(answer);
  newer.request.struct_size = sizeof newer;
  ASSERT_EQ(oag_generate_submit(model_, &newer.request, &answer), OAG_OK) << oag_last_error();
  oag_generation_free(answer);
  newer.later_field = 1;
  expect_failed(oag_generate_submit(model_, &newer.request, &answer), OAG_ERROR_UNSUPPORTED, "oag_request");

  struct NewerInfo {
    oag_model_info info;
    uint64_t later_field;
  } info = {{}, 77};
  info.info.struct_size = sizeof info;
  ASSERT_EQ(oag_model_get_info(model_, &info.info), OAG_OK);
  EXPECT_EQ(info.info.struct_size, sizeof info);
  EXPECT_EQ(info.later_field, 0u);
  EXPECT_STREQ(info.info.name, "tiny llama");
  EXPECT_EQ(info.info.parameters, 435072);
  EXPECT_EQ(info.info.vocabulary_tokens, 512);
  info.info.struct_size = 8;
  expect_failed(oag_model_get_info(model_, &info.info), OAG_ERROR_INVALID_ARGUMENT, "struct_size");
}

TEST_F(CApi, ARequestHasExactlyOnePrompt) {
  oag_generation* answer = nullptr;
  oag_request none = OAG_REQUEST_INIT;
  expect_failed(oag_generate_submit(model_, &none, &answer), OAG_ERROR_INVALID_ARGUMENT, "exactly one");
  oag_request both = greedy(1);
  both.prompt = "a";
  expect_failed(oag_generate_submit(model_, &both, &answer), OAG_ERROR_INVALID_ARGUMENT, "exactly one");
}

TEST_F(CApi, BuffersReportTheSizeTheyNeed) {
  size_t needed = 0;
  ASSERT_EQ(oag_encode(model_, "hello there", OAG_NUL_TERMINATED, 0, 0, nullptr, 0, &needed), OAG_OK);
  ASSERT_GT(needed, 1u);
  std::vector<int32_t> ids(needed, -7);
  size_t again = 0;
  expect_failed(oag_encode(model_, "hello there", 11, 0, 0, ids.data(), needed - 1, &again),
                OAG_ERROR_BUFFER_TOO_SMALL, "needed");
  EXPECT_EQ(again, needed);
  EXPECT_EQ(ids, std::vector<int32_t>(needed, -7));
  ASSERT_EQ(oag_encode(model_, "hello there", 11, 0, 0, ids.data(), ids.size(), &again), OAG_OK);
  std::string text(64, '#');
  ASSERT_EQ(oag_decode(model_, ids.data(), ids.size(), 1, text.data(), text.size(), &needed), OAG_OK);
  EXPECT_EQ(text.substr(0, needed), "hello there");
  EXPECT_EQ(text[needed], '#');
  const oag_message messages[] = {OAG_MESSAGE("system", "Be brief."), OAG_MESSAGE("user", "Hello")};
  text.assign(1000, '#');
  ASSERT_EQ(oag_apply_chat_template(model_, messages, 2, 1, text.data(), text.size(), &needed), OAG_OK);
  EXPECT_LT(text.find("Be brief."), text.find("Hello"));
}

TEST_F(CApi, ErrorsOfOneThreadAreNotSeenByAnother) {
  oag_model* loaded = model_;
  expect_failed(oag_model_load(nullptr, "/no/such/model.gguf", nullptr, &loaded), OAG_ERROR_NOT_FOUND,
                "/no/such/model.gguf");
  EXPECT_EQ(loaded, nullptr);
  std::jthread([] { EXPECT_STREQ(oag_last_error(), ""); }).join();
  oag_runtime* runtime = nullptr;
  oag_runtime_options options = OAG_RUNTIME_OPTIONS_INIT;
  options.device = "abacus";
  expect_failed(oag_runtime_create(&options, &runtime), OAG_ERROR_NOT_FOUND, "abacus");
}

TEST(CApiDevices, AreListedAndTakenByName) {
  size_t count = 0;
  ASSERT_EQ(oag_device_count(&count), OAG_OK);
  ASSERT_GE(count, 1u);
  oag_device_info device = {};
  device.struct_size = sizeof device;
  ASSERT_EQ(oag_device_at(0, &device), OAG_OK);
  EXPECT_EQ(std::string(device.name).find("oag/cpu"), 0u);
  expect_failed(oag_device_at(count, &device), OAG_ERROR_INVALID_ARGUMENT, "index");
  oag_runtime_options options = OAG_RUNTIME_OPTIONS_INIT;
  options.device = device.name;
  options.threads = 1;
  oag_runtime* runtime = nullptr;
  ASSERT_EQ(oag_runtime_create(&options, &runtime), OAG_OK) << oag_last_error();
  oag_model* model = nullptr;
  ASSERT_EQ(oag_model_load(runtime, tiny_model("llama", "bf16").c_str(), nullptr, &model), OAG_OK);
  oag_runtime_free(runtime);  // the model keeps what it needs
  oag_request request = OAG_REQUEST_INIT;
  request.prompt = "hello";
  request.max_tokens = 4;
  oag_generation* answer = nullptr;
  ASSERT_EQ(oag_generate_submit(model, &request, &answer), OAG_OK) << oag_last_error();
  int done = 0;
  ASSERT_EQ(oag_generation_wait(answer, -1, &done), OAG_OK);
  EXPECT_EQ(done, 1);
  oag_generation_free(answer);
  oag_model_free(model);
}

TEST(CApiNames, AreTextForPeople) {
  EXPECT_STREQ(oag_version(), "0.1.0");
  EXPECT_STREQ(oag_status_name(OAG_ERROR_NOT_FOUND), "not found");
  EXPECT_STREQ(oag_status_name(OAG_ERROR_BUSY), "busy");
  EXPECT_STREQ(oag_status_name(999), "unknown status");
}

}  // namespace
