#pragma once

#include <optional>
#include <string_view>

#include "service/net/http_request.h"

namespace oag {

// Pages of other sites run in browsers on machines where a server listens on the loopback without a key. What
// a browser sends unasked (a body of a "simple" type, a foreign name that leads to 127.0.0.1) is refused.

// Whether a host names this machine alone: localhost, an address of 127.0.0.0/8 or ::1, with brackets or
// without.
bool is_loopback_host(std::string_view host);

// Whether a Content-Type is application/json, with or without parameters.
bool is_json_type(std::string_view type);

// The Host or Origin of a request that could come from a page of another site: it is none of the loopback's.
// Nothing where both are.
std::optional<std::string_view> foreign_name(const HttpRequest& request);

}  // namespace oag
