#include "service/net/url.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "service/net/proxy.h"
#include "service/net/sha256.h"
#include "service/net/testing.h"

namespace oag {
namespace {

TEST(Url, SplitsEveryPart) {
  const Url url = parse_url("HTTPS://me:p%40ss@Example.ORG:8443/a%20b/c.gguf?token=x#part");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.userinfo, "me:p%40ss");
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a%20b/c.gguf?token=x");
  EXPECT_EQ(url.authority(), "example.org:8443");
  EXPECT_EQ(url.redacted(), "https://example.org:8443/a%20b/c.gguf");
}

TEST(Url, FillsDefaults) {
  EXPECT_EQ(parse_url("http://h").port, 80);
  EXPECT_EQ(parse_url("https://h").port, 443);
  EXPECT_EQ(parse_url("https://h").target, "/");
  EXPECT_EQ(parse_url("https://h?q").target, "/?q");
  EXPECT_EQ(parse_url("https://h:/x").port, 443);
  EXPECT_EQ(parse_url("https://h/x").authority(), "h");
}

TEST(Url, TakesIpv6Literals) {
  const Url url = parse_url("http://[2001:DB8::1]:81/x");
  EXPECT_EQ(url.host, "2001:db8::1");
  EXPECT_TRUE(url.host_is_ipv6);
  EXPECT_EQ(url.authority(), "[2001:db8::1]:81");
  EXPECT_TRUE(parse_url("http://[::1]/").is_loopback());
  EXPECT_FALSE(url.is_loopback());
}

TEST(Url, KnowsLoopback) {
  EXPECT_TRUE(parse_url("http://localhost/").is_loopback());
  EXPECT_TRUE(parse_url("http://127.1.2.3/").is_loopback());
  EXPECT_FALSE(parse_url("http://127.example.org/").is_loopback());
  EXPECT_FALSE(parse_url("http://localhost.example.org/").is_loopback());
}

TEST(Url, RefusesWhatIsNoHttpAddress) {
  for (const char* text : {"",
                           "h/x",
                           "ftp://h/x",
                           "file:///x",
                           "http://",
                           "http:///x",
                           "http://h:0/",
                           "http://h:65536/",
                           "http://h:8x/",
                           "http://h:+8/",
                           "http://h:-8/",
                           "http://[::1/",
                           "http://[::1]x/",
                           "http://[1.2.3.4]/",
                           "http://[fe80::1%25eth0]/",
                           "http://a b/",
                           "http://h/a b",
                           "http://h/a\nb",
                           "http://h/\xc3\xa9",
                           "http://h/%",
                           "http://h/%4",
                           "http://h/%zz",
                           "http://a@b@h/",
                           "http://a..b/",
                           "http://.a/",
                           "http://h\\x/",
                           "http://h|x/",
                           "http://h{x/"}) {
    EXPECT_THROW(parse_url(text), Error) << text;
  }
  EXPECT_THROW(parse_url("http://h/" + std::string(9000, 'a')), Error);
}

TEST(Url, ErrorsDoNotRepeatTheAddress) {
  try {
    parse_url("https://user:hunter2@host:99999/?token=hunter3");
    FAIL() << "a bad port was taken";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("hunter"), std::string::npos) << error.what();
  }
}

// The cases of RFC 3986 §5.4 that keep the scheme http.
TEST(Url, ResolvesRelativeReferencesAsTheRfcLists) {
  const Url base = parse_url("http://a/b/c/d;p?q");
  const std::pair<const char*, const char*> cases[] = {{"g", "/b/c/g"},
                                                       {"./g", "/b/c/g"},
                                                       {"g/", "/b/c/g/"},
                                                       {"/g", "/g"},
                                                       {"?y", "/b/c/d;p?y"},
                                                       {"g?y", "/b/c/g?y"},
                                                       {"#s", "/b/c/d;p"},
                                                       {";x", "/b/c/;x"},
                                                       {".", "/b/c/"},
                                                       {"./", "/b/c/"},
                                                       {"..", "/b/"},
                                                       {"../", "/b/"},
                                                       {"../g", "/b/g"},
                                                       {"../..", "/"},
                                                       {"../../g", "/g"},
                                                       {"../../../g", "/g"},
                                                       {"/./g", "/g"},
                                                       {"/../g", "/g"},
                                                       {"g.", "/b/c/g."},
                                                       {"..g", "/b/c/..g"},
                                                       {"./../g", "/b/g"},
                                                       {"./g/.", "/b/c/g/"},
                                                       {"g/./h", "/b/c/g/h"},
                                                       {"g/../h", "/b/c/h"},
                                                       {"g;x=1/./y", "/b/c/g;x=1/y"},
                                                       {"g?y/./x", "/b/c/g?y/./x"}};
  for (const auto& [reference, target] : cases)
    EXPECT_EQ(resolve_redirect(base, reference).target, target) << reference;
  EXPECT_EQ(resolve_redirect(base, "//g/x").host, "g");
  EXPECT_EQ(resolve_redirect(base, "https://g/x").scheme, "https");
}

TEST(Url, RedirectsEncodeSpacesAndRefuseOtherSchemes) {
  const Url base = parse_url("https://a/b");
  EXPECT_EQ(resolve_redirect(base, "/x y\xc3\xa9").target, "/x%20y%C3%A9");
  EXPECT_THROW(resolve_redirect(base, "ftp://a/x"), Error);
  EXPECT_THROW(resolve_redirect(base, "/x\r\ny"), Error);
}

TEST(Url, CredentialsStayWithTheirOrigin) {
  const Url base = parse_url("https://user:pw@a/b");
  EXPECT_EQ(resolve_redirect(base, "/c").userinfo, "user:pw");
  EXPECT_EQ(resolve_redirect(base, "https://a/c").userinfo, "user:pw");
  EXPECT_EQ(resolve_redirect(base, "https://other/c").userinfo, "");
  EXPECT_EQ(resolve_redirect(base, "https://a:444/c").userinfo, "");
}

TEST(Url, RedactsAddressesInsideText) {
  EXPECT_EQ(redact_urls("from https://u:p@h/x?k=secret, then http://b/?t=1 (see http://c)"),
            "from https://h/x, then http://b/ (see http://c)");
  EXPECT_EQ(redact_urls("nothing here"), "nothing here");
}

TEST(Url, PercentDecodeKeepsMalformedSequences) {
  EXPECT_EQ(percent_decode("a%20b%2Fc%"), "a b/c%");
  EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
}

TEST(Proxy, ListOfExceptionsMatchesNamesAndTheirSubdomains) {
  EXPECT_TRUE(no_proxy_covers("a.org, b.org", "b.org"));
  EXPECT_TRUE(no_proxy_covers(".b.org", "x.b.org"));
  EXPECT_TRUE(no_proxy_covers("B.org", "x.b.org"));
  EXPECT_FALSE(no_proxy_covers("b.org", "xb.org"));
  EXPECT_TRUE(no_proxy_covers("*", "anything"));
  EXPECT_FALSE(no_proxy_covers("", "b.org"));
  EXPECT_TRUE(no_proxy_covers("[::2]", "::2"));
}

TEST(Proxy, ComesFromTheEnvironmentByScheme) {
  const testing::ScopedEnvironment https("https_proxy", "http://proxy:3128");
  const testing::ScopedEnvironment http("http_proxy", "proxy2:8080");
  const testing::ScopedEnvironment no("no_proxy", "inside.org");
  EXPECT_EQ(proxy_from_environment(parse_url("https://x.org/"))->authority(), "proxy:3128");
  EXPECT_EQ(proxy_from_environment(parse_url("http://x.org/"))->authority(), "proxy2:8080");
  EXPECT_FALSE(proxy_from_environment(parse_url("https://inside.org/")));
  EXPECT_FALSE(proxy_from_environment(parse_url("http://127.0.0.1/")));
  const testing::ScopedEnvironment socks("https_proxy", "socks5://u:hunter2@proxy:1");
  EXPECT_THROW(proxy_from_environment(parse_url("https://x.org/")), Error);
}

// Digests from FIPS 180-4's published examples.
TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const testing::TemporaryFolder folder;
  testing::write_text(folder / "million", std::string(1'000'000, 'a'));
  EXPECT_EQ(sha256_file(folder / "million"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_THROW(sha256_file(folder / "absent"), Error);
}

}  // namespace
}  // namespace oag
