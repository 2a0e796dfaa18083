#include "service/net/download.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "base/clock.h"
#include "base/disk_space.h"
#include "base/error.h"
#include "base/file.h"
#include "service/net/http_get.h"
#include "service/net/sha256.h"

namespace oag {
namespace {

constexpr uint64_t kProgressBytes = uint64_t{1} << 20;
constexpr auto kLongestRetryDelay = std::chrono::milliseconds(30'000);
constexpr auto kPollInterval = std::chrono::milliseconds(50);

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_transient(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

bool is_transient(NetFailure failure) {
  return failure == NetFailure::kUnreachable || failure == NetFailure::kTimedOut ||
         failure == NetFailure::kDropped;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct ContentRange {
  uint64_t begin = 0;
  uint64_t total = 0;
};

// "bytes 100-199/200" (RFC 9110 §14.4), only in the form that reaches to the end of the file.
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto begin = parse_number(text.substr(0, dash));
  const auto last = parse_number(text.substr(dash + 1, slash - dash - 1));
  const auto total = parse_number(text.substr(slash + 1));
  if (!begin || !last || !total || *begin > *last || *last >= *total || *last + 1 != *total)
    return std::nullopt;
  return ContentRange{*begin, *total};
}

// One download with all its attempts.
class Transfer {
 public:
  explicit Transfer(const DownloadRequest& request)
      : request_(request), origin_(parse_url(request.url)), where_(origin_.redacted()) {
    if (!request.sha256.empty() && !is_sha256_hex(request.sha256)) {
      fail(ErrorCode::kInvalidArgument, where_, "the expected SHA-256 is not 64 lower-case hex digits");
    }
  }

  DownloadResult run() {
    const TimePoint begin = Clock::now();
    int failures = 0;
    uint64_t furthest_bytes = 0;
    while (!attempt()) {
      if (high_water_bytes_ >= furthest_bytes + kProgressBytes) failures = 0;
      furthest_bytes = std::max(furthest_bytes, high_water_bytes_);
      if (++failures >= request_.max_attempts) give_up(failures);
      wait_before_retry(failures);
    }
    return {file_->size_bytes(), sha256_, elapsed_ms(begin) / 1000.0};
  }

 private:
  // Follows redirects to the file and takes its body. False: worth another attempt; the reason is in last_.
  bool attempt() {
    Url url = origin_;
    for (int hop = 0; hop <= request_.max_redirects; ++hop) {
      check_scheme(url);
      const HttpGetResult result = get(url);
      last_ = result;
      if (result.failure != NetFailure::kNone) return on_failure(result);
      const int status = result.head.status;
      if (status == 200 || status == 206) {
        if (retry_from_start_) return restart();
        return finish();
      }
      if (!is_redirect(status)) return on_status(status);
      if (result.head.location.empty()) {
        fail(ErrorCode::kNetwork, where_, "redirects (HTTP status {}) without saying where to", status);
      }
      url = resolve_redirect(url, result.head.location);
    }
    fail(ErrorCode::kNetwork, where_, "redirects more than {} times; the address probably leads in a circle",
         request_.max_redirects);
  }

  void check_scheme(const Url& url) const {
    if (url.scheme == "https") return;
    if (origin_.scheme == "https") {
      fail(ErrorCode::kNetwork, where_, "redirects from https to plain http ({}), which is refused",
           url.authority());
    }
    if (url.is_loopback() || !request_.sha256.empty()) return;
    fail(ErrorCode::kInvalidArgument, where_,
         "plain http from another machine can be altered on its way; use https, or fetch the file by hand");
  }

  HttpGetResult get(const Url& url) {
    HttpGetRequest get_request{.url = url,
                               .headers = {},
                               .connect_timeout = request_.connect_timeout,
                               .stall_timeout = request_.stall_timeout,
                               .cancel = request_.cancel};
    asked_from_ = file_ && !etag_.empty() ? file_->size_bytes() : 0;
    if (asked_from_ > 0) {
      get_request.headers = {{"Range", fmt::format("bytes={}-", asked_from_)}, {"If-Range", etag_}};
    }
    return http_get(
        get_request, [this](const HttpHead& head) { return begin_body(head); },
        [this](std::span<const std::byte> piece) { take(piece); });
  }

  // Prepares for the body, whole (200) or from where we stood (206). False: the body is not wanted.
  bool begin_body(const HttpHead& head) {
    retry_from_start_ = false;
    if (head.status != 200 && head.status != 206) return false;
    if (!head.content_encoding.empty() && head.content_encoding != "identity") {
      fail(ErrorCode::kNetwork, where_, "the server sends the file encoded as '{}', which was not asked for",
           printable(head.content_encoding));
    }
    if (head.status == 206) {
      const auto range = parse_content_range(head.content_range);
      const bool fits = asked_from_ > 0 && range && range->begin == asked_from_ && head.etag == etag_ &&
                        (total_bytes_ == 0 || range->total == total_bytes_);
      retry_from_start_ = !fits;
      if (fits) total_bytes_ = range->total;
      resumed_ = resumed_ || fits;
      return fits;
    }
    start_over();
    total_bytes_ = head.content_length.value_or(0);
    // A weak ETag promises equal meaning, not equal bytes.
    etag_ = head.etag.starts_with('"') ? head.etag : "";
    check_announced_size(head.content_length);
    file_.emplace(request_.destination);
    return true;
  }

  void check_announced_size(std::optional<uint64_t> announced) const {
    if (!announced) return;
    if (request_.expected_bytes && *announced != *request_.expected_bytes) {
      fail(ErrorCode::kCorruptData, where_,
           "the server announces {} bytes, expected {}; it holds another file", *announced,
           *request_.expected_bytes);
    }
    check_limit(*announced);
    require_disk_space(folder(), *announced);
  }

  void check_limit(uint64_t size_bytes) const {
    const uint64_t limit = request_.expected_bytes.value_or(request_.max_bytes);
    if (size_bytes <= limit) return;
    fail(ErrorCode::kCorruptData, where_, "the file is larger than the {} bytes that were {}", limit,
         request_.expected_bytes ? "expected" : "allowed");
  }

  std::filesystem::path folder() const {
    const auto parent = request_.destination.parent_path();
    return parent.empty() ? std::filesystem::path(".") : parent;
  }

  void take(std::span<const std::byte> piece) {
    check_limit(file_->size_bytes() + piece.size());
    file_->write(piece);
    hash_.update(piece);
    high_water_bytes_ = std::max(high_water_bytes_, file_->size_bytes());
    if (request_.on_progress) request_.on_progress(file_->size_bytes(), total_bytes_);
  }

  void start_over() {
    file_.reset();
    hash_ = Sha256();
    etag_.clear();
    total_bytes_ = 0;
  }

  bool restart() {
    start_over();
    return false;
  }

  bool finish() {
    const uint64_t size_bytes = file_->size_bytes();
    if (total_bytes_ != 0 && size_bytes != total_bytes_) return restart();
    if (request_.expected_bytes && size_bytes != *request_.expected_bytes) {
      fail(ErrorCode::kCorruptData, where_, "sent {} bytes, expected {}; the server holds another file",
           size_bytes, *request_.expected_bytes);
    }
    sha256_ = hash_.finish();
    if (!request_.sha256.empty() && sha256_ != request_.sha256) {
      // Two halves may come from two versions of the file behind one careless ETag.
      if (resumed_) {
        resumed_ = false;
        return restart();
      }
      fail(ErrorCode::kCorruptData, where_,
           "the file's SHA-256 is {}, expected {}; it was altered or replaced", sha256_, request_.sha256);
    }
    file_->commit();
    return true;
  }

  bool on_failure(const HttpGetResult& result) {
    if (result.failure == NetFailure::kCancelled) fail_cancelled();
    if (!is_transient(result.failure)) give_up(1);
    // Without an ETag nobody can tell whether the rest still belongs to what we have.
    if (etag_.empty()) start_over();
    return false;
  }

  bool on_status(int status) {
    if (status == 416) return restart();
    if (is_transient(status)) return false;
    if (status == 401 || status == 403 || status == 407) {
      fail(ErrorCode::kNetwork, where_,
           "the server refuses access (HTTP status {}); check the credentials and whether "
           "the address has expired",
           status);
    }
    if (status == 404 || status == 410) {
      fail(ErrorCode::kNotFound, where_,
           "there is no such file on the server (HTTP status {}); check the address", status);
    }
    fail(ErrorCode::kNetwork, where_, "answers with HTTP status {}, expected 200; check the address", status);
  }

  [[noreturn]] void fail_cancelled() const {
    fail(ErrorCode::kCancelled, where_, "stopped on request; nothing was kept");
  }

  [[noreturn]] void give_up(int attempts) const {
    const std::string tries = attempts > 1 ? fmt::format(" (tried {} times)", attempts) : "";
    switch (last_.failure) {
      case NetFailure::kNone:
        fail(ErrorCode::kNetwork, where_, "the server keeps failing with HTTP status {}{}; try again later",
             last_.head.status, tries);
      case NetFailure::kUnresolved:
        fail(ErrorCode::kNetwork, where_, "{}; check the spelling of '{}' and the network connection",
             last_.detail, origin_.host);
      case NetFailure::kUnreachable:
        fail(ErrorCode::kNetwork, where_,
             "cannot be reached: {}{}; check the network connection and any proxy", last_.detail, tries);
      case NetFailure::kTimedOut:
        fail(ErrorCode::kNetwork, where_, "{}{}; the network or the server is stuck, try again later",
             last_.detail, tries);
      case NetFailure::kUntrusted:
        fail(ErrorCode::kNetwork, where_,
             "its certificate is not trusted: {}; if that is right for your network, name its CA file in "
             "SSL_CERT_FILE",
             last_.detail);
      case NetFailure::kDropped:
        fail(ErrorCode::kNetwork, where_, "{}{}; try again later", last_.detail, tries);
      default: fail(ErrorCode::kNetwork, where_, "{}; is this the right address?", last_.detail);
    }
  }

  void wait_before_retry(int failures) const {
    auto delay = request_.retry_delay * (1 << std::min(failures - 1, 10));
    if (last_.failure == NetFailure::kNone) {
      const auto seconds = parse_number(last_.head.retry_after).value_or(0);
      delay = std::max(delay, std::chrono::milliseconds(1000 * std::min<uint64_t>(seconds, 30)));
    }
    const TimePoint end = Clock::now() + std::min(delay, kLongestRetryDelay);
    while (Clock::now() < end) {
      if (request_.cancel != nullptr && request_.cancel->load()) fail_cancelled();
      std::this_thread::sleep_for(std::min<Clock::duration>(kPollInterval, end - Clock::now()));
    }
  }

  static std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, 40)) out += c > 0x20 && c < 0x7f ? c : '?';
    return out;
  }

  const DownloadRequest& request_;
  const Url origin_;
  const std::string where_;  // the address without secrets

  std::optional<AtomicFile> file_;  // what came so far
  Sha256 hash_;                     // of the same bytes
  std::string etag_;                // strong, of the same bytes; empty when they cannot be resumed
  uint64_t total_bytes_ = 0;        // as announced; 0 when unknown
  uint64_t high_water_bytes_ = 0;
  uint64_t asked_from_ = 0;        // first byte that the request in flight asks for
  bool resumed_ = false;           // the bytes come from more than one answer
  bool retry_from_start_ = false;  // a partial answer did not fit what we have
  std::string sha256_;
  HttpGetResult last_;
};

}  // namespace

DownloadResult download(const DownloadRequest& request) {
  return Transfer(request).run();
}

}  // namespace oag
