#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/doctor.h"

namespace oag::cli {

template <typename Part>
bool Doctor::attempt(const std::string& name, std::string_view advice, const Part& part) {
  try {
    part();
    return true;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    // Most errors say themselves what to do.
    const bool says_so = error.message().find(';') != std::string::npos;
    add(name, Verdict::kBad, error.what(), says_so ? "" : std::string(advice));
  } catch (const std::bad_alloc&) {
    add(name, Verdict::kBad, "the system gives this process no more memory", "free some memory");
  }
  return false;
}

}  // namespace oag::cli
