#pragma once

#include <span>
#include <string>
#include <string_view>

#include "service/net/http_server.h"

namespace oag {

// One line of the log for a request that has ended: client, method, path, status, time and what its endpoint
// noted. Nothing of its content, its query or its keys. What probes and scrapers ask all the time is a debug
// message as long as it goes well.
void log_request(const HttpRecord& record);

// The warnings about a request's fields, of many the first ones.
void log_warnings(std::string_view id, std::span<const std::string> warnings);

}  // namespace oag
