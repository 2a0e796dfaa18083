#pragma once

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

// The Content-Type of an event stream.
inline constexpr std::string_view kSseContentType = "text/event-stream; charset=utf-8";

}  // namespace oag
