#pragma once

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "engine/tensor/dtype.h"
#include "llm/generate/generation.h"
#include "openautoglm/openautoglm.h"

namespace openautoglm {

// Between the types of include/openautoglm and those of the rooms below.
ErrorCode public_code(oag::ErrorCode code);
Result public_result(oag::GenerationResult from);
oag::SamplingOptions internal_sampling(const Sampling& from);
DType public_dtype(oag::DType dtype);
oag::DType internal_dtype(DType dtype);

// Runs one public call; errors of the rooms below leave it as the public Error.
template <typename Call>
decltype(auto) translated(Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (const oag::Error& error) {
    throw Error(public_code(error.code()), error.where(), error.message());
  } catch (const std::filesystem::filesystem_error& error) {
    throw Error(ErrorCode::kIo, error.path1().string(), error.code().message());
  }
}

}  // namespace openautoglm
