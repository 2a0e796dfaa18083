#include "service/net/http_call.h"

#include <openssl/evp.h>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>

#include "base/error.h"
#include "service/net/proxy.h"

namespace oag {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kReadBytes = size_t{1} << 16;
constexpr uint32_t kHeaderLimitBytes = 1 << 16;
constexpr int kMaxInterimAnswers = 5;  // 1xx heads before the real one

std::string base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string basic_credentials(const Url& url) {
  return "Basic " + base64(percent_decode(url.userinfo));
}

// One request on one connection; the steps are run() from top to bottom.
class Exchange {
 public:
  Exchange(const HttpCall& request, const std::function<bool(const HttpHead&)>& on_head,
           const std::function<void(std::span<const std::byte>)>& on_body)
      : request_(request),
        on_head_(on_head),
        on_body_(on_body),
        proxy_(proxy_from_environment(request.url)),
        connection_(request.cancel),
        input_(kReadBytes),
        output_(kReadBytes) {}

  HttpCallResult run() {
    if (connect() && send_request() && read_head(stall_deadline())) {
      if (on_head_(result_.head)) read_body();
    }
    if (result_.failure == NetFailure::kNone && connection_.failure() != NetFailure::kNone) {
      result_.failure = connection_.failure();
      result_.detail = connection_.detail();
    }
    return std::move(result_);
  }

 private:
  using Parser = http::response_parser<http::buffer_body>;

  TimePoint stall_deadline() const { return Clock::now() + request_.stall_timeout; }

  bool fail_with(NetFailure failure, std::string detail) {
    result_.failure = failure;
    result_.detail = std::move(detail);
    return false;
  }

  bool connect() {
    const TimePoint deadline = Clock::now() + request_.connect_timeout;
    const Url& peer = proxy_ ? *proxy_ : request_.url;
    if (!connection_.open(peer.host, peer.port, deadline)) return false;
    if (request_.url.scheme != "https") return true;
    if (proxy_ && !open_tunnel(deadline)) return false;
    return connection_.start_tls(request_.url.host, deadline);
  }

  bool open_tunnel(TimePoint deadline) {
    const std::string host = request_.url.host_is_ipv6 ? "[" + request_.url.host + "]" : request_.url.host;
    const std::string target = fmt::format("{}:{}", host, request_.url.port);
    std::string text = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target);
    if (!proxy_->userinfo.empty()) text += "Proxy-Authorization: " + basic_credentials(*proxy_) + "\r\n";
    if (!connection_.write(text + "\r\n", deadline)) return false;
    Parser parser;
    parser.skip(true);  // a tunnel's answer has no body
    prepare(parser);
    if (!feed_head(parser, deadline)) return false;
    const int status = static_cast<int>(parser.get().result_int());
    used_ = filled_ = 0;
    if (status / 100 == 2) return true;
    return fail_with(NetFailure::kUnreachable,
                     fmt::format("the proxy {} refused with HTTP status {}", proxy_->authority(), status));
  }

  bool send_request() {
    const Url& url = request_.url;
    const bool forward = proxy_ && url.scheme == "http";
    std::string text = fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\n", request_.method,
                                   forward ? "http://" + url.authority() : "", url.target, url.authority());
    text += "User-Agent: openautoglm\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n";
    if (!url.userinfo.empty()) text += "Authorization: " + basic_credentials(url) + "\r\n";
    if (forward && !proxy_->userinfo.empty())
      text += "Proxy-Authorization: " + basic_credentials(*proxy_) + "\r\n";
    for (const auto& [name, value] : request_.headers) text += name + ": " + value + "\r\n";
    if (!request_.body.empty()) text += fmt::format("Content-Length: {}\r\n", request_.body.size());
    return connection_.write(text + "\r\n" + request_.body, stall_deadline());
  }

  static void prepare(Parser& parser) {
    parser.header_limit(kHeaderLimitBytes);
    parser.body_limit(boost::none);
  }

  // Reads from the connection when nothing is left; false at the end of the stream or on failure.
  bool refill(TimePoint deadline) {
    // A head that is not complete yet stays in front; the parser asks for all of it again.
    if (used_ > 0) {
      std::copy(input_.begin() + static_cast<std::ptrdiff_t>(used_),
                input_.begin() + static_cast<std::ptrdiff_t>(filled_), input_.begin());
      filled_ -= used_;
      used_ = 0;
    }
    if (filled_ == input_.size()) return fail_with(NetFailure::kMalformed, "the answer's head is too long");
    const std::ptrdiff_t got = connection_.read_some(std::span(input_).subspan(filled_), deadline);
    if (got <= 0) return false;
    filled_ += static_cast<size_t>(got);
    return true;
  }

  size_t put(Parser& parser, error_code& error) {
    const size_t eaten = parser.put(boost::asio::buffer(input_.data() + used_, filled_ - used_), error);
    used_ += eaten;
    return eaten;
  }

  bool feed_head(Parser& parser, TimePoint deadline) {
    while (!parser.is_header_done()) {
      error_code error = http::error::need_more;
      if (used_ < filled_) put(parser, error);
      if (parser.is_header_done()) return true;
      if (error && error != http::error::need_more) {
        return fail_with(NetFailure::kMalformed, "the answer is not HTTP: " + error.message());
      }
      if (!refill(deadline)) {
        if (connection_.failure() != NetFailure::kNone || result_.failure != NetFailure::kNone) return false;
        return fail_with(NetFailure::kDropped, "the peer closed the connection before it answered");
      }
    }
    return true;
  }

  bool read_head(TimePoint deadline) {
    for (int i = 0; i < kMaxInterimAnswers; ++i) {
      parser_.emplace();
      prepare(*parser_);
      if (!feed_head(*parser_, deadline)) return false;
      if (parser_->get().result_int() / 100 != 1) break;
    }
    const auto& message = parser_->get();
    HttpHead& head = result_.head;
    head.status = static_cast<int>(message.result_int());
    const auto field = [&](http::field name) {
      const auto value = message[name];
      return std::string(value.data(), value.size());
    };
    head.location = field(http::field::location);
    head.etag = field(http::field::etag);
    head.content_range = field(http::field::content_range);
    head.content_encoding = field(http::field::content_encoding);
    head.retry_after = field(http::field::retry_after);
    const auto [first_link, last_link] = message.equal_range(http::field::link);
    for (auto link = first_link; link != last_link; ++link) {
      if (!head.link.empty()) head.link += ", ";
      head.link.append(link->value().data(), link->value().size());
    }
    const auto hub_error = message["X-Error-Code"];
    head.error_code.assign(hub_error.data(), hub_error.size());
    if (parser_->content_length()) head.content_length = *parser_->content_length();
    return true;
  }

  bool read_body() {
    while (!parser_->is_done()) {
      auto& body = parser_->get().body();
      body.data = output_.data();
      body.size = output_.size();
      body.more = true;
      error_code error = http::error::need_more;
      if (used_ < filled_) put(*parser_, error);
      deliver(output_.size() - body.size);
      if (parser_->is_done()) return true;
      if (error == http::error::need_buffer || !error) continue;
      if (error != http::error::need_more) {
        return fail_with(NetFailure::kMalformed, "the answer's body is malformed: " + error.message());
      }
      if (refill(stall_deadline())) continue;
      if (connection_.failure() != NetFailure::kNone || result_.failure != NetFailure::kNone) return false;
      error = {};
      parser_->put_eof(error);
      if (!error && parser_->is_done()) return true;
      return fail_with(NetFailure::kDropped, "the peer closed the connection in the middle of the body");
    }
    return true;
  }

  void deliver(size_t size) {
    if (size > 0) on_body_(std::as_bytes(std::span(output_).first(size)));
  }

  const HttpCall& request_;
  const std::function<bool(const HttpHead&)>& on_head_;
  const std::function<void(std::span<const std::byte>)>& on_body_;
  std::optional<Url> proxy_;
  Connection connection_;
  std::optional<Parser> parser_;
  std::vector<char> input_;   // bytes [used_, filled_) came in and were not parsed yet
  std::vector<char> output_;  // one piece of the body
  size_t used_ = 0;
  size_t filled_ = 0;
  HttpCallResult result_;
};

}  // namespace

HttpCallResult http_call(const HttpCall& request, const std::function<bool(const HttpHead&)>& on_head,
                         const std::function<void(std::span<const std::byte>)>& on_body) {
  return Exchange(request, on_head, on_body).run();
}

}  // namespace oag
