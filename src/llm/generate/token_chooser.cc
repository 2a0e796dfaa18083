#include "llm/generate/token_chooser.h"

#include <algorithm>
#include <new>
#include <string>

#include "base/error.h"
#include "base/function_ref.h"

namespace oag {
namespace {

void check_range(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high)
    fail(ErrorCode::kInvalidArgument, name, "must be in [{}, {}], not {}", low, high, value);
}

void check_ids(const char* name, std::span<const TokenId> ids, int64_t tokens) {
  for (const TokenId id : ids) {
    if (id < 0 || id >= tokens)
      fail(ErrorCode::kInvalidArgument, name, "token id {} is outside [0, {})", id, tokens);
  }
}

// A constraint's failure is one of its answer alone, whatever it throws.
void run_constraint(FunctionRef<void()> work) {
  try {
    work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    fail(ErrorCode::kOutOfMemory, "constraint", "out of memory");
  } catch (const std::exception& error) {
    fail(ErrorCode::kInternal, "constraint", "{}", error.what());
  } catch (...) {
    fail(ErrorCode::kInternal, "constraint", "threw what is no exception");
  }
}

}  // namespace

void TokenChooser::validate(const GenerationRequest& request, int64_t tokens) {
  constexpr int64_t kMostPattern = 1024;
  request.sampling.validate();
  request.sampling.validate_ids(tokens);
  check_ids("stop_ids", request.stop_ids, tokens);
  check_range("min_tokens", request.min_tokens, 0, INT64_MAX);
  check_range("logprobs", request.logprobs, -1, kMostLogprobs);
  if (const auto& thinking = request.thinking) {
    check_range("thinking", thinking->tokens, 0, INT64_MAX);
    check_ids("thinking", thinking->forced, tokens);
    if (std::count(thinking->ends.begin(), thinking->ends.end(), "") > 0)
      fail(ErrorCode::kInvalidArgument, "thinking", "has an empty text among its ends");
  }
  if (const auto& repetition = request.repetition) {
    check_range("repetition.min_pattern", repetition->min_pattern, 1, kMostPattern);
    check_range("repetition.max_pattern", repetition->max_pattern, repetition->min_pattern, kMostPattern);
    check_range("repetition.min_count", repetition->min_count, 2, int64_t{1} << 32);
  }
}

TokenChooser::TokenChooser(const GenerationRequest& request, std::shared_ptr<const Tokenizer> tokenizer)
    : request_(request),
      tokenizer_(std::move(tokenizer)),
      sampler_(request.sampling, request.prompt),
      thinking_(request.thinking, tokenizer_),
      repetition_(request.repetition) {
  if (request_.min_tokens > 0) {
    too_early_ = request_.stop_ids;
    const std::span<const TokenId> ends = tokenizer_->end_ids();
    if (end_tokens_end()) too_early_.insert(too_early_.end(), ends.begin(), ends.end());
  }
  if (!request_.constraint) return;
  mask_.resize(mask_words(tokenizer_->size_tokens()));
  run_constraint([&] { complete_ = request_.constraint->complete(); });
}

RankRequest TokenChooser::wanted(int64_t most) const {
  const bool bars_ends = !may_stop() && !too_early_.empty();
  if (request_.constraint || request_.logprobs >= 0 || bars_ends) return {};
  return sampler_.request(most);
}

void TokenChooser::compute_mask() noexcept {
  try {
    run_constraint([&] { request_.constraint->mask(mask_); });
  } catch (...) {
    mask_error_ = std::current_exception();
  }
  mask_ready_ = true;
}

TokenId TokenChooser::pick(std::span<const float> logits) {
  if (mask_error_) std::rethrow_exception(mask_error_);
  const auto usable = std::min(logits.size(), tokenizer_->size_tokens());
  TokenId id = 0;
  if (const std::optional<TokenId> forced = thinking_.forced()) {
    id = *forced;
    sampler_.count(id);
  } else {
    PickLimits limits;
    if (request_.constraint) limits.mask = mask_;
    if (!may_stop()) limits.barred = too_early_;
    id = sampler_.pick(logits, static_cast<int64_t>(usable), limits);
  }
  if (request_.logprobs >= 0)
    logprobs_ = &model_logprobs_.compute(logits.first(usable), id, request_.logprobs);
  return id;
}

TokenId TokenChooser::pick_ranked(std::span<const float> logits, std::span<const TokenId> ids) {
  const std::optional<TokenId> forced = thinking_.forced();
  if (!forced) return sampler_.pick_ranked(logits, ids);
  sampler_.count(*forced);
  return *forced;
}

bool TokenChooser::ends(TokenId id) const {
  if (std::find(request_.stop_ids.begin(), request_.stop_ids.end(), id) != request_.stop_ids.end())
    return true;
  return end_tokens_end() && tokenizer_->is_end(id);
}

void TokenChooser::take(TokenId id) {
  if (request_.constraint) {
    bool fits = false;
    run_constraint([&] {
      fits = request_.constraint->accept(id);
      complete_ = request_.constraint->complete();
    });
    mask_ready_ = false;
    if (!fits) {
      fail(ErrorCode::kInvalidArgument, "constraint",
           "does not allow token {}, which the end of the thinking puts in", id);
    }
  }
  ++taken_;
  thinking_.push(id);
  repeats_ = repetition_.push(id);
}

}  // namespace oag
