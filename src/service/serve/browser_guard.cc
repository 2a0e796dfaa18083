#include "service/serve/browser_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

namespace oag {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  });
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// "host", "host:port", "[v6]" or "[v6]:port" without the port; "" where what follows is no port.
std::string_view host_of(std::string_view authority) {
  const size_t colon =
      authority.starts_with('[') ? authority.find(':', authority.find(']')) : authority.find(':');
  if (colon == std::string_view::npos) return authority;
  const std::string_view port = authority.substr(colon + 1);
  const bool digits = std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  return digits ? authority.substr(0, colon) : std::string_view{};
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  if (equals_ignoring_case(host, "localhost")) return true;
  const std::string text(host);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool is_json_type(std::string_view type) {
  return equals_ignoring_case(trimmed(type.substr(0, type.find(';'))), "application/json");
}

std::optional<std::string_view> foreign_name(const HttpRequest& request) {
  const std::string* host = request.find_header("Host");
  if (host != nullptr && !is_loopback_host(host_of(*host))) return *host;
  const std::string* origin = request.find_header("Origin");
  if (origin == nullptr) return {};
  const size_t scheme = origin->find("://");
  if (scheme != std::string::npos && is_loopback_host(host_of(std::string_view(*origin).substr(scheme + 3))))
    return {};
  return *origin;
}

}  // namespace oag
