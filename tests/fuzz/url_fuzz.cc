// Addresses from users and from servers' redirects. A parsed address must survive being written and parsed
// again.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "service/net/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const oag::Url url = oag::parse_url(text);
    const oag::Url again = oag::parse_url(url.scheme + "://" + url.authority() + url.target);
    if (again.host != url.host || again.port != url.port || again.target != url.target) __builtin_trap();
  } catch (const oag::Error&) {
  }
  try {
    const oag::Url moved = oag::resolve_redirect(oag::parse_url("https://user:pw@host:81/a/b?c"), text);
    if (!moved.target.starts_with('/')) __builtin_trap();
    if (moved.userinfo == "user:pw" && moved.host != "host") __builtin_trap();
  } catch (const oag::Error&) {
  }
  oag::redact_urls(text);
  return 0;
}
