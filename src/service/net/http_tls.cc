#include "service/net/http_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace oag {
namespace {

std::string last_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown reason";
}

void check_readable(const std::string& path, const char* what) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (file != nullptr) return;
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  fail(code, path, "the TLS {} cannot be read: {}", what, std::strerror(errno));
}

// OpenSSL would ask the terminal for an encrypted key's pass phrase. Asio's context takes what is left as the
// callback's data for its own, so it is taken back.
class PassPhraseRefusal {
 public:
  explicit PassPhraseRefusal(SSL_CTX* context) : context_(context) {
    SSL_CTX_set_default_passwd_cb(context_, [](char*, int, int, void* asked) {
      *static_cast<bool*>(asked) = true;
      return -1;
    });
    SSL_CTX_set_default_passwd_cb_userdata(context_, &asked_);
  }
  ~PassPhraseRefusal() { SSL_CTX_set_default_passwd_cb_userdata(context_, nullptr); }
  PassPhraseRefusal(const PassPhraseRefusal&) = delete;
  PassPhraseRefusal& operator=(const PassPhraseRefusal&) = delete;

  bool asked() const { return asked_; }

 private:
  SSL_CTX* context_;
  bool asked_ = false;
};

// Clients that offer HTTP/2 as well get HTTP/1.1; those that offer neither go on without the extension.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned int in_size, void*) {
  static const unsigned char kProtocols[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size, kProtocols, sizeof kProtocols - 1, in, in_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

std::shared_ptr<boost::asio::ssl::context> make_tls_server_context(const std::string& certificate,
                                                                   const std::string& key) {
  const std::string& key_file = key.empty() ? certificate : key;
  check_readable(certificate, "certificate");
  check_readable(key_file, "key");
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  SSL_CTX* ctx = context->native_handle();
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(ctx, select_protocol, nullptr);
  const PassPhraseRefusal refusal(ctx);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(ctx, certificate.c_str()) != 1) {
    fail(ErrorCode::kCorruptData, certificate, "no TLS certificate in PEM form: {}", last_reason());
  }
  if (SSL_CTX_use_PrivateKey_file(ctx, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    if (refusal.asked()) {
      ERR_clear_error();
      fail(ErrorCode::kInvalidArgument, key_file, "the TLS key is encrypted; give one without a pass phrase");
    }
    const bool other = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    const std::string reason = last_reason();
    if (other) {
      fail(ErrorCode::kInvalidArgument, key_file, "the TLS key is not that of the certificate {}",
           certificate);
    }
    fail(ErrorCode::kCorruptData, key_file, "no TLS private key in PEM form: {}", reason);
  }
  if (SSL_CTX_check_private_key(ctx) != 1) {
    ERR_clear_error();
    fail(ErrorCode::kInvalidArgument, key_file, "the TLS key is not that of the certificate {}", certificate);
  }
  return context;
}

}  // namespace oag
