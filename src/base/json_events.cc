#include "base/json_events.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"

namespace oag {
namespace {

using Parsed = nlohmann::json;

// The interface that nlohmann::json calls; every function returns whether to go on.
class Adapter final : public nlohmann::json_sax<Parsed> {
 public:
  Adapter(std::string_view text, std::string_view where, JsonEvents& events)
      : text_(text), where_(where), events_(events) {}

  bool null() override { return events_.on_null(), true; }
  bool boolean(bool value) override { return events_.on_bool(value), true; }
  bool number_integer(number_integer_t value) override { return events_.on_integer(value), true; }
  bool number_unsigned(number_unsigned_t value) override { return events_.on_unsigned(value), true; }
  bool number_float(number_float_t value, const string_t&) override { return events_.on_number(value), true; }
  bool string(string_t& value) override { return events_.on_string(value), true; }
  bool binary(binary_t&) override { return true; }  // JSON text has none
  bool start_object(std::size_t) override { return open(), events_.on_begin_object(), true; }
  bool key(string_t& value) override { return events_.on_key(value), true; }
  bool end_object() override { return --depth_, events_.on_end_object(), true; }
  bool start_array(std::size_t) override { return open(), events_.on_begin_array(), true; }
  bool end_array() override { return --depth_, events_.on_end_array(), true; }
  bool parse_error(std::size_t position, const std::string&, const Parsed::exception& error) override {
    if (dynamic_cast<const Parsed::out_of_range*>(&error) != nullptr) fail_json_number(where_);
    fail_json_syntax(text_, position, where_);
  }

 private:
  void open() {
    if (++depth_ > kMaxJsonDepth) fail_json_depth(where_);
  }

  std::string_view text_, where_;
  JsonEvents& events_;
  int depth_ = 0;
};

}  // namespace

void read_json_events(std::string_view text, std::string_view where, JsonEvents& events) {
  Adapter adapter(text, where, events);
  Parsed::sax_parse(text, &adapter);
}

}  // namespace oag
