#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "base/error.h"
#include "service/net/http_server.h"
#include "service/net/http_test_client.h"
#include "service/net/http_test_server.h"
#include "service/net/testing.h"

namespace oag {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using testing::RawClient;
using testing::TemporaryFolder;
using testing::TestCertificate;
using Exchange = std::shared_ptr<HttpExchange>;

constexpr const char* kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

void write_key(EVP_PKEY* key, const std::string& path, const char* pass_phrase = nullptr) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "w"), &std::fclose);
  PEM_write_PrivateKey(file.get(), key, pass_phrase != nullptr ? EVP_aes_128_cbc() : nullptr, nullptr, 0,
                       nullptr, const_cast<char*>(pass_phrase));
}

class HttpServerTls : public ::testing::Test {
 protected:
  HttpServerTls() {
    certificate_.write_pem(options_.tls_certificate);
    write_key(certificate_.key.get(), options_.tls_key);
  }

  HttpServerOptions make_options() const {
    HttpServerOptions options;
    options.port = 0;
    options.tls_certificate = folder_ / "cert.pem";
    options.tls_key = folder_ / "key.pem";
    return options;
  }

  std::string error_of(const HttpServerOptions& options) {
    try {
      HttpServer server(options, [](HttpRequest, Exchange) {});
    } catch (const Error& error) {
      std::string line = error.what();
      const std::string folder = folder_.path().string() + "/";
      for (size_t at = 0; (at = line.find(folder)) != line.npos;) line.erase(at, folder.size());
      return line;
    }
    return "no error";
  }

  TemporaryFolder folder_;
  TestCertificate certificate_;
  HttpServerOptions options_ = make_options();
};

TEST_F(HttpServerTls, AnswersAndStreamsEncrypted) {
  HttpServer server(options_, [](HttpRequest request, Exchange exchange) {
    if (request.path == "/large") return exchange->respond(200, {}, testing::patterned_bytes(3 << 20));
    exchange->begin(200, {});
    for (int i = 0; i < 1000; ++i) exchange->write("token");
    exchange->finish();
  });
  server.start();
  EXPECT_TRUE(server.secure());
  RawClient client(server.port(), true);
  ASSERT_TRUE(client.connected());
  client.send(kGet);
  std::string expected;
  for (int i = 0; i < 1000; ++i) expected += "5\r\ntoken\r\n";
  client.read_until("\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n0\r\n\r\n"), expected + "0\r\n\r\n");
  EXPECT_TRUE(
      client.ask("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").ends_with(testing::patterned_bytes(3 << 20)));
  client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.read_to_end().ends_with("0\r\n\r\n"));
}

TEST_F(HttpServerTls, RefusesProtocolsBefore12) {
  HttpServer server(options_, [](HttpRequest, Exchange exchange) { exchange->respond(200, {}, "ok"); });
  server.start();
  const auto connects_with = [&](int version) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                    &SSL_CTX_free);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server.port());
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
    SSL_set_fd(ssl.get(), fd);
    const bool connected = SSL_connect(ssl.get()) == 1;
    ::close(fd);
    return connected;
  };
  EXPECT_FALSE(connects_with(TLS1_1_VERSION));
  EXPECT_TRUE(connects_with(TLS1_2_VERSION));
  EXPECT_TRUE(connects_with(TLS1_3_VERSION));
}

TEST_F(HttpServerTls, PlainTextAndSilenceEndTheHandshake) {
  options_.head_timeout = milliseconds(200);
  HttpServer server(options_, [](HttpRequest, Exchange exchange) { exchange->respond(200, {}, "ok"); });
  server.start();
  RawClient plain(server.port());
  plain.send(kGet);
  EXPECT_EQ(plain.read_to_end().find("HTTP"), std::string::npos);
  RawClient silent(server.port());
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_TRUE(eventually([&] { return server.counters().open_connections == 0; }));
  EXPECT_TRUE(RawClient(server.port(), true).ask(kGet).ends_with("ok"));
}

TEST_F(HttpServerTls, SeesThatTheClientLeaves) {
  std::atomic<int> gone{0};
  Exchange held;
  std::atomic<bool> has_it{false};
  HttpServer server(options_, [&](HttpRequest, Exchange exchange) {
    exchange->on_gone([&] { ++gone; });
    held = exchange;
    has_it = true;
  });
  server.start();
  RawClient client(server.port(), true);
  client.send(kGet);
  ASSERT_TRUE(eventually([&] { return has_it.load(); }));
  client.close();
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
  held->respond(200, {}, "late");
  EXPECT_TRUE(eventually([&] { return server.counters().open_connections == 0; }));
}

TEST_F(HttpServerTls, SaysInOneLineWhatIsWrongWithTheCertificate) {
  const HttpServerOptions good = options_;
  options_.tls_key = folder_ / "absent.pem";
  EXPECT_EQ(error_of(options_), "absent.pem: the TLS key cannot be read: No such file or directory");
  options_.tls_key = "";
  EXPECT_TRUE(error_of(options_).starts_with("cert.pem: no TLS private key in PEM form: "))
      << error_of(options_);
  options_ = good;
  const TestCertificate other;
  write_key(other.key.get(), folder_ / "other.pem");
  options_.tls_key = folder_ / "other.pem";
  EXPECT_EQ(error_of(options_), "other.pem: the TLS key is not that of the certificate cert.pem");
  write_key(certificate_.key.get(), folder_ / "locked.pem", "secret");
  options_.tls_key = folder_ / "locked.pem";
  EXPECT_EQ(error_of(options_), "locked.pem: the TLS key is encrypted; give one without a pass phrase");
  options_ = good;
  testing::write_text(folder_ / "garbage.pem", "garbage");
  options_.tls_certificate = folder_ / "garbage.pem";
  EXPECT_TRUE(error_of(options_).starts_with("garbage.pem: no TLS certificate in PEM form: "))
      << error_of(options_);
  options_.tls_certificate = "";
  EXPECT_EQ(error_of(options_), "tls_key: out of range: expected a certificate beside the key");
}

}  // namespace
}  // namespace oag
