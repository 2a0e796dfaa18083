#pragma once

#include <chrono>

namespace oag {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

inline double elapsed_ms(TimePoint begin, TimePoint end = Clock::now()) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

}  // namespace oag
