#include "service/hub/pypi_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "service/hub/child_process.h"
#include "service/net/sha256.h"
#include "service/net/url.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShownBytes = 300;  // of pip's own message

// How much of the wheel is here: pip collects it somewhere below the folder and copies it at the end.
uint64_t largest_file_bytes(const fs::path& folder) {
  uint64_t largest = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code vanished;
    const bool regular = it->is_regular_file(vanished);
    const auto size = regular ? it->file_size(vanished) : 0;
    if (!vanished) largest = std::max<uint64_t>(largest, size);
  }
  return largest;
}

// A part of pip's output that tells what went wrong, and what the user should do about it. The first that
// matches counts; the wording is that of pip 23 and of the Python and urllib3 errors that it prints.
struct Diagnosis {
  std::string_view sign;
  ErrorCode code;
  std::string_view advice;
};

constexpr std::string_view kInstallPip =
    "python3 has no pip; install it (on Debian: apt-get install python3-pip)";
constexpr std::string_view kFreeDisk = "the disk is full; free some space";
constexpr std::string_view kSetCertificate =
    "the package index's certificate is not trusted; name your CA file in PIP_CERT";
constexpr std::string_view kCheckNetwork =
    "the package index cannot be reached; check the network and pip's proxy settings";
constexpr std::string_view kCheckIndex =
    "the package index could not be read; check the network and pip's index, proxy and certificate settings";
constexpr std::string_view kNoRelease =
    "the package index does not offer this release; check pip's index settings";

constexpr Diagnosis kDiagnoses[] = {
    {"No module named pip", ErrorCode::kNotFound, kInstallPip},
    {"No space left on device", ErrorCode::kIo, kFreeDisk},
    {"CERTIFICATE_VERIFY_FAILED", ErrorCode::kNetwork, kSetCertificate},
    {"certificate verify failed", ErrorCode::kNetwork, kSetCertificate},
    {"confirming the ssl certificate", ErrorCode::kNetwork, kSetCertificate},
    {"TLS CA certificate bundle", ErrorCode::kNetwork, kSetCertificate},
    {"ProxyError", ErrorCode::kNetwork, kCheckNetwork},
    {"NewConnectionError", ErrorCode::kNetwork, kCheckNetwork},
    {"NameResolutionError", ErrorCode::kNetwork, kCheckNetwork},
    {"ConnectTimeout", ErrorCode::kNetwork, kCheckNetwork},
    {"Read timed out", ErrorCode::kNetwork, kCheckNetwork},
    {"ReadTimeoutError", ErrorCode::kNetwork, kCheckNetwork},
    {"Connection aborted", ErrorCode::kNetwork, kCheckNetwork},
    {"Connection broken", ErrorCode::kNetwork, kCheckNetwork},
    {"Max retries exceeded", ErrorCode::kNetwork, kCheckNetwork},
    {"(from versions: none)", ErrorCode::kNetwork, kCheckIndex},
    {"Could not find a version", ErrorCode::kNotFound, kNoRelease},
    {"No matching distribution", ErrorCode::kNotFound, kNoRelease},
};

// One line of pip's output, fit for a message.
std::string shown(std::string_view line) {
  std::string out = redact_urls(line);
  if (out.size() > kShownBytes) {
    size_t cut = kShownBytes;
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xc0) == 0x80)
      --cut;  // never inside a character
    out.resize(cut);
    out += "…";
  }
  for (char& c : out) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return out;
}

std::string line_around(std::string_view output, size_t at) {
  const size_t begin = at == 0 ? 0 : output.rfind('\n', at - 1) + 1;  // npos + 1 is 0
  return shown(output.substr(begin, std::min(output.find('\n', at), output.size()) - begin));
}

std::string last_line(std::string_view output) {
  const size_t last = output.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? "no message" : line_around(output, last);
}

[[noreturn]] void explain_failure(const std::string& where, const ChildResult& result) {
  for (const Diagnosis& diagnosis : kDiagnoses) {
    const size_t at = result.output.find(diagnosis.sign);
    if (at == std::string::npos) continue;
    fail(diagnosis.code, where, "{} (pip: {})", diagnosis.advice, line_around(result.output, at));
  }
  fail(ErrorCode::kNetwork, where, "pip ended with {} {}: {}",
       result.end == ChildResult::End::kSignalled ? "signal" : "status", result.code,
       last_line(result.output));
}

void check_end(const std::string& where, const ChildResult& result) {
  using End = ChildResult::End;
  switch (result.end) {
    case End::kNotStarted:
      if (result.code == ENOENT) {
        fail(ErrorCode::kNotFound, where,
             "python3 was not found; install python3 and pip (on Debian: apt-get install "
             "python3-pip)");
      }
      fail(ErrorCode::kIo, where, "python3 cannot be started: {}", std::strerror(result.code));
    case End::kCancelled: fail(ErrorCode::kCancelled, where, "stopped on request; nothing was kept");
    case End::kIdle:
      fail(ErrorCode::kNetwork, where,
           "pip got no further for a long time and was ended; try again later (pip: {})",
           last_line(result.output));
    default:
      if (result.end != End::kExited || result.code != 0) explain_failure(where, result);
  }
}

fs::path find_wheel(const fs::path& folder, const std::string& where) {
  fs::path wheel;
  size_t count = 0;
  std::error_code error, ignored;
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() != ".whl" || !entry->is_regular_file(ignored)) continue;
    wheel = entry->path();
    ++count;
  }
  if (error) fail(ErrorCode::kIo, folder.string(), "cannot read the folder: {}", error.message());
  if (count != 1) fail(ErrorCode::kCorruptData, where, "pip left {} wheels, expected 1", count);
  return wheel;
}

}  // namespace

std::filesystem::path fetch_pypi_wheel(const PypiRequest& request) {
  const PypiWheelSource& source = request.source;
  const std::string release = source.package + "==" + source.version;
  const std::string where = "PyPI " + release;
  ChildRequest child;
  child.arguments = {"python3",
                     "-m",
                     "pip",
                     "download",
                     "--no-deps",
                     "--no-cache-dir",
                     "--only-binary=:all:",
                     "--disable-pip-version-check",
                     "--no-input",
                     "--progress-bar",
                     "off",
                     "-d",
                     request.folder.string(),
                     release};
  // Half-done downloads stand where they can be counted and are removed with the folder.
  child.environment = {{"TMPDIR", request.folder.string()}};
  child.idle_limit = request.idle_limit;
  child.cancel = request.cancel;
  child.on_tick = [&] {
    const uint64_t here = std::min(largest_file_bytes(request.folder), source.wheel_bytes);
    if (request.on_progress) request.on_progress(here, source.wheel_bytes);
    return here;
  };
  check_end(where, run_child(child));

  const fs::path wheel = find_wheel(request.folder, where);
  std::error_code error;
  const uint64_t size_bytes = fs::file_size(wheel, error);
  if (error) fail(ErrorCode::kIo, wheel.string(), "cannot stat: {}", error.message());
  if (size_bytes != source.wheel_bytes) {
    fail(ErrorCode::kCorruptData, where, "the wheel has {} bytes, expected {}; the index serves another file",
         size_bytes, source.wheel_bytes);
  }
  const std::string digest = sha256_file(wheel, {}, request.cancel);
  if (digest != source.wheel_sha256) {
    fail(ErrorCode::kCorruptData, where,
         "the wheel's SHA-256 is {}, expected {}; the index serves another file", digest,
         source.wheel_sha256);
  }
  if (request.on_progress) request.on_progress(source.wheel_bytes, source.wheel_bytes);
  return wheel;
}

}  // namespace oag
