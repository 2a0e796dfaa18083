// The C API: generation.
#include <algorithm>
#include <chrono>

#include "api/c_messages.h"
#include "api/c_status.h"
#include "api/c_struct.h"

using openautoglm::guarded;
using openautoglm::read_struct;
using openautoglm::require;
using openautoglm::write_struct;

namespace {

using openautoglm::Request;
using openautoglm::Result;

// Longer limits are cut to this: a point in time must not overflow.
constexpr int64_t kLongestMs = int64_t{365} * 24 * 3600 * 1000;

void set_prompt(const oag_request& from, Request& to) {
  const int given = (from.prompt != nullptr) + (from.prompt_ids != nullptr) + (from.messages != nullptr);
  if (given != 1) {
    oag::fail(oag::ErrorCode::kInvalidArgument, "oag_request",
              "{} of prompt, prompt_ids and messages are set, expected exactly one", given);
  }
  if (from.prompt != nullptr) {
    to.prompt = std::string(openautoglm::text_of(from.prompt, from.prompt_bytes, "prompt"));
  } else if (from.prompt_ids != nullptr) {
    to.prompt = std::vector<int32_t>(from.prompt_ids, from.prompt_ids + from.prompt_id_count);
  } else {
    to.prompt = openautoglm::messages_of(from.messages, from.message_count);
  }
}

openautoglm::TokenCallback callback_of(oag_token_callback function, void* user_data) {
  return [function, user_data](const openautoglm::Token& token) {
    const oag_token_event event = {sizeof event, token.id, token.text.data(), token.text.size()};
    return function(&event, user_data) == 0;
  };
}

Request request_of(const oag_request& from) {
  Request to;
  set_prompt(from, to);
  to.encode = {from.parse_special != 0, from.add_special != 0};
  to.max_tokens = from.max_tokens;
  to.sampling = {
      from.temperature,      from.top_k, from.top_p, from.min_p, from.repeat_penalty, from.frequency_penalty,
      from.presence_penalty, from.seed};
  to.ignore_end = from.ignore_end != 0;
  if (from.stop_count > 0) require(from.stop, "stop");
  for (size_t i = 0; i < from.stop_count; ++i) {
    require(from.stop[i], "stop");
    to.stop.emplace_back(from.stop[i]);
  }
  to.priority = from.priority;
  if (from.deadline_ms < 0) {
    oag::fail(oag::ErrorCode::kInvalidArgument, "deadline_ms", "must not be negative, is {}",
              from.deadline_ms);
  }
  if (from.deadline_ms > 0) {
    to.deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(std::min(from.deadline_ms, kLongestMs));
  }
  to.images = openautoglm::images_of(from.images, from.image_count);
  if (from.on_token != nullptr) to.on_token = callback_of(from.on_token, from.user_data);
  return to;
}

const Result& ended_result(const oag_generation* generation) {
  require(generation, "generation");
  if (!generation->generation.done()) {
    oag::fail(oag::ErrorCode::kInvalidArgument, "generation",
              "has not ended; poll it or wait for it before reading the outcome");
  }
  return generation->generation.result();
}

}  // namespace

extern "C" {

oag_status oag_generate_submit(oag_model* model, const oag_request* request, oag_generation** out) {
  return guarded([&] {
    require(out, "out");
    *out = nullptr;
    require(model, "model");
    require(request, "request");
    *out = new oag_generation{model->model.submit(request_of(read_struct(*request, "oag_request")))};
    return OAG_OK;
  });
}

oag_status oag_generation_poll(const oag_generation* generation, int* done) {
  return guarded([&] {
    require(generation, "generation");
    require(done, "done");
    *done = generation->generation.done() ? 1 : 0;
    return OAG_OK;
  });
}

oag_status oag_generation_wait(const oag_generation* generation, int64_t timeout_ms, int* done) {
  return guarded([&] {
    require(generation, "generation");
    require(done, "done");
    if (timeout_ms < 0) {
      generation->generation.result();
      *done = 1;
    } else {
      const std::chrono::milliseconds timeout(std::min(timeout_ms, kLongestMs));
      *done = generation->generation.wait_for(timeout) ? 1 : 0;
    }
    return OAG_OK;
  });
}

oag_status oag_generation_cancel(oag_generation* generation) {
  return guarded([&] {
    require(generation, "generation");
    generation->generation.cancel();
    return OAG_OK;
  });
}

oag_status oag_generation_finish_reason(const oag_generation* generation, oag_finish_reason* reason) {
  return guarded([&] {
    require(reason, "reason");
    *reason = static_cast<oag_finish_reason>(ended_result(generation).finish_reason);
    return OAG_OK;
  });
}

oag_status oag_generation_error(const oag_generation* generation, const char** message) {
  return guarded([&] {
    require(message, "message");
    *message = ended_result(generation).error.c_str();
    return OAG_OK;
  });
}

oag_status oag_generation_text(const oag_generation* generation, const char** text, size_t* text_bytes) {
  return guarded([&] {
    require(text, "text");
    const Result& result = ended_result(generation);
    *text = result.text.c_str();
    if (text_bytes != nullptr) *text_bytes = result.text.size();
    return OAG_OK;
  });
}

oag_status oag_generation_tokens(const oag_generation* generation, const int32_t** ids, size_t* count) {
  return guarded([&] {
    require(ids, "ids");
    require(count, "count");
    const Result& result = ended_result(generation);
    *ids = result.token_ids.data();
    *count = result.token_ids.size();
    return OAG_OK;
  });
}

oag_status oag_generation_get_stats(const oag_generation* generation, oag_generation_stats* stats) {
  return guarded([&] {
    require(stats, "stats");
    const Result& result = ended_result(generation);
    write_struct(stats,
                 {0, result.prompt_tokens, static_cast<int64_t>(result.token_ids.size()), result.queue_ms,
                  result.prefill_ms, result.ttft_ms, result.decode_ms},
                 "oag_generation_stats");
    return OAG_OK;
  });
}

void oag_generation_free(oag_generation* generation) {
  delete generation;
}

}  // extern "C"

static_assert(static_cast<int>(openautoglm::FinishReason::kStop) == OAG_FINISH_STOP);
static_assert(static_cast<int>(openautoglm::FinishReason::kLength) == OAG_FINISH_LENGTH);
static_assert(static_cast<int>(openautoglm::FinishReason::kCancelled) == OAG_FINISH_CANCELLED);
static_assert(static_cast<int>(openautoglm::FinishReason::kError) == OAG_FINISH_ERROR);
