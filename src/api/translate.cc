#include "api/translate.h"

#include "base/run_control.h"

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

static_assert(same(DType::kUndefined, oag::DType::kUndefined));
static_assert(same(DType::kF32, oag::DType::kF32));
static_assert(same(DType::kF64, oag::DType::kF64));
static_assert(same(DType::kF16, oag::DType::kF16));
static_assert(same(DType::kBF16, oag::DType::kBF16));
static_assert(same(DType::kF8E4M3FN, oag::DType::kF8E4M3FN));
static_assert(same(DType::kF8E4M3FNUZ, oag::DType::kF8E4M3FNUZ));
static_assert(same(DType::kF8E5M2, oag::DType::kF8E5M2));
static_assert(same(DType::kF8E5M2FNUZ, oag::DType::kF8E5M2FNUZ));
static_assert(same(DType::kF8E8M0, oag::DType::kF8E8M0));
static_assert(same(DType::kF4E2M1, oag::DType::kF4E2M1));
static_assert(same(DType::kI8, oag::DType::kI8));
static_assert(same(DType::kI16, oag::DType::kI16));
static_assert(same(DType::kI32, oag::DType::kI32));
static_assert(same(DType::kI64, oag::DType::kI64));
static_assert(same(DType::kU8, oag::DType::kU8));
static_assert(same(DType::kU16, oag::DType::kU16));
static_assert(same(DType::kU32, oag::DType::kU32));
static_assert(same(DType::kU64, oag::DType::kU64));
static_assert(same(DType::kI4, oag::DType::kI4));
static_assert(same(DType::kU4, oag::DType::kU4));
static_assert(same(DType::kI2, oag::DType::kI2));
static_assert(same(DType::kU2, oag::DType::kU2));
static_assert(same(DType::kBool, oag::DType::kBool));
static_assert(same(DType::kString, oag::DType::kString));
static_assert(same(DType::kC64, oag::DType::kC64));
static_assert(same(DType::kC128, oag::DType::kC128));
static_assert(same(DType::kSequence, oag::DType::kSequence));
static_assert(same(DType::kOptional, oag::DType::kOptional));
static_assert(same(DType::kMap, oag::DType::kMap));

static_assert(same(RunState::kQueued, oag::RunState::kQueued));
static_assert(same(RunState::kRunning, oag::RunState::kRunning));
static_assert(same(RunState::kDone, oag::RunState::kDone));
static_assert(same(RunState::kCancelled, oag::RunState::kCancelled));
static_assert(same(RunState::kDeadlineExceeded, oag::RunState::kDeadlineExceeded));
static_assert(same(RunState::kFailed, oag::RunState::kFailed));

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

DType public_dtype(oag::DType dtype) {
  return static_cast<DType>(dtype);
}

oag::DType internal_dtype(DType dtype) {
  return static_cast<oag::DType>(dtype);
}

std::string_view dtype_name(DType dtype) {
  return oag::dtype_name(internal_dtype(dtype));
}

}  // namespace openautoglm
