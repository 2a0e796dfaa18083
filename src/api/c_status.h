#pragma once

#include <new>
#include <string_view>

#include "api/translate.h"
#include "openautoglm/c_api.h"

namespace openautoglm {

// Remembers what went wrong for oag_last_error() and passes the status on. Allocates nothing.
oag_status failed(oag_status status, std::string_view line) noexcept;

// Runs the body of one C function; no exception leaves it. A body returns an oag_status.
template <typename Body>
oag_status guarded(Body&& body) noexcept {
  try {
    return translated(body);
  } catch (const Error& error) {
    return failed(static_cast<oag_status>(error.code()) + 1, error.what());
  } catch (const std::bad_alloc&) {
    return failed(OAG_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(OAG_ERROR_INTERNAL, error.what());
  } catch (...) {
    return failed(OAG_ERROR_INTERNAL, "an exception of unknown type");
  }
}

static_assert(static_cast<int>(ErrorCode::kInvalidArgument) + 1 == OAG_ERROR_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::kNotFound) + 1 == OAG_ERROR_NOT_FOUND);
static_assert(static_cast<int>(ErrorCode::kCorruptData) + 1 == OAG_ERROR_CORRUPT_DATA);
static_assert(static_cast<int>(ErrorCode::kUnsupported) + 1 == OAG_ERROR_UNSUPPORTED);
static_assert(static_cast<int>(ErrorCode::kOutOfMemory) + 1 == OAG_ERROR_OUT_OF_MEMORY);
static_assert(static_cast<int>(ErrorCode::kIo) + 1 == OAG_ERROR_IO);
static_assert(static_cast<int>(ErrorCode::kNetwork) + 1 == OAG_ERROR_NETWORK);
static_assert(static_cast<int>(ErrorCode::kCancelled) + 1 == OAG_ERROR_CANCELLED);
static_assert(static_cast<int>(ErrorCode::kDeadlineExceeded) + 1 == OAG_ERROR_DEADLINE_EXCEEDED);
static_assert(static_cast<int>(ErrorCode::kInternal) + 1 == OAG_ERROR_INTERNAL);
static_assert(static_cast<int>(ErrorCode::kBusy) + 1 == OAG_ERROR_BUSY);

// Fails with kInvalidArgument when a pointer that a function needs is null.
template <typename T>
void require(const T* pointer, const char* name) {
  if (pointer == nullptr) oag::fail(oag::ErrorCode::kInvalidArgument, name, "must not be NULL");
}

}  // namespace openautoglm

// The handles of the C API.
struct oag_runtime {
  openautoglm::Runtime runtime;
};

struct oag_model {
  openautoglm::Model model;
};

struct oag_generation {
  openautoglm::Generation generation;
};
