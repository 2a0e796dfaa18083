#include "service/net/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.h"

namespace oag {
namespace {

constexpr size_t kMaxUrlBytes = 8192;
constexpr size_t kMaxHostBytes = 253;  // RFC 1035

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

// Characters that RFC 3986 allows nowhere in an address.
bool is_forbidden(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= 0x20 || byte >= 0x7f || std::string_view("\"<>\\^`{|}").find(c) != std::string_view::npos;
}

[[noreturn]] void fail_url(const char* reason) {
  fail(ErrorCode::kInvalidArgument, "URL", "{}; expected something like https://host/path", reason);
}

void check_characters(std::string_view text) {
  if (text.size() > kMaxUrlBytes) fail_url("the address is longer than 8192 characters");
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_forbidden(text[i]))
      fail_url("the address holds a space or another character that must be percent-encoded");
    if (text[i] == '%' && (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2]))) {
      fail_url("the address holds a '%' that two hex digits do not follow");
    }
  }
}

void parse_port(std::string_view text, Url& url) {
  if (text.empty()) return;
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (!is_digit(text[0]) || error != std::errc{} || end != text.data() + text.size() || port == 0 ||
      port > 65535) {
    fail_url("the port is not a number from 1 to 65535");
  }
  url.port = static_cast<uint16_t>(port);
}

void parse_ipv6_host(std::string_view host_port, Url& url) {
  const size_t close = host_port.find(']');
  if (close == std::string_view::npos) fail_url("the address has '[' without ']'");
  url.host = lower(host_port.substr(1, close - 1));
  url.host_is_ipv6 = true;
  in6_addr address{};
  if (::inet_pton(AF_INET6, url.host.c_str(), &address) != 1)
    fail_url("the text in brackets is no IPv6 address");
  const std::string_view rest = host_port.substr(close + 1);
  if (rest.empty()) return;
  if (rest[0] != ':') fail_url("after ']' only ':port' may follow");
  parse_port(rest.substr(1), url);
}

void parse_named_host(std::string_view host_port, Url& url) {
  const size_t colon = host_port.find(':');
  const std::string_view host = host_port.substr(0, colon);
  if (host.empty()) fail_url("the address names no host");
  if (host.size() > kMaxHostBytes) fail_url("the host name is longer than 253 characters");
  const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
  });
  if (!plain || host.front() == '.' || host.find("..") != std::string_view::npos) {
    fail_url("the host name is malformed");
  }
  url.host = lower(host);
  if (colon != std::string_view::npos) parse_port(host_port.substr(colon + 1), url);
}

void parse_authority(std::string_view authority, Url& url) {
  const size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    url.userinfo = authority.substr(0, at);
    if (url.userinfo.find('@') != std::string::npos) fail_url("an '@' in the user name must be written %40");
    authority.remove_prefix(at + 1);
  }
  if (authority.starts_with('[')) {
    parse_ipv6_host(authority, url);
  } else {
    parse_named_host(authority, url);
  }
}

// RFC 3986 §5.2.4 for a path that begins with '/'.
std::string remove_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool ends_in_folder = false;
  for (size_t begin = 1; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    const bool last = end == path.size();
    ends_in_folder = last && (segment == "." || segment == "..");
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (segment != ".") {
      kept.push_back(segment);
    }
    begin = end + 1;
  }
  std::string out;
  for (const std::string_view segment : kept) (out += '/') += segment;
  if (ends_in_folder || out.empty()) out += '/';
  return out;
}

std::string encode_forbidden(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      fail(ErrorCode::kNetwork, "redirect", "its Location holds a control character");
    if (is_forbidden(c)) {
      out += fmt::format("%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

bool has_scheme(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_alpha(text[0])) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; });
}

Url parse_location(const Url& base, std::string text) {
  if (has_scheme(text)) return parse_url(text);
  if (text.starts_with("//")) return parse_url(base.scheme + ":" + text);
  text = text.substr(0, text.find('#'));
  check_characters(text);
  const std::string base_path = base.target.substr(0, base.target.find('?'));
  const size_t query = std::min(text.find('?'), text.size());
  std::string path = text.substr(0, query);
  if (path.empty()) {
    path = base_path;
  } else if (path[0] != '/') {
    path = base_path.substr(0, base_path.rfind('/') + 1) + path;
  }
  Url url = base;
  url.target = remove_dot_segments(path) + text.substr(query);
  return url;
}

}  // namespace

std::string Url::authority() const {
  std::string out = host_is_ipv6 ? fmt::format("[{}]", host) : host;
  if (port != (scheme == "https" ? 443 : 80)) out += fmt::format(":{}", port);
  return out;
}

std::string Url::redacted() const {
  return scheme + "://" + authority() + target.substr(0, target.find('?'));
}

bool Url::is_loopback() const {
  if (host == "localhost" || host == "localhost.") return true;
  if (host_is_ipv6) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
  }
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

Url parse_url(std::string_view text) {
  check_characters(text);
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) fail_url("the address has no '://'");
  Url url;
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") fail_url("the address is neither http nor https");
  url.port = url.scheme == "https" ? 443 : 80;
  std::string_view rest = text.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  const size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  parse_authority(rest.substr(0, authority_end), url);
  url.target = rest.substr(authority_end);
  if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
  return url;
}

Url resolve_redirect(const Url& base, std::string_view location) {
  try {
    Url url = parse_location(base, encode_forbidden(location));
    if (!url.same_origin(base)) return url;
    // Credentials belong to their origin and follow only within it.
    if (url.userinfo.empty()) url.userinfo = base.userinfo;
    return url;
  } catch (const Error& error) {
    fail(ErrorCode::kNetwork, base.redacted(), "redirects to an address that cannot be used: {}",
         error.message());
  }
}

std::string redact_urls(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t mark = text.find("://");
    if (mark == std::string_view::npos) break;
    out += text.substr(0, mark + 3);
    text.remove_prefix(mark + 3);
    const size_t end = std::min(text.find_first_of(" \t\r\n\"'<>()[]{},"), text.size());
    std::string_view address = text.substr(0, end);
    text.remove_prefix(end);
    const size_t authority_end = std::min(address.find_first_of("/?#"), address.size());
    const size_t at = address.substr(0, authority_end).rfind('@');
    if (at != std::string_view::npos) address.remove_prefix(at + 1);
    out += address.substr(0, address.find('?'));
  }
  out += text;
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const bool escape = text[i] == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
    if (escape) {
      std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace oag
