#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace oag {

// An http or https address, split (RFC 3986). Percent-encoding is kept as written.
struct Url {
  std::string scheme;    // "http" or "https"
  std::string userinfo;  // "user:password" as written, usually empty; a secret
  std::string host;      // lower case; an IPv6 address without its brackets
  bool host_is_ipv6 = false;
  uint16_t port = 0;  // the scheme's default when the address names none
  std::string
      target;  // path and query, begins with '/'; the fragment is dropped. The query may hold secrets.

  // "host", "host:port" or "[v6]:port", as the Host header wants it: the scheme's default port is left out.
  std::string authority() const;

  // The address without user information and query: fit for messages and logs.
  std::string redacted() const;

  // True for localhost, 127.0.0.0/8 and ::1: traffic to it does not leave the machine.
  bool is_loopback() const;

  bool same_origin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
};

// Parses an absolute address strictly. Errors: kInvalidArgument; the message never repeats a secret part.
Url parse_url(std::string_view text);

// The address that a Location header names, relative to the address that answered. Bytes that servers often
// forget to percent-encode (spaces, UTF-8) are encoded. Errors: kNetwork.
Url resolve_redirect(const Url& base, std::string_view location);

// Replaces user information and queries of every http(s) address inside a text, so that it can be shown.
std::string redact_urls(std::string_view text);

// Decodes %XX; malformed sequences stay as they are.
std::string percent_decode(std::string_view text);

}  // namespace oag
