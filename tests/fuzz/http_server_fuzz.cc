// The HTTP edge: what a client sends, cut into pieces. The requests that are read must not depend on where it
// was cut, and must keep the limits. The first byte says how large the pieces are.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "service/net/http_request_reader.h"
#include "service/net/http_response.h"

namespace {

struct Outcome {
  std::vector<oag::HttpRequest> requests;
  int status = 0;
};

oag::HttpReaderLimits small_limits() {
  oag::HttpReaderLimits limits;
  limits.max_head_bytes = 1024;
  limits.max_target_bytes = 128;
  limits.max_headers = 16;
  limits.max_body_bytes = 512;
  return limits;
}

Outcome read_in_pieces(std::string_view bytes, size_t piece) {
  using Step = oag::HttpRequestReader::Step;
  oag::HttpRequestReader reader(small_limits());
  Outcome outcome;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    reader.feed(bytes.substr(at, piece));
    for (Step step = reader.advance(); step != Step::kNeedMore; step = reader.advance()) {
      if (step == Step::kRequest) outcome.requests.push_back(reader.take());
      if (step == Step::kProblem) {
        outcome.status = reader.problem().status;
        return outcome;
      }
    }
  }
  return outcome;
}

void check(bool good) {
  if (!good) __builtin_trap();
}

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

void check_request(const oag::HttpRequest& request) {
  const oag::HttpReaderLimits limits = small_limits();
  check(!request.method.empty() && is_clean(request.method));
  check(request.path.starts_with('/') || (request.path == "*" && request.method == "OPTIONS"));
  check(request.path.size() + request.query.size() <= limits.max_target_bytes + 1);
  check(request.body.size() <= limits.max_body_bytes);
  check(request.headers.size() <= limits.max_headers);
  for (const auto& [name, value] : request.headers) check(!name.empty() && is_clean(name) && is_clean(value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = read_in_pieces(bytes, size);
  const Outcome pieces = read_in_pieces(bytes, 1 + data[0] % 64);
  check(whole.status == pieces.status && whole.requests.size() == pieces.requests.size());
  for (size_t i = 0; i < whole.requests.size(); ++i) {
    check_request(whole.requests[i]);
    check(whole.requests[i].path == pieces.requests[i].path &&
          whole.requests[i].body == pieces.requests[i].body &&
          whole.requests[i].headers == pieces.requests[i].headers);
  }
  // Whatever is sent back as a header stays within it.
  std::string head;
  oag::append_response_head(head, {}, {{"X-Id", std::string(bytes)}});
  check(head.find("\r\n\r\n") == head.size() - 4);
  return 0;
}
