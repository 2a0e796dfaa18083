#include "base/json.h"

#include <algorithm>

#include "base/error.h"

namespace oag {

namespace {

constexpr int kMaxDepth = 128;

}  // namespace

Json parse_json(std::string_view text, std::string_view where) {
  const auto refuse_deep = [&](int depth, Json::parse_event_t event, Json&) {
    // The outermost array or object starts at depth 0.
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= kMaxDepth) {
      fail(ErrorCode::kCorruptData, where, "JSON is nested deeper than {} levels", kMaxDepth);
    }
    return true;
  };
  try {
    return Json::parse(text, refuse_deep);
  } catch (const Json::parse_error& error) {
    const std::string_view before =
        text.substr(0, std::min(error.byte == 0 ? 0 : error.byte - 1, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t newline = before.rfind('\n');
    const size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    fail(ErrorCode::kCorruptData, where, "is not valid JSON at line {}, column {}", line, column);
  } catch (const Json::out_of_range&) {
    fail(ErrorCode::kCorruptData, where, "JSON holds a number that no 64-bit float can hold");
  }
}

}  // namespace oag
