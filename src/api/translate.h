#pragma once

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "openautoglm/openautoglm.h"

namespace openautoglm {

inline ErrorCode public_code(oag::ErrorCode code) {
  static_assert(static_cast<int>(oag::ErrorCode::kInvalidArgument) ==
                static_cast<int>(ErrorCode::kInvalidArgument));
  static_assert(static_cast<int>(oag::ErrorCode::kNotFound) == static_cast<int>(ErrorCode::kNotFound));
  static_assert(static_cast<int>(oag::ErrorCode::kCorruptData) == static_cast<int>(ErrorCode::kCorruptData));
  static_assert(static_cast<int>(oag::ErrorCode::kUnsupported) == static_cast<int>(ErrorCode::kUnsupported));
  static_assert(static_cast<int>(oag::ErrorCode::kOutOfMemory) == static_cast<int>(ErrorCode::kOutOfMemory));
  static_assert(static_cast<int>(oag::ErrorCode::kIo) == static_cast<int>(ErrorCode::kIo));
  static_assert(static_cast<int>(oag::ErrorCode::kNetwork) == static_cast<int>(ErrorCode::kNetwork));
  static_assert(static_cast<int>(oag::ErrorCode::kCancelled) == static_cast<int>(ErrorCode::kCancelled));
  static_assert(static_cast<int>(oag::ErrorCode::kDeadlineExceeded) ==
                static_cast<int>(ErrorCode::kDeadlineExceeded));
  static_assert(static_cast<int>(oag::ErrorCode::kInternal) == static_cast<int>(ErrorCode::kInternal));
  return static_cast<ErrorCode>(code);
}

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
