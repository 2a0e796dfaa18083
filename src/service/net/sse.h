#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace oag {

// Appends one server-sent event (WHATWG HTML, 9.2): `data` in as many data lines as it has lines; an empty
// `event` or `id` leaves that line out. Line ends in `event` and `id` become spaces.
void append_sse_event(std::string& out, std::string_view data, std::string_view event = {},
                      std::string_view id = {});

std::string sse_event(std::string_view data, std::string_view event = {}, std::string_view id = {});

// A comment, which clients ignore: it keeps a connection in use while there is nothing to say.
std::string sse_comment(std::string_view text);

// Takes an event stream apart as it comes in (WHATWG HTML, 9.2.6).
class SseReader {
 public:
  // Called with the data of each event that has any.
  explicit SseReader(std::function<void(const std::string& data)> on_data) : on_data_(std::move(on_data)) {}

  // `bytes` may begin and end anywhere. Errors: kNetwork for a line or an event of more than 16 MiB.
  void feed(std::string_view bytes);

 private:
  void end_line();

  std::function<void(const std::string&)> on_data_;
  std::string line_;  // the part that came of it
  std::string data_;  // of the event at hand, each line with its end
  bool after_cr_ = false;
  bool begun_ = false;  // past where a byte order mark may stand
};

// The Content-Type of an event stream.
inline constexpr std::string_view kSseContentType = "text/event-stream; charset=utf-8";

}  // namespace oag
