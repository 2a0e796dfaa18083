#include "service/net/sse.h"

#include <utility>

#include "base/error.h"

namespace oag {
namespace {

// A carriage return, a line feed, or both in this order end a line.
std::string_view take_line(std::string_view& text, bool& more) {
  const size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  more = end != text.npos;
  if (!more) {
    text = {};
    return line;
  }
  const size_t width = text.substr(end, 2) == "\r\n" ? 2 : 1;
  text.remove_prefix(end + width);
  return line;
}

void append_lines(std::string& out, std::string_view field, std::string_view text) {
  for (bool more = true; more;) {
    out += field;
    out += take_line(text, more);
    out += '\n';
  }
}

void append_single_line(std::string& out, std::string_view field, std::string_view text) {
  if (text.empty()) return;
  out += field;
  for (const char c : text) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  out += '\n';
}

}  // namespace

void append_sse_event(std::string& out, std::string_view data, std::string_view event, std::string_view id) {
  append_single_line(out, "event: ", event);
  append_single_line(out, "id: ", id);
  append_lines(out, "data: ", data);
  out += '\n';
}

std::string sse_event(std::string_view data, std::string_view event, std::string_view id) {
  std::string out;
  append_sse_event(out, data, event, id);
  return out;
}

std::string sse_comment(std::string_view text) {
  std::string out;
  append_lines(out, ": ", text);
  out += '\n';
  return out;
}

void SseReader::feed(std::string_view bytes) {
  constexpr size_t kMostBytes = size_t{16} << 20;
  while (!bytes.empty()) {
    if (after_cr_ && bytes.front() == '\n') bytes.remove_prefix(1);
    after_cr_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (line_.size() + data_.size() > kMostBytes) {
      fail(ErrorCode::kNetwork, "event stream", "has an event of more than {} bytes", kMostBytes);
    }
    if (end == bytes.npos) return;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line();
  }
}

void SseReader::end_line() {
  std::string_view line = line_;
  if (!std::exchange(begun_, true) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.empty()) {
    if (!data_.empty()) {
      data_.pop_back();  // the end of the last line is not part of the data
      on_data_(std::exchange(data_, {}));
    }
  } else if (line == "data" || line.starts_with("data:")) {
    line.remove_prefix(line == "data" ? 4 : 5);
    if (line.starts_with(' ')) line.remove_prefix(1);
    data_ += line;
    data_ += '\n';
  }
  line_.clear();
}

}  // namespace oag
