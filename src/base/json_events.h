#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace oag {

// What stands in a JSON text, in its order. Keys and strings are UTF-8; the caller may move them away.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;

  virtual void on_null() = 0;
  virtual void on_bool(bool value) = 0;
  virtual void on_integer(int64_t value) = 0;
  virtual void on_unsigned(uint64_t value) = 0;  // every whole number that is not negative
  virtual void on_number(double value) = 0;
  virtual void on_string(std::string& value) = 0;
  virtual void on_begin_object() = 0;
  virtual void on_key(std::string& key) = 0;
  virtual void on_end_object() = 0;
  virtual void on_begin_array() = 0;
  virtual void on_end_array() = 0;
};

// Reads a JSON text from outside as events, for documents that are too large for a tree. Errors: those of
// parse_json, and what the handler throws.
void read_json_events(std::string_view text, std::string_view where, JsonEvents& events);

}  // namespace oag
