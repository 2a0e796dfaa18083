#pragma once

#include <memory>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace oag {

// A server's TLS 1.2+ context with the certificate chain and key of two PEM files; `key` may be empty, then
// it stands in the certificate's file. Errors in one line: kNotFound, kIo, kCorruptData, kInvalidArgument
// (the key is encrypted or of another certificate).
std::shared_ptr<boost::asio::ssl::context> make_tls_server_context(const std::string& certificate,
                                                                   const std::string& key);

}  // namespace oag
