#include "service/hub/huggingface_source.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "service/net/git_blob_hash.h"
#include "service/net/sha256.h"
#include "service/net/url.h"

namespace oag {
namespace {

constexpr uint64_t kMaxAnswerBytes = uint64_t{32} << 20;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 50;
constexpr size_t kMaxFiles = 100'000;
constexpr size_t kMaxPages = 1000;
constexpr std::string_view kApi = "/api/";

// Everything but RFC 3986's unreserved characters, and '/' where it stays a separator, as %XX.
std::string percent_encode(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos || (keep_slash && c == '/');
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// A server's text, fit for a message.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 120)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return out;
}

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found != object.end() ? &*found : nullptr;
}

std::string text_of(const Json* value) {
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

HubFile read_file_entry(const Json& entry, std::string_view where) {
  HubFile file;
  file.path = text_of(member(entry, "path"));
  if (!is_safe_path(file.path)) {
    fail(ErrorCode::kCorruptData, where,
         "the hub lists a file '{}', whose path could lead out of its folder; nothing was fetched",
         shown(file.path));
  }
  const Json* lfs = member(entry, "lfs");
  file.is_lfs = lfs != nullptr && lfs->is_object();
  const Json& facts = file.is_lfs ? *lfs : entry;
  const Json* size = member(facts, "size");
  file.etag = text_of(member(facts, "oid"));
  if (std::string id = text_of(member(entry, "oid")); is_git_id(id)) file.git_id = std::move(id);
  const bool sized = size != nullptr && size->is_number_unsigned() && size->get<uint64_t>() <= kMaxFileBytes;
  if (!sized || !(file.is_lfs ? is_sha256_hex(file.etag) : is_git_id(file.etag))) {
    fail(ErrorCode::kCorruptData, where,
         "the hub gives no usable size or checksum of '{}'; is HF_ENDPOINT a model hub?", shown(file.path));
  }
  file.size_bytes = size->get<uint64_t>();
  return file;
}

// A proxy's login, or any web site that is no hub, answers with a page for people.
Json parse_answer(std::string_view text, std::string_view where) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string_view::npos && text[begin] == '<') {
    fail(ErrorCode::kCorruptData, where,
         "the answer is a web page, expected a model hub's JSON; check HF_ENDPOINT and any proxy");
  }
  return parse_json(text, where);
}

void check_unique(const std::vector<HubFile>& files, std::string_view where) {
  std::set<std::string_view> paths;
  for (const HubFile& file : files) {
    if (!paths.insert(file.path).second) {
      fail(ErrorCode::kCorruptData, where, "the hub lists '{}' twice", shown(file.path));
    }
  }
  for (const HubFile& file : files) {
    for (size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1)) {
      if (!paths.contains(std::string_view(file.path).substr(0, slash))) continue;
      fail(ErrorCode::kCorruptData, where, "the hub lists '{}' inside another file", shown(file.path));
    }
  }
}

}  // namespace

std::string parse_revision_answer(std::string_view text, std::string_view where) {
  const Json answer = parse_answer(text, where);
  std::string commit = text_of(member(answer, "sha"));
  if (!is_git_id(commit)) {
    fail(ErrorCode::kCorruptData, where, "the hub's answer names no commit; is HF_ENDPOINT a model hub?");
  }
  return commit;
}

void parse_tree_page(std::string_view text, std::string_view where, std::vector<HubFile>& files) {
  const Json page = parse_answer(text, where);
  if (!page.is_array()) {
    fail(ErrorCode::kCorruptData, where, "the hub's list of files is no array; is HF_ENDPOINT a model hub?");
  }
  for (const Json& entry : page) {
    if (text_of(member(entry, "type")) != "file") continue;
    if (files.size() == kMaxFiles) {
      fail(ErrorCode::kCorruptData, where, "the hub lists more than {} files", kMaxFiles);
    }
    files.push_back(read_file_entry(entry, where));
  }
}

std::optional<std::string> next_page(std::string_view link) {
  // <https://host/api/models/…?cursor=…>; rel="next", <…>; rel="…"   (RFC 8288)
  for (size_t open = link.find('<'); open != std::string_view::npos; open = link.find('<', open)) {
    const size_t close = link.find('>', open);
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view address = link.substr(open + 1, close - open - 1);
    const std::string_view parameters = link.substr(close, link.find('<', close) - close);
    open = close;
    const bool next = parameters.find("rel=\"next\"") != std::string_view::npos ||
                      parameters.find("rel=next") != std::string_view::npos;
    const size_t api = address.find(kApi);
    if (next && api != std::string_view::npos) return std::string(address.substr(api));
  }
  return std::nullopt;
}

HuggingFaceSource::HuggingFaceSource(const HuggingFaceSettings& settings, const HuggingFaceName& name,
                                     const std::atomic<bool>* cancel)
    : settings_(settings), name_(name), cancel_(cancel) {
  const Url endpoint = parse_url(settings.endpoint);
  sends_token_ = !settings.token.empty() && endpoint.userinfo.empty() &&
                 (endpoint.scheme == "https" || endpoint.is_loopback());
  if (!settings.token.empty() && !sends_token_) {
    log(LogLevel::kWarning, "{}: the token is not sent there: {}", endpoint.redacted(),
        endpoint.userinfo.empty() ? "others could read it on its way over plain http"
                                  : "the address has its own credentials");
  }
}

// Says what the hub's refusal means for the model. What a host behind a redirect refuses is not about the
// model.
void HuggingFaceSource::explain(const HttpHead& head) const {
  const std::string where = name_.text();
  refused_ = head.status == 401 || head.status == 403 || head.status == 404;
  if (head.error_code == "GatedRepo") {
    fail(ErrorCode::kNetwork, where,
         "is gated (HTTP status {}): accept its terms at {}/{}, then set HF_TOKEN to a token of that account",
         head.status, redact_urls(settings_.endpoint), name_.repository);
  }
  if (head.status == 404 && head.error_code == "RevisionNotFound") {
    fail(ErrorCode::kNotFound, where, "the hub has no revision '{}' of this model; check the name after @",
         name_.revision);
  }
  if (head.status == 404) {
    fail(ErrorCode::kNotFound, where, "the hub has no such model or file (HTTP status 404); check the name");
  }
  if (head.status == 401 || head.status == 403) {
    fail(ErrorCode::kNetwork, where, "{} (HTTP status {}); {}",
         sends_token_ ? "the hub refuses the token, or it has no access to this model"
                      : "there is no such model, or it is private or gated",
         head.status,
         sends_token_ ? "check HF_TOKEN and the name"
                      : "check the name, or set HF_TOKEN to a token with access");
  }
  if (head.status == 429) {
    fail(ErrorCode::kNetwork, where,
         "the hub says that too much was asked of it (HTTP status 429); try again later{}",
         sends_token_ ? "" : ", or set HF_TOKEN, which allows more");
  }
}

DownloadRequest HuggingFaceSource::request_for(const std::string& url) const {
  DownloadRequest request;
  request.url = url;
  request.plain_http = settings_.endpoint.starts_with("http:");
  if (sends_token_) request.origin_headers = {{"Authorization", "Bearer " + settings_.token}};
  request.on_refusal = [this](const HttpHead& head, bool at_origin) {
    if (at_origin) explain(head);
  };
  request.connect_timeout = settings_.connect_timeout;
  request.stall_timeout = settings_.stall_timeout;
  request.retry_delay = settings_.retry_delay;
  request.cancel = cancel_;
  request.max_bytes = kMaxAnswerBytes;
  return request;
}

HubListing HuggingFaceSource::list() {
  const std::string where = name_.text() + " at " + redact_urls(settings_.endpoint);
  const std::string model = "/api/models/" + name_.repository;
  const std::string revision = percent_encode(name_.revision, false);
  HubListing listing;
  listing.commit = parse_revision_answer(
      fetch_text(request_for(settings_.endpoint + model + "/revision/" + revision)).text, where);
  if (is_git_id(name_.revision) && listing.commit != name_.revision) {
    fail(ErrorCode::kCorruptData, where,
         "the hub answers with commit {}, another one than was asked for; nothing was fetched",
         listing.commit);
  }
  std::optional<std::string> page = model + "/tree/" + listing.commit + "?recursive=true";
  std::set<std::string> seen;
  while (page) {
    if (!seen.insert(*page).second || seen.size() > kMaxPages) {
      fail(ErrorCode::kCorruptData, where, "the hub's list of files does not end");
    }
    // The address comes from the hub, its host stays ours: a mirror may repeat the links of what it mirrors.
    const FetchedText answer = fetch_text(request_for(settings_.endpoint + *page));
    parse_tree_page(answer.text, where, listing.files);
    page = next_page(answer.link);
  }
  check_unique(listing.files, where);
  return listing;
}

void HuggingFaceSource::fetch(const FileRequest& file) const {
  DownloadRequest request =
      request_for(fmt::format("{}/{}/resolve/{}/{}", settings_.endpoint, name_.repository, file.commit,
                              percent_encode(file.file.path, true)));
  request.destination = file.destination;
  request.partial = file.partial;
  request.expected_bytes = file.file.size_bytes;
  (file.file.is_lfs ? request.sha256 : request.git_blob_id) = file.file.etag;
  request.cancel = file.cancel;
  if (file.on_progress) {
    request.on_progress = [&](uint64_t done, uint64_t) { file.on_progress(done); };
  }
  download(request);
}

}  // namespace oag
