#pragma once

#include <string>
#include <string_view>

#include "service/net/http_request.h"

namespace oag {

// "OK", "Not Found", …; "Unknown" for a status without a name.
std::string_view http_reason(int status);

// The body of an error, {"error": {"message", "type", "param", "code"}}. The type follows from the status;
// empty texts become null.
std::string http_error_body(int status, std::string_view message, std::string_view code = {},
                            std::string_view param = {});

struct HttpResponseHead {
  int status = 200;
  bool keep_alive = true;
  int minor_version = 1;      // of the request
  bool chunked = false;       // the body's length is not known
  size_t content_length = 0;  // where it is
};

// Appends status line, headers and the empty line to `out`. Headers that the framing decides
// (Content-Length, Transfer-Encoding, Connection, Keep-Alive) are taken from `head`, never from `headers`;
// characters that would end a header's line become spaces.
void append_response_head(std::string& out, const HttpResponseHead& head, const HttpHeaders& headers);

// Appends one chunk of a chunked body. Nothing for an empty part, which would end the body.
void append_chunk(std::string& out, std::string_view part);

// True if a header asks to close the connection.
bool asks_to_close(const HttpHeaders& headers);

// Compares names of headers, without regard to ASCII case.
bool same_header_name(std::string_view a, std::string_view b);

}  // namespace oag
