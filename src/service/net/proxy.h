#pragma once

#include <optional>

#include "service/net/url.h"

namespace oag {

// The HTTP proxy that the environment asks for: HTTPS_PROXY or HTTP_PROXY (or lower case) unless NO_PROXY
// lists the host. Loopback is never sent to a proxy. Errors: kInvalidArgument when the proxy's address is no
// http:// address.
std::optional<Url> proxy_from_environment(const Url& url);

// True when a NO_PROXY list ("example.org,.internal,10.0.0.1,*") covers the host.
bool no_proxy_covers(std::string_view list, std::string_view host);

}  // namespace oag
