#include "service/net/proxy.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace oag {
namespace {

std::string environment(const char* upper, const char* lower) {
  // Lower case comes first, as in curl.
  const char* value = std::getenv(lower);
  if (value == nullptr || *value == '\0') value = std::getenv(upper);
  return value != nullptr ? value : "";
}

}  // namespace

bool no_proxy_covers(std::string_view list, std::string_view host) {
  while (!list.empty()) {
    const size_t end = std::min(list.find_first_of(", "), list.size());
    std::string_view entry = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (entry == "*") return true;
    if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
    if (entry.starts_with('.')) entry.remove_prefix(1);
    if (entry.empty() || host.size() < entry.size()) continue;
    const std::string_view tail = host.substr(host.size() - entry.size());
    const bool equal = std::equal(tail.begin(), tail.end(), entry.begin(), [](char a, char b) {
      return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + ('a' - 'A')) : b);
    });
    if (equal && (host.size() == entry.size() || host[host.size() - entry.size() - 1] == '.')) return true;
  }
  return false;
}

std::optional<Url> proxy_from_environment(const Url& url) {
  if (url.is_loopback()) return std::nullopt;
  const bool https = url.scheme == "https";
  const std::string address =
      https ? environment("HTTPS_PROXY", "https_proxy") : environment("HTTP_PROXY", "http_proxy");
  if (address.empty() || no_proxy_covers(environment("NO_PROXY", "no_proxy"), url.host)) return std::nullopt;
  const char* where = https ? "HTTPS_PROXY" : "HTTP_PROXY";
  Url proxy;
  try {
    proxy = parse_url(address.find("://") == std::string::npos ? "http://" + address : address);
  } catch (const Error&) {
    fail(ErrorCode::kInvalidArgument, where, "is not a proxy address; expected http://host:port");
  }
  if (proxy.scheme != "http") {
    fail(ErrorCode::kUnsupported, where, "names a {} proxy; only http:// proxies can be used", proxy.scheme);
  }
  return proxy;
}

}  // namespace oag
