#include "api/translate.h"

namespace openautoglm {
namespace {

template <typename Public, typename Internal>
constexpr bool same(Public a, Internal b) {
  return static_cast<int>(a) == static_cast<int>(b);
}

static_assert(same(ErrorCode::kInvalidArgument, oag::ErrorCode::kInvalidArgument));
static_assert(same(ErrorCode::kNotFound, oag::ErrorCode::kNotFound));
static_assert(same(ErrorCode::kCorruptData, oag::ErrorCode::kCorruptData));
static_assert(same(ErrorCode::kUnsupported, oag::ErrorCode::kUnsupported));
static_assert(same(ErrorCode::kOutOfMemory, oag::ErrorCode::kOutOfMemory));
static_assert(same(ErrorCode::kIo, oag::ErrorCode::kIo));
static_assert(same(ErrorCode::kNetwork, oag::ErrorCode::kNetwork));
static_assert(same(ErrorCode::kCancelled, oag::ErrorCode::kCancelled));
static_assert(same(ErrorCode::kDeadlineExceeded, oag::ErrorCode::kDeadlineExceeded));
static_assert(same(ErrorCode::kInternal, oag::ErrorCode::kInternal));
static_assert(same(ErrorCode::kBusy, oag::ErrorCode::kBusy));

static_assert(same(FinishReason::kStop, oag::FinishReason::kStop));
static_assert(same(FinishReason::kLength, oag::FinishReason::kLength));
static_assert(same(FinishReason::kCancelled, oag::FinishReason::kCancelled));
static_assert(same(FinishReason::kError, oag::FinishReason::kError));

}  // namespace

ErrorCode public_code(oag::ErrorCode code) {
  return static_cast<ErrorCode>(code);
}

Result public_result(oag::GenerationResult from) {
  return {.finish_reason = static_cast<FinishReason>(from.finish_reason),
          .error = std::move(from.error),
          .text = std::move(from.text),
          .token_ids = std::move(from.token_ids),
          .prompt_tokens = from.prompt_tokens,
          .drafted_tokens = from.drafted_tokens,
          .accepted_tokens = from.accepted_tokens,
          .queue_ms = from.queue_ms,
          .prefill_ms = from.prefill_ms,
          .ttft_ms = from.ttft_ms,
          .decode_ms = from.decode_ms};
}

oag::SamplingOptions internal_sampling(const Sampling& from) {
  return {.temperature = from.temperature,
          .top_k = from.top_k,
          .top_p = from.top_p,
          .min_p = from.min_p,
          .repeat_penalty = from.repeat_penalty,
          .frequency_penalty = from.frequency_penalty,
          .presence_penalty = from.presence_penalty,
          .seed = from.seed};
}

}  // namespace openautoglm
