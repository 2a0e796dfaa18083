#include "service/net/download.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "service/net/git_blob_hash.h"
#include "service/net/http_call.h"
#include "service/net/sha256.h"
#include "service/net/transfer_sink.h"

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

// The checksums of the bytes that came so far.
class Checksums {
 public:
  explicit Checksums(const DownloadRequest& request) : request_(&request) {
    if (!request.git_blob_id.empty()) git_.emplace(*request.expected_bytes);
  }

  void update(std::span<const std::byte> piece) {
    sha256_.update(piece);
    if (git_) git_->update(piece);
  }

  // What is wrong with the bytes, "" when nothing is.
  std::string complaint() {
    digest_ = sha256_.finish();
    if (!request_->sha256.empty() && digest_ != request_->sha256) {
      return fmt::format("SHA-256 is {}, expected {}", digest_, request_->sha256);
    }
    const std::string id = git_ ? git_->finish() : "";
    if (id != request_->git_blob_id) {
      return fmt::format("git blob id is {}, expected {}", id, request_->git_blob_id);
    }
    return "";
  }

  const std::string& sha256() const { return digest_; }

 private:
  const DownloadRequest* request_;
  Sha256 sha256_;
  std::optional<GitBlobHash> git_;
  std::string digest_;
};

// One download with all its attempts.
class Transfer {
 public:
  Transfer(const DownloadRequest& request, TransferSink& sink)
      : request_(request),
        origin_(parse_url(request.url)),
        where_(origin_.redacted()),
        sink_(sink),
        checksums_(checked(request)) {}

  DownloadResult run() {
    const TimePoint begin = Clock::now();
    if (take_up()) return {sink_.size_bytes(), checksums_.sha256(), elapsed_ms(begin) / 1000.0};
    int failures = 0;
    uint64_t furthest_bytes = 0;
    while (!attempt()) {
      if (high_water_bytes_ >= furthest_bytes + kProgressBytes) failures = 0;
      furthest_bytes = std::max(furthest_bytes, high_water_bytes_);
      if (++failures >= request_.max_attempts) give_up(failures);
      wait_before_retry(failures);
    }
    return {sink_.size_bytes(), checksums_.sha256(), elapsed_ms(begin) / 1000.0};
  }

  const std::string& link() const { return last_.head.link; }

 private:
  const DownloadRequest& checked(const DownloadRequest& request) const {
    if (!request.sha256.empty() && !is_sha256_hex(request.sha256)) {
      fail(ErrorCode::kInvalidArgument, where_, "the expected SHA-256 is not 64 lower-case hex digits");
    }
    if (!request.git_blob_id.empty() && (!is_git_id(request.git_blob_id) || !request.expected_bytes)) {
      fail(ErrorCode::kInvalidArgument, where_,
           "the expected git blob id is not 40 lower-case hex digits with a size");
    }
    return request;
  }

  bool has_checksum() const { return !request_.sha256.empty() || !request_.git_blob_id.empty(); }

  // Whether the bytes that are here may be continued: the server's ETag says that the file is the same, or a
  // checksum will tell.
  bool can_resume() const { return !etag_.empty() || (!request_.partial.empty() && has_checksum()); }

  // Goes on from what an earlier download left. True when that was the whole file.
  bool take_up() {
    if (request_.partial.empty() || !has_checksum()) return false;
    sink_.take_up([this](std::span<const std::byte> piece) {
      if (request_.cancel != nullptr && request_.cancel->load()) fail_cancelled();
      checksums_.update(piece);
      if (request_.on_progress) {
        request_.on_progress(sink_.size_bytes(), request_.expected_bytes.value_or(0));
      }
    });
    high_water_bytes_ = sink_.size_bytes();
    if (high_water_bytes_ == 0) return false;
    resumed_ = true;
    if (!request_.expected_bytes || high_water_bytes_ < *request_.expected_bytes) return false;
    if (high_water_bytes_ == *request_.expected_bytes && checksums_.complaint().empty()) {
      sink_.commit();
      return true;
    }
    start_over();
    high_water_bytes_ = 0;
    return false;
  }

  // Follows redirects to the file and takes its body. False: worth another attempt; the reason is in last_.
  bool attempt() {
    Url url = origin_;
    at_origin_ = true;
    for (int hop = 0; hop <= request_.max_redirects; ++hop) {
      check_scheme(url);
      const HttpCallResult result = get(url);
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
      at_origin_ = at_origin_ && url.same_origin(origin_);
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
    if (url.is_loopback() || has_checksum() || request_.plain_http) return;
    fail(ErrorCode::kInvalidArgument, where_,
         "plain http from another machine can be altered on its way; use https, or fetch the file by hand");
  }

  HttpCallResult get(const Url& url) {
    HttpCall call{.url = url,
                  .connect_timeout = request_.connect_timeout,
                  .stall_timeout = request_.stall_timeout,
                  .cancel = request_.cancel};
    if (at_origin_) call.headers = request_.origin_headers;
    asked_from_ = can_resume() ? sink_.size_bytes() : 0;
    if (asked_from_ > 0) {
      call.headers.emplace_back("Range", fmt::format("bytes={}-", asked_from_));
      if (!etag_.empty()) call.headers.emplace_back("If-Range", etag_);
    }
    return http_call(
        call, [this](const HttpHead& head) { return begin_body(head); },
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
      const bool fits = asked_from_ > 0 && range && range->begin == asked_from_ &&
                        (etag_.empty() || head.etag == etag_) &&
                        (total_bytes_ == 0 || range->total == total_bytes_);
      retry_from_start_ = !fits;
      if (fits) {
        check_announced_size(range->total);
        total_bytes_ = range->total;
        etag_ = strong(head.etag);
      }
      resumed_ = resumed_ || fits;
      return fits;
    }
    start_over();
    total_bytes_ = head.content_length.value_or(0);
    etag_ = strong(head.etag);
    check_announced_size(head.content_length);
    sink_.start(head.content_length);
    return true;
  }

  // A weak ETag promises equal meaning, not equal bytes.
  static std::string strong(const std::string& etag) { return etag.starts_with('"') ? etag : ""; }

  void check_announced_size(std::optional<uint64_t> announced) {
    if (!announced) return;
    if (request_.expected_bytes && *announced != *request_.expected_bytes) {
      fail(ErrorCode::kCorruptData, where_,
           "the server announces {} bytes, expected {}; it holds another file", *announced,
           *request_.expected_bytes);
    }
    check_limit(*announced);
  }

  void check_limit(uint64_t size_bytes) {
    const uint64_t limit = request_.expected_bytes.value_or(request_.max_bytes);
    if (size_bytes <= limit) return;
    sink_.drop();
    fail(ErrorCode::kCorruptData, where_, "the file is larger than the {} bytes that were {}", limit,
         request_.expected_bytes ? "expected" : "allowed");
  }

  void take(std::span<const std::byte> piece) {
    check_limit(sink_.size_bytes() + piece.size());
    sink_.write(piece);
    checksums_.update(piece);
    high_water_bytes_ = std::max(high_water_bytes_, sink_.size_bytes());
    if (request_.on_progress) request_.on_progress(sink_.size_bytes(), total_bytes_);
  }

  void start_over() {
    sink_.drop();
    checksums_ = Checksums(request_);
    etag_.clear();
    total_bytes_ = 0;
  }

  bool restart() {
    start_over();
    return false;
  }

  bool finish() {
    const uint64_t size_bytes = sink_.size_bytes();
    if (total_bytes_ != 0 && size_bytes != total_bytes_) return restart();
    if (request_.expected_bytes && size_bytes != *request_.expected_bytes) {
      sink_.drop();
      fail(ErrorCode::kCorruptData, where_, "sent {} bytes, expected {}; the server holds another file",
           size_bytes, *request_.expected_bytes);
    }
    if (const std::string complaint = checksums_.complaint(); !complaint.empty()) {
      // Two halves may come from two versions of the file behind one careless ETag.
      if (std::exchange(resumed_, false)) return restart();
      sink_.drop();
      fail(ErrorCode::kCorruptData, where_, "the file's {}; it was altered or replaced", complaint);
    }
    sink_.commit();
    return true;
  }

  bool on_failure(const HttpCallResult& result) {
    if (result.failure == NetFailure::kCancelled) fail_cancelled();
    if (!is_transient(result.failure)) give_up(1);
    // Without an ETag nobody can tell whether the rest still belongs to what we have.
    if (!can_resume()) start_over();
    return false;
  }

  bool on_status(int status) {
    if (status == 416) return restart();
    if (is_transient(status)) return false;
    if (request_.on_refusal) request_.on_refusal(last_.head, at_origin_);
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
    fail(ErrorCode::kCancelled, where_, "stopped on request; {}",
         request_.partial.empty() ? "nothing was kept"
                                  : "what came is kept, and the same command goes on from there");
  }

  [[noreturn]] void give_up(int attempts) const {
    if (last_.failure == NetFailure::kNone && request_.on_refusal)
      request_.on_refusal(last_.head, at_origin_);
    const std::string tries = attempts > 1 ? fmt::format(" (tried {} times)", attempts) : "";
    switch (last_.failure) {
      case NetFailure::kNone:
        if (last_.head.status == 206) {
          fail(
              ErrorCode::kNetwork, where_,
              "the server sends another part of the file than was asked for (Content-Range '{}', wanted from "
              "byte {}){}; try again later or from another address",
              printable(last_.head.content_range), asked_from_, tries);
        }
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

  TransferSink& sink_;        // what came so far
  Checksums checksums_;       // of the same bytes
  std::string etag_;          // strong, of the same bytes; empty when the server gave none
  uint64_t total_bytes_ = 0;  // as announced; 0 when unknown
  uint64_t high_water_bytes_ = 0;
  uint64_t asked_from_ = 0;        // first byte that the request in flight asks for
  bool resumed_ = false;           // the bytes come from more than one answer
  bool retry_from_start_ = false;  // a partial answer did not fit what we have
  HttpCallResult last_;
  bool at_origin_ = true;  // no redirect led elsewhere yet
};

}  // namespace

DownloadResult download(const DownloadRequest& request) {
  std::unique_ptr<TransferSink> sink;
  if (request.partial.empty()) {
    sink = std::make_unique<AtomicFileSink>(request.destination);
  } else {
    sink = std::make_unique<PartialFileSink>(request.partial, request.destination);
  }
  return Transfer(request, *sink).run();
}

FetchedText fetch_text(const DownloadRequest& request) {
  TextSink sink;
  Transfer transfer(request, sink);
  transfer.run();
  return {std::move(sink.text()), transfer.link()};
}

}  // namespace oag
