#include "service/net/http_request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <utility>

#include "service/net/http_response.h"

namespace oag {
namespace {

namespace http = boost::beast::http;
using BeastText = boost::beast::string_view;
using boost::system::error_code;

constexpr size_t kMaxEmptyLines = 8;  // before a request; some clients end a body with one too many

std::string_view view_of(BeastText text) {
  return {text.data(), text.size()};
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.size() <= 19 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Beast's parser checks the grammar of start line, headers and chunks; this adds what it lets pass.
class StrictParser final : public http::basic_parser<true> {
 public:
  explicit StrictParser(const HttpReaderLimits& limits) : limits_(limits) {
    body_limit(boost::none);  // limits are checked here, so that the answer can name them
    header_limit(static_cast<uint32_t>(std::min<size_t>(limits.max_head_bytes + 4, UINT32_MAX)));
  }

  HttpRequest request;
  HttpProblem problem;
  bool expects_continue = false;

  void refuse(int status, std::string_view code, std::string message) {
    if (problem.status == 0) problem = {status, std::string(code), std::move(message)};
  }

  // What can only be said when all headers are known.
  void check_head() {
    if (request.minor_version == 1 && hosts_ != 1) {
      return refuse(400, "bad_request", "an HTTP/1.1 request has exactly one Host header");
    }
    if (lengths_ > 1 || (lengths_ == 1 && codings_ > 0)) {
      return refuse(400, "bad_request", "a request has one Content-Length or Transfer-Encoding, not both");
    }
    if (codings_ > 0 && request.minor_version == 0) {
      return refuse(400, "bad_request", "HTTP/1.0 has no Transfer-Encoding");
    }
    const auto length = content_length();
    if (length && *length > limits_.max_body_bytes) refuse_body(*length);
  }

  void split_target() {
    std::string_view target = target_;
    if (target.size() > limits_.max_target_bytes) {
      return refuse(414, "uri_too_long",
                    fmt::format("the request's target has {} bytes; at most {} are read", target.size(),
                                limits_.max_target_bytes));
    }
    if (target.starts_with("http://") || target.starts_with("https://")) {
      const size_t slash = target.find_first_of("/?", target.find("//") + 2);
      target = slash == target.npos ? std::string_view("/") : target.substr(slash);
    }
    const bool asterisk = target == "*" && request.method == "OPTIONS";
    const bool plain =
        std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
    if (!plain || (!asterisk && !target.starts_with('/') && !target.starts_with('?'))) {
      return refuse(400, "bad_request", "the request's target is not a path of printable ASCII");
    }
    const size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    if (request.path.empty()) request.path = "/";
    if (mark != target.npos) request.query = target.substr(mark + 1);
  }

 private:
  void refuse_body(uint64_t size) {
    refuse(413, "request_too_large",
           fmt::format("the request's body has {} bytes or more; at most {} are read", size,
                       limits_.max_body_bytes));
  }

  // Beast stops at an error; which one does not matter, `problem` says what is answered.
  void stop_if_refused(error_code& ec) {
    if (problem.status != 0) ec = http::error::bad_value;
  }

  void on_request_impl(http::verb, BeastText method, BeastText target, int version, error_code& ec) override {
    request.method = view_of(method);
    request.minor_version = version % 10;
    target_ = view_of(target);
    if (request.method == "CONNECT") refuse(501, "not_implemented", "this server is no proxy");
    stop_if_refused(ec);
  }

  void on_field_impl(http::field field, BeastText name, BeastText value, error_code& ec) override {
    if (is_header_done_) return;  // trailers say nothing that a request needs
    if (request.headers.size() >= limits_.max_headers) {
      refuse(431, "headers_too_large", fmt::format("more than {} headers", limits_.max_headers));
    }
    check_field(field, view_of(value));
    stop_if_refused(ec);
    if (!ec) request.headers.emplace_back(view_of(name), view_of(value));
  }

  void check_field(http::field field, std::string_view value) {
    switch (field) {
      case http::field::host: ++hosts_; break;
      case http::field::content_length:
        ++lengths_;
        if (!is_digits(value)) refuse(400, "bad_request", "Content-Length is no number");
        break;
      case http::field::transfer_encoding:
        ++codings_;
        if (!same_header_name(value, "chunked") || codings_ > 1) {
          refuse(501, "not_implemented", "the only Transfer-Encoding that is read is chunked");
        }
        break;
      case http::field::content_encoding:
        if (!same_header_name(value, "identity")) {
          refuse(415, "unsupported_content_encoding", "compressed bodies are not read: send it as it is");
        }
        break;
      case http::field::expect:
        expects_continue = same_header_name(value, "100-continue");
        if (!expects_continue) refuse(417, "expectation_failed", "the only Expect is 100-continue");
        break;
      default: break;
    }
  }

  void on_header_impl(error_code&) override { is_header_done_ = true; }

  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}

  size_t on_body_impl(BeastText bytes, error_code&) override {
    request.body += view_of(bytes);
    return bytes.size();
  }

  void on_chunk_header_impl(uint64_t size, BeastText, error_code& ec) override {
    if (size > limits_.max_body_bytes - request.body.size()) {
      refuse_body(std::max<uint64_t>(size, request.body.size()));
    }
    stop_if_refused(ec);
  }

  size_t on_chunk_body_impl(uint64_t, BeastText bytes, error_code& ec) override {
    return on_body_impl(bytes, ec);
  }

  void on_response_impl(int, BeastText, int, error_code&) override {}
  void on_finish_impl(error_code&) override {}

  const HttpReaderLimits& limits_;
  std::string target_;
  size_t hosts_ = 0, lengths_ = 0, codings_ = 0;
  bool is_header_done_ = false;
};

}  // namespace

struct HttpRequestReader::Impl {
  explicit Impl(const HttpReaderLimits& all_limits) : limits(all_limits) {}

  std::string_view rest() const { return std::string_view(buffer).substr(begin); }

  void consume(size_t count) {
    begin += count;
    if (begin == buffer.size()) {
      buffer.clear();
      begin = 0;
    } else if (begin > buffer.size() / 2) {
      buffer.erase(0, begin);
      begin = 0;
    }
  }

  Step refuse(int status, std::string_view code, std::string message) {
    problem = {status, std::string(code), std::move(message)};
    return Step::kProblem;
  }

  Step refuse_malformed(const error_code& ec) {
    if (parser->problem.status != 0) {
      problem = parser->problem;
      return Step::kProblem;
    }
    const std::string_view line = rest().substr(0, rest().find('\r'));
    if (ec == http::error::bad_version && std::count(line.begin(), line.end(), ' ') == 2) {
      return refuse(505, "http_version_not_supported", "this server speaks HTTP/1.0 and HTTP/1.1");
    }
    return refuse(400, "bad_request", fmt::format("malformed HTTP request: {}", ec.message()));
  }

  bool skip_empty_lines();
  bool find_end_of_head(size_t& size);
  Step read_head();
  Step read_body();

  const HttpReaderLimits limits;
  std::string buffer;
  size_t begin = 0;    // of what is not read yet
  size_t scanned = 0;  // bytes behind `begin` that find_end_of_head has passed
  size_t empty_lines = 0;
  bool in_body = false;
  bool complete = false;
  std::optional<StrictParser> parser;
  HttpProblem problem;
};

// False when there are too many.
bool HttpRequestReader::Impl::skip_empty_lines() {
  while (scanned == 0 && rest().starts_with("\r\n")) {
    consume(2);
    if (++empty_lines > kMaxEmptyLines) return false;
  }
  return true;
}

// Finds the empty line, and stops at what makes a head ambiguous. False when there is no end yet or a
// problem.
bool HttpRequestReader::Impl::find_end_of_head(size_t& size) {
  const std::string_view head = rest();
  const auto at = [&](size_t i) { return i < head.size() ? head[i] : '\0'; };
  for (; scanned < head.size(); ++scanned) {
    const char c = head[scanned];
    const char before = scanned > 0 ? head[scanned - 1] : '\0';
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' ? before != '\r' : before == '\r') {
      refuse(400, "bad_request", "malformed HTTP request: a line does not end with CR LF");
      return false;
    }
    if ((byte < 0x20 && c != '\r' && c != '\n' && c != '\t') || byte == 0x7f) {
      refuse(400, "bad_request", "malformed HTTP request: a control character in the head");
      return false;
    }
    if (c == '\n' && scanned >= 3 && at(scanned - 2) == '\n') {
      size = scanned + 1;
      return true;
    }
    if (before == '\n' && (c == ' ' || c == '\t')) {
      refuse(400, "bad_request", "malformed HTTP request: a folded header");
      return false;
    }
    if (scanned >= limits.max_head_bytes) {
      const bool first_line = head.substr(0, scanned).find('\n') == head.npos;
      refuse(first_line ? 414 : 431, first_line ? "uri_too_long" : "headers_too_large",
             fmt::format("the request's head has more than {} bytes", limits.max_head_bytes));
      return false;
    }
  }
  return false;
}

HttpRequestReader::Step HttpRequestReader::Impl::read_head() {
  if (!skip_empty_lines()) return refuse(400, "bad_request", "malformed HTTP request: empty lines");
  if (rest() == "\r") return Step::kNeedMore;  // half of an empty line, perhaps
  size_t size = 0;
  if (!find_end_of_head(size)) return problem.status != 0 ? Step::kProblem : Step::kNeedMore;
  parser.emplace(limits);
  error_code ec;
  parser->put({rest().data(), size}, ec);
  if (ec) return refuse_malformed(ec);
  if (!parser->is_header_done()) return refuse(400, "bad_request", "malformed HTTP request");
  parser->split_target();
  parser->check_head();
  if (parser->problem.status != 0) return refuse_malformed({});
  parser->request.keep_alive = parser->keep_alive();
  parser->eager(true);
  consume(size);
  in_body = true;
  if (parser->is_done()) return read_body();
  // A body of length 0 is complete without any further byte, which Beast notices only when it gets some.
  return parser->chunked() || parser->content_length_remaining().value_or(0) > 0 ? Step::kHead : read_body();
}

HttpRequestReader::Step HttpRequestReader::Impl::read_body() {
  while (!parser->is_done() && begin < buffer.size()) {
    error_code ec;
    const size_t used = parser->put({rest().data(), rest().size()}, ec);
    consume(used);
    if (ec == http::error::need_more) break;
    if (ec) return refuse_malformed(ec);
    if (used == 0) break;
  }
  if (parser->is_done()) {
    complete = true;
    return Step::kRequest;
  }
  if (buffer.size() - begin > limits.max_head_bytes) {
    return refuse(400, "bad_request", "malformed HTTP request: a chunk's header or the trailer is too long");
  }
  return Step::kNeedMore;
}

HttpRequestReader::HttpRequestReader(const HttpReaderLimits& limits)
    : impl_(std::make_unique<Impl>(limits)) {}
HttpRequestReader::~HttpRequestReader() = default;

void HttpRequestReader::feed(std::string_view bytes) {
  impl_->buffer += bytes;
}

HttpRequestReader::Step HttpRequestReader::advance() {
  Impl& impl = *impl_;
  if (impl.problem.status != 0) return Step::kProblem;
  if (impl.complete) return Step::kRequest;
  return impl.in_body ? impl.read_body() : impl.read_head();
}

HttpRequest HttpRequestReader::take() {
  HttpRequest request = std::move(impl_->parser->request);
  impl_->parser.reset();
  impl_->scanned = impl_->empty_lines = 0;
  impl_->in_body = impl_->complete = false;
  return request;
}

const HttpRequest& HttpRequestReader::head() const {
  return impl_->parser->request;
}

const HttpProblem& HttpRequestReader::problem() const {
  return impl_->problem;
}

bool HttpRequestReader::idle() const {
  return !impl_->in_body && impl_->rest().find_first_not_of("\r\n") == std::string_view::npos;
}

bool HttpRequestReader::awaits_continue() const {
  return impl_->in_body && impl_->parser && impl_->parser->expects_continue &&
         impl_->parser->request.minor_version >= 1 && impl_->begin == impl_->buffer.size();
}

size_t HttpRequestReader::buffered_bytes() const {
  return impl_->buffer.size() - impl_->begin;
}

size_t HttpRequestReader::body_bytes() const {
  return impl_->in_body && impl_->parser ? impl_->parser->request.body.size() : 0;
}

}  // namespace oag
