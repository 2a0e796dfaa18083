#include "base/json.h"

#include <algorithm>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_text.h"

namespace oag {

namespace {

// Whoever reads an object looks for its keys one after the other.
constexpr size_t kMaxKeys = 16384;
// Of a whole document: what it may take in memory, which is many times its text.
constexpr size_t kMaxAllKeys = size_t{1} << 18;
constexpr size_t kMaxValues = size_t{1} << 22;
// So many are compared faster than they are hashed.
constexpr size_t kFewKeys = 16;

[[noreturn]] void fail_json_key(const std::string& key, std::string_view where) {
  constexpr size_t kMostShown = 64;
  fail(ErrorCode::kCorruptData, where, "has the key {} twice in one object",
       Json(key.substr(0, kMostShown)).dump(-1, ' ', true, Json::error_handler_t::replace));
}

// Makes the tree in a time that grows with the text alone. The library's own parser compares each key with
// all others of its object, and copies what an object holds whenever it grows.
class TreeBuilder final : public nlohmann::json_sax<Json> {
 public:
  TreeBuilder(std::string_view text, std::string_view where, bool unique_keys)
      : text_(text), where_(where), unique_keys_(unique_keys) {}

  Json take() { return std::move(pending_.front().value); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return true; }  // JSON text has none
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }

  bool key(string_t& value) override {
    if (++levels_.back().keys > kMaxKeys)
      fail(ErrorCode::kCorruptData, where_, "a JSON object has more than {} keys", kMaxKeys);
    if (++keys_ > kMaxAllKeys)
      fail(ErrorCode::kCorruptData, where_, "the objects of this JSON have more than {} keys together",
           kMaxAllKeys);
    key_ = std::move(value);
    return true;
  }

  bool end_object() override {
    const std::span<Entry> entries = close();
    const size_t count = drop_repeated(entries);
    Json::object_t object;
    object.reserve(count);
    for (Entry& entry : entries.first(count))
      object.emplace_back(std::move(entry.key), std::move(entry.value));
    return replace(entries.size(), std::move(object));
  }

  bool end_array() override {
    const std::span<Entry> entries = close();
    Json::array_t array;
    array.reserve(entries.size());
    for (Entry& entry : entries) array.push_back(std::move(entry.value));
    return replace(entries.size(), std::move(array));
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) override {
    if (dynamic_cast<const Json::out_of_range*>(&error) != nullptr) fail_json_number(where_);
    fail_json_syntax(text_, position, where_);
  }

 private:
  struct Entry {
    std::string key;  // empty in an array
    Json value;
  };
  struct Level {
    size_t first = 0;  // of its entries in pending_
    size_t keys = 0;
    std::string key;  // its own, in the object around it
  };

  template <typename Value>
  bool add(Value&& value) {
    if (++values_ > kMaxValues)
      fail(ErrorCode::kCorruptData, where_, "this JSON has more than {} values", kMaxValues);
    pending_.push_back({std::exchange(key_, {}), Json(std::forward<Value>(value))});
    return true;
  }

  bool open() {
    if (levels_.size() >= static_cast<size_t>(kMaxJsonDepth)) fail_json_depth(where_);
    levels_.push_back({pending_.size(), 0, std::exchange(key_, {})});
    return true;
  }

  std::span<Entry> close() {
    key_ = std::move(levels_.back().key);
    const size_t first = levels_.back().first;
    levels_.pop_back();
    return std::span(pending_).subspan(first);
  }

  // Puts a container in the place of its entries, the last `count`.
  template <typename Container>
  bool replace(size_t count, Container container) {
    pending_.resize(pending_.size() - count);
    return add(std::move(container));
  }

  // A key that comes again gives its value to the place where it came first. Returns how many are left.
  size_t drop_repeated(std::span<Entry> entries) const {
    std::unordered_map<std::string, size_t> places;
    if (entries.size() > kFewKeys) places.reserve(entries.size());
    const auto place_of = [&](const std::string& key, size_t kept) {
      if (entries.size() > kFewKeys) return places.emplace(key, kept).first->second;
      const auto known = entries.first(kept);
      return static_cast<size_t>(std::ranges::find(known, key, &Entry::key) - known.begin());
    };
    size_t kept = 0;
    for (Entry& entry : entries) {
      const size_t place = place_of(entry.key, kept);
      if (place < kept) {
        if (unique_keys_) fail_json_key(entry.key, where_);
        entries[place].value = std::move(entry.value);
      } else if (&entries[kept++] != &entry) {
        entries[kept - 1] = std::move(entry);
      }
    }
    return kept;
  }

  std::string_view text_, where_;
  bool unique_keys_;  // else the last value of a key counts
  std::string key_;   // of the value to come
  std::vector<Entry> pending_;
  std::vector<Level> levels_;
  size_t keys_ = 0, values_ = 0;
};

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
  TreeBuilder builder(text, where, unique_keys);
  Json::sax_parse(text, &builder);
  return builder.take();
}

}  // namespace

Json parse_json(std::string_view text, std::string_view where) {
  return parse(text, where, false);
}

Json parse_json_with_unique_keys(std::string_view text, std::string_view where) {
  return parse(text, where, true);
}

std::optional<Json> find_json(std::string_view text) {
  try {
    return parse_json(text, "text");
  } catch (const Error&) {
    return {};
  }
}

}  // namespace oag
