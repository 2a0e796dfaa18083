#include "base/json.h"

#include <algorithm>

#include "base/error.h"

namespace oag {

namespace {

constexpr int kMaxDepth = 128;

}  // namespace

Json parse_json(std::string_view text, std::string_view where) {
  const auto refuse_deep = [&](int depth, Json::parse_event_t event, Json&) {
    const bool opens = event == Json::parse_event_t::array_start || event == Json::parse_event_t::object_start;
    if (opens && depth >= kMaxDepth) {  // depth counts the levels around this one
      fail(ErrorCode::kCorruptData, where, "JSON is nested deeper than {} levels", kMaxDepth);
    }
    return true;
  };
  try {
    return Json::parse(text, refuse_deep);
  } catch (const Json::parse_error& error) {
    const size_t offset = std::min(error.byte > 0 ? error.byte - 1 : 0, text.size());  // byte counts from 1
    const std::string_view before = text.substr(0, offset);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t column = 1 + before.size() - (before.rfind('\n') + 1);  // npos + 1 is 0: the first line
    fail(ErrorCode::kCorruptData, where, "is not valid JSON at line {}, column {}", line, column);
  } catch (const Json::out_of_range&) {
    fail(ErrorCode::kCorruptData, where, "holds a number beyond the range of a double (about 1.8e308)");
  }
}

}  // namespace oag
