#include "service/net/download.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/error.h"
#include "service/net/http_test_server.h"
#include "service/net/sha256.h"
#include "service/net/testing.h"

namespace oag {
namespace {

using std::chrono::milliseconds;
using testing::HttpTestServer;
using testing::patterned_bytes;
using testing::TestPeer;

std::string answer(const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" +
         body;
}

// Where the Range header of a request begins, or 0.
size_t range_begin(const std::string& head) {
  const size_t at = head.find("Range: bytes=");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 13));
}

class Download : public ::testing::Test {
 protected:
  DownloadRequest request(const std::string& url) const {
    DownloadRequest out;
    out.url = url;
    out.destination = folder_ / "file";
    out.connect_timeout = milliseconds(2000);
    out.stall_timeout = milliseconds(300);
    out.retry_delay = milliseconds(1);
    return out;
  }

  // Downloads, expects an error and hands it out; nothing may be left in the folder.
  Error failure(const DownloadRequest& wanted) const {
    try {
      download(wanted);
    } catch (const Error& error) {
      EXPECT_EQ(folder_.entry_count(), 0u) << "left-overs after: " << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error;
    }
    ADD_FAILURE() << "the download succeeded";
    return Error(ErrorCode::kInternal, "", "");
  }

  std::string text() const { return testing::read_text(folder_ / "file"); }

  testing::TemporaryFolder folder_;
  const std::string body_ = patterned_bytes(300'000);
};

TEST_F(Download, FetchesAFileWithProgressAndChecksum) {
  HttpTestServer server([&](TestPeer& peer, const std::string&) { peer.send(answer(body_)); });
  DownloadRequest wanted = request(server.url("/a?token=s"));
  wanted.sha256 = sha256_hex(body_);
  wanted.expected_bytes = body_.size();
  uint64_t last = 0;
  wanted.on_progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, body_.size());
    last = done;
  };
  const DownloadResult result = download(wanted);
  EXPECT_EQ(result.bytes, body_.size());
  EXPECT_EQ(result.sha256, sha256_hex(body_));
  EXPECT_EQ(last, body_.size());
  EXPECT_EQ(text(), body_);
  EXPECT_EQ(folder_.entry_count(), 1u);
  EXPECT_TRUE(server.requests().at(0).starts_with("GET /a?token=s HTTP/1.1\r\n"));
}

TEST_F(Download, DecodesChunksAndInterimAnswers) {
  HttpTestServer server([&](TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n");
    peer.send("7\r\n, world\r\n0\r\nTrailer: x\r\n\r\n");
  });
  EXPECT_EQ(download(request(server.url("/"))).bytes, 12u);
  EXPECT_EQ(text(), "hello, world");
}

TEST_F(Download, TakesABodyThatEndsWithTheConnection) {
  HttpTestServer server(
      [&](TestPeer& peer, const std::string&) { peer.send("HTTP/1.0 200 OK\r\n\r\n" + body_); });
  download(request(server.url("/")));
  EXPECT_EQ(text(), body_);
}

TEST_F(Download, ReplacesAnExistingFileAndTakesAnEmptyOne) {
  testing::write_text(folder_ / "file", "old");
  HttpTestServer server([&](TestPeer& peer, const std::string&) { peer.send(answer("")); });
  EXPECT_EQ(download(request(server.url("/"))).bytes, 0u);
  EXPECT_EQ(text(), "");
}

TEST_F(Download, ResumesAfterADropWhenThereIsAnEtag) {
  HttpTestServer server([&](TestPeer& peer, const std::string& head) {
    const size_t begin = range_begin(head);
    if (begin == 0) return peer.send(answer(body_, "ETag: \"v1\"\r\n").substr(0, 150'000));
    EXPECT_NE(head.find("If-Range: \"v1\"\r\n"), std::string::npos);
    peer.send("HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Length: " +
              std::to_string(body_.size() - begin) + "\r\nContent-Range: bytes " + std::to_string(begin) +
              "-" + std::to_string(body_.size() - 1) + "/" + std::to_string(body_.size()) + "\r\n\r\n" +
              body_.substr(begin));
  });
  EXPECT_EQ(download(request(server.url("/"))).sha256, sha256_hex(body_));
  EXPECT_EQ(text(), body_);
  EXPECT_EQ(server.requests().size(), 2u);
  EXPECT_GT(range_begin(server.requests().at(1)), 100'000u);
}

TEST_F(Download, StartsOverWithoutAStrongEtag) {
  int count = 0;
  HttpTestServer server([&](TestPeer& peer, const std::string& head) {
    EXPECT_EQ(range_begin(head), 0u);
    peer.send(answer(body_, "ETag: W/\"v1\"\r\n").substr(0, ++count == 1 ? 150'000 : std::string::npos));
  });
  download(request(server.url("/")));
  EXPECT_EQ(text(), body_);
  EXPECT_EQ(count, 2);
}

TEST_F(Download, StartsOverWhenTheFileChangedMeanwhile) {
  const std::string other = patterned_bytes(1000);
  HttpTestServer server([&](TestPeer& peer, const std::string& head) {
    peer.send(range_begin(head) == 0 ? answer(body_, "ETag: \"v1\"\r\n").substr(0, 150'000) : answer(other));
  });
  download(request(server.url("/")));
  EXPECT_EQ(text(), other);
}

TEST_F(Download, StartsOverWhenAPartialAnswerDoesNotFit) {
  int count = 0;
  HttpTestServer server([&](TestPeer& peer, const std::string& head) {
    ++count;
    if (count == 1) return peer.send(answer(body_, "ETag: \"v1\"\r\n").substr(0, 150'000));
    if (range_begin(head) == 0) return peer.send(answer(body_));
    peer.send(
        "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Length: 2\r\nContent-Range: bytes "
        "0-1/2\r\n\r\nxx");
  });
  download(request(server.url("/")));
  EXPECT_EQ(text(), body_);
  EXPECT_EQ(count, 3);
}

TEST_F(Download, APartOfTheFileThatWasNotAskedForIsToldWithItsRange) {
  HttpTestServer server([&](TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nContent-Range: bytes 7-8/9\r\n\r\nxx");
  });
  const std::string message = failure(request(server.url("/"))).message();
  EXPECT_NE(message.find("Content-Range 'bytes?7-8/9', wanted from byte 0"), std::string::npos) << message;
}

TEST_F(Download, StartsOverWhenAResumedFileHasTheWrongChecksum) {
  int count = 0;
  HttpTestServer server([&](TestPeer& peer, const std::string& head) {
    const size_t begin = range_begin(head);
    ++count;
    if (count == 1) return peer.send(answer(body_, "ETag: \"v1\"\r\n").substr(0, 150'000));
    if (begin == 0) return peer.send(answer(body_));
    peer.send("HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes " +
              std::to_string(begin) + "-299999/300000\r\n\r\n" + std::string(body_.size() - begin, 'x'));
  });
  DownloadRequest wanted = request(server.url("/"));
  wanted.sha256 = sha256_hex(body_);
  download(wanted);
  EXPECT_EQ(text(), body_);
  EXPECT_EQ(count, 3);
}

TEST_F(Download, GivesUpOnATruncatedBodyAfterItsAttempts) {
  HttpTestServer server(
      [&](TestPeer& peer, const std::string&) { peer.send(answer(body_).substr(0, 1000)); });
  const Error error = failure(request(server.url("/")));
  EXPECT_EQ(error.code(), ErrorCode::kNetwork);
  EXPECT_NE(error.message().find("in the middle of the body (tried 4 times)"), std::string::npos)
      << error.what();
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST_F(Download, GivesUpOnAStalledServerInTime) {
  HttpTestServer server([&](TestPeer& peer, const std::string&) {
    peer.send(answer(body_).substr(0, 1000));
    peer.stall();
  });
  DownloadRequest wanted = request(server.url("/"));
  wanted.max_attempts = 2;
  const auto begin = Clock::now();
  const Error error = failure(wanted);
  EXPECT_EQ(error.code(), ErrorCode::kNetwork);
  EXPECT_NE(error.message().find("no answer in time (tried 2 times)"), std::string::npos) << error.what();
  EXPECT_LT(elapsed_ms(begin), 3000);
}

TEST_F(Download, StopsSoonAfterCancel) {
  HttpTestServer server([&](TestPeer& peer, const std::string&) {
    peer.send(answer(body_).substr(0, 1000));
    peer.stall();
  });
  std::atomic<bool> cancel{false};
  DownloadRequest wanted = request(server.url("/"));
  wanted.stall_timeout = milliseconds(20'000);
  wanted.cancel = &cancel;
  wanted.on_progress = [&](uint64_t, uint64_t) { cancel = true; };
  const auto begin = Clock::now();
  EXPECT_EQ(failure(wanted).code(), ErrorCode::kCancelled);
  EXPECT_LT(elapsed_ms(begin), 2000);
}

TEST_F(Download, RefusesAFileOfAnotherSizeOrChecksum) {
  HttpTestServer server([&](TestPeer& peer, const std::string& head) {
    peer.send(head.find("/unsized") == std::string::npos ? answer(body_) : "HTTP/1.0 200 OK\r\n\r\n" + body_);
  });
  for (const char* target : {"/sized", "/unsized"}) {
    for (const uint64_t expected : {body_.size() - 1, body_.size() + 1}) {
      DownloadRequest wanted = request(server.url(target));
      wanted.expected_bytes = expected;
      EXPECT_EQ(failure(wanted).code(), ErrorCode::kCorruptData);
    }
    DownloadRequest limited = request(server.url(target));
    limited.max_bytes = 1000;
    EXPECT_EQ(failure(limited).code(), ErrorCode::kCorruptData);
    DownloadRequest wrong = request(server.url(target));
    wrong.sha256 = sha256_hex("something else");
    const Error error = failure(wrong);
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    EXPECT_NE(error.message().find(sha256_hex(body_)), std::string::npos);
  }
}

TEST_F(Download, AnnouncedSizeBeyondTheDiskIsRefusedBeforeTheBody) {
  HttpTestServer server([&](TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 900000000000000000\r\n\r\n");
    peer.stall();
  });
  DownloadRequest wanted = request(server.url("/"));
  wanted.max_bytes = uint64_t{1} << 62;
  const Error error = failure(wanted);
  EXPECT_EQ(error.code(), ErrorCode::kIo);
  EXPECT_NE(error.message().find("900000000000.0 MB"), std::string::npos) << error.what();
}

TEST_F(Download, FollowsRedirects) {
  HttpTestServer server([&](TestPeer& peer, const std::string& head) {
    if (head.starts_with("GET /a "))
      return peer.send("HTTP/1.1 302 Found\r\nLocation: b/c?x=1\r\nContent-Length: 3\r\n\r\nabc");
    if (head.starts_with("GET /b/c?x=1 ")) return peer.send("HTTP/1.1 308 X\r\nLocation: /d\r\n\r\n");
    EXPECT_TRUE(head.starts_with("GET /d ")) << head;
    peer.send(answer(body_));
  });
  download(request(server.url("/a")));
  EXPECT_EQ(text(), body_);
}

TEST_F(Download, EndsARedirectLoop) {
  HttpTestServer server([&](TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 301 Moved\r\nLocation: /again\r\n\r\n");
  });
  const Error error = failure(request(server.url("/")));
  EXPECT_EQ(error.code(), ErrorCode::kNetwork);
  EXPECT_NE(error.message().find("redirects more than 10 times"), std::string::npos);
  EXPECT_EQ(server.requests().size(), 11u);
}

TEST_F(Download, SaysWhatAStatusMeans) {
  std::string status;
  HttpTestServer server([&](TestPeer& peer, const std::string&) {
    peer.send("HTTP/1.1 " + status + " X\r\nContent-Length: 0\r\n\r\n");
  });
  const std::string url = server.url("/m.gguf?sig=hunter2");
  const std::tuple<const char*, ErrorCode, size_t> cases[] = {
      {"404", ErrorCode::kNotFound, 1}, {"410", ErrorCode::kNotFound, 1}, {"401", ErrorCode::kNetwork, 1},
      {"403", ErrorCode::kNetwork, 1},  {"418", ErrorCode::kNetwork, 1},  {"204", ErrorCode::kNetwork, 1},
      {"500", ErrorCode::kNetwork, 4},  {"503", ErrorCode::kNetwork, 4}};
  for (const auto& [code, kind, requests] : cases) {
    status = code;
    const size_t before = server.requests().size();
    const Error error = failure(request(url));
    EXPECT_EQ(error.code(), kind) << code;
    EXPECT_NE(error.message().find(code), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("hunter"), std::string::npos);
    EXPECT_EQ(server.requests().size() - before, requests) << code;
  }
}

TEST_F(Download, RetriesATransientStatus) {
  int count = 0;
  HttpTestServer server([&](TestPeer& peer, const std::string&) {
    peer.send(++count < 3 ? "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\n\r\n" : answer(body_));
  });
  download(request(server.url("/")));
  EXPECT_EQ(text(), body_);
}

TEST_F(Download, RefusesWhatIsNotHttp) {
  for (const std::string& garbage :
       {std::string("SSH-2.0-OpenSSH_9.2\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"),
        "HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'a') + "\r\n\r\n",
        std::string("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")}) {
    HttpTestServer server([&](TestPeer& peer, const std::string&) { peer.send(garbage); });
    EXPECT_EQ(failure(request(server.url("/"))).code(), ErrorCode::kNetwork) << garbage.substr(0, 80);
  }
}

TEST_F(Download, SendsCredentialsButNeverShowsThem) {
  HttpTestServer server([&](TestPeer& peer, const std::string& head) {
    // base64 of "user:hunter2@", RFC 4648
    EXPECT_NE(head.find("Authorization: Basic dXNlcjpodW50ZXIyQA==\r\n"), std::string::npos) << head;
    peer.send("HTTP/1.1 401 No\r\n\r\n");
  });
  std::string url = server.url("/x");
  url.insert(7, "user:hunter2%40@");
  const Error error = failure(request(url));
  EXPECT_EQ(std::string(error.what()).find("hunter"), std::string::npos) << error.what();
}

TEST_F(Download, SaysThatAHostCannotBeReached) {
  uint16_t port = 0;
  {
    HttpTestServer server([](TestPeer&, const std::string&) {});
    port = server.port();
  }
  const Error error = failure(request("http://127.0.0.1:" + std::to_string(port) + "/x"));
  EXPECT_EQ(error.code(), ErrorCode::kNetwork);
  EXPECT_NE(error.message().find("cannot be reached"), std::string::npos) << error.what();
}

TEST_F(Download, RefusesPlainHttpFromElsewhereWithoutAChecksum) {
  EXPECT_EQ(failure(request("http://192.0.2.1/x")).code(), ErrorCode::kInvalidArgument);
}

TEST_F(Download, FailsCleanlyWhenTheDestinationCannotBeWritten) {
  HttpTestServer server([&](TestPeer& peer, const std::string&) { peer.send(answer(body_)); });
  DownloadRequest wanted = request(server.url("/"));
  wanted.destination = folder_ / "absent/file";
  EXPECT_EQ(failure(wanted).code(), ErrorCode::kIo);
}

TEST_F(Download, TrustsOnlyCertificatesOfTheCaFile) {
  testing::TestCertificate certificate;
  testing::TemporaryFolder certificates;
  certificate.write_pem(certificates / "ca.pem");
  HttpTestServer server([&](TestPeer& peer, const std::string&) { peer.send(answer(body_)); }, &certificate);
  const Error error = failure(request(server.url("/")));
  EXPECT_EQ(error.code(), ErrorCode::kNetwork);
  EXPECT_NE(error.message().find("certificate is not trusted"), std::string::npos) << error.what();
  EXPECT_NE(error.message().find("SSL_CERT_FILE"), std::string::npos);
  const testing::ScopedEnvironment trust("SSL_CERT_FILE", certificates / "ca.pem");
  EXPECT_EQ(download(request(server.url("/"))).bytes, body_.size());
  EXPECT_EQ(text(), body_);
}

TEST_F(Download, RefusesACertificateForAnotherName) {
  testing::TestCertificate certificate("DNS:other.example");
  testing::TemporaryFolder certificates;
  certificate.write_pem(certificates / "ca.pem");
  const testing::ScopedEnvironment trust("SSL_CERT_FILE", certificates / "ca.pem");
  HttpTestServer server([&](TestPeer& peer, const std::string&) { peer.send(answer(body_)); }, &certificate);
  const Error error = failure(request(server.url("/")));
  EXPECT_NE(error.message().find("mismatch"), std::string::npos) << error.what();
}

TEST_F(Download, RefusesARedirectFromHttpsToHttp) {
  testing::TestCertificate certificate;
  testing::TemporaryFolder certificates;
  certificate.write_pem(certificates / "ca.pem");
  const testing::ScopedEnvironment trust("SSL_CERT_FILE", certificates / "ca.pem");
  HttpTestServer plain([&](TestPeer& peer, const std::string&) { peer.send(answer(body_)); });
  HttpTestServer server(
      [&](TestPeer& peer, const std::string&) {
        peer.send("HTTP/1.1 302 Found\r\nLocation: " + plain.url("/x") + "\r\n\r\n");
      },
      &certificate);
  const Error error = failure(request(server.url("/")));
  EXPECT_NE(error.message().find("from https to plain http"), std::string::npos) << error.what();
  EXPECT_TRUE(plain.requests().empty());
}

TEST_F(Download, ABodyCutOffWithoutTlsShutdownIsNotTaken) {
  testing::TestCertificate certificate;
  testing::TemporaryFolder certificates;
  certificate.write_pem(certificates / "ca.pem");
  const testing::ScopedEnvironment trust("SSL_CERT_FILE", certificates / "ca.pem");
  // The body has no length, so that only the TLS shutdown says where it ends.
  HttpTestServer server(
      [&](TestPeer& peer, const std::string&) {
        peer.send("HTTP/1.0 200 OK\r\n\r\n" + body_);
        peer.cut();
      },
      &certificate);
  EXPECT_EQ(failure(request(server.url("/"))).code(), ErrorCode::kNetwork);
}

TEST_F(Download, GoesThroughAProxy) {
  HttpTestServer proxy([&](TestPeer& peer, const std::string& head) {
    EXPECT_TRUE(head.starts_with("GET http://files.example/x?y HTTP/1.1\r\nHost: files.example\r\n")) << head;
    EXPECT_NE(head.find("Proxy-Authorization: Basic dTpw\r\n"), std::string::npos);
    peer.send(answer(body_));
  });
  const testing::ScopedEnvironment use("http_proxy", "http://u:p@127.0.0.1:" + std::to_string(proxy.port()));
  DownloadRequest wanted = request("http://files.example/x?y");
  wanted.sha256 = sha256_hex(body_);
  download(wanted);
  EXPECT_EQ(text(), body_);
}

TEST_F(Download, SpeaksTlsWithTheServerThroughAProxysTunnel) {
  testing::TestCertificate certificate("DNS:files.example");
  testing::TemporaryFolder certificates;
  certificate.write_pem(certificates / "ca.pem");
  const testing::ScopedEnvironment trust("SSL_CERT_FILE", certificates / "ca.pem");
  HttpTestServer server([&](TestPeer& peer, const std::string&) { peer.send(answer(body_)); }, &certificate);
  HttpTestServer proxy([&](TestPeer& peer, const std::string& head) {
    EXPECT_TRUE(head.starts_with("CONNECT files.example:443 HTTP/1.1\r\n")) << head;
    peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
    peer.tunnel_to(server.port());
  });
  const testing::ScopedEnvironment use("https_proxy", "http://127.0.0.1:" + std::to_string(proxy.port()));
  EXPECT_EQ(download(request("https://files.example/x")).sha256, sha256_hex(body_));
  EXPECT_TRUE(server.requests().at(0).find("\r\nHost: files.example\r\n") != std::string::npos);
}

TEST_F(Download, ReportsAProxyThatRefusesTheTunnel) {
  HttpTestServer proxy([&](TestPeer& peer, const std::string& head) {
    EXPECT_TRUE(head.starts_with("CONNECT files.example:443 HTTP/1.1\r\nHost: files.example:443\r\n"))
        << head;
    peer.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  });
  const testing::ScopedEnvironment use("https_proxy", "http://127.0.0.1:" + std::to_string(proxy.port()));
  const Error error = failure(request("https://files.example/x"));
  EXPECT_NE(error.message().find("refused with HTTP status 407"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace oag
