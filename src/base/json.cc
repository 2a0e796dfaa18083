#include "base/json.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/json_text.h"

namespace oag {

namespace {

// An ordered object looks for every new key among all others.
constexpr size_t kMaxKeys = 16384;

[[noreturn]] void fail_json_key(const std::string& key, std::string_view where) {
  constexpr size_t kMostShown = 64;
  fail(ErrorCode::kCorruptData, where, "has the key {} twice in one object",
       Json(key.substr(0, kMostShown)).dump(-1, ' ', true, Json::error_handler_t::replace));
}

}  // namespace

void fail_json_syntax(std::string_view text, size_t position, std::string_view where) {
  const std::string_view before = text.substr(0, std::min(position == 0 ? 0 : position - 1, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  fail(ErrorCode::kCorruptData, where, "is not valid JSON at line {}, column {}", line, column);
}

void fail_json_number(std::string_view where) {
  fail(ErrorCode::kCorruptData, where, "JSON holds a number that no 64-bit float can hold");
}

void fail_json_depth(std::string_view where) {
  fail(ErrorCode::kCorruptData, where, "JSON is nested deeper than {} levels", kMaxJsonDepth);
}

namespace {

Json parse(std::string_view text, std::string_view where, bool unique_keys) {
  std::vector<size_t> keys;                            // of the objects that are open
  std::vector<std::unordered_set<std::string>> names;  // likewise, for unique_keys
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    // The outermost array or object starts at depth 0.
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= kMaxJsonDepth) fail_json_depth(where);
    if (event == Json::parse_event_t::object_start) {
      keys.resize(static_cast<size_t>(depth) + 2);
      keys.back() = 0;
      if (unique_keys) {
        names.resize(keys.size());
        names.back().clear();
      }
    } else if (event == Json::parse_event_t::key) {
      if (++keys[static_cast<size_t>(depth)] > kMaxKeys)
        fail(ErrorCode::kCorruptData, where, "a JSON object has more than {} keys", kMaxKeys);
      if (unique_keys) {
        const std::string& key = parsed.get_ref<const std::string&>();
        if (!names[static_cast<size_t>(depth)].insert(key).second) fail_json_key(key, where);
      }
    }
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::parse_error& error) {
    fail_json_syntax(text, error.byte, where);
  } catch (const Json::out_of_range&) {
    fail_json_number(where);
  }
}

}  // namespace

Json parse_json(std::string_view text, std::string_view where) {
  return parse(text, where, false);
}

Json parse_json_with_unique_keys(std::string_view text, std::string_view where) {
  return parse(text, where, true);
}

}  // namespace oag
