#include "service/hub/huggingface_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "service/hub/cache_record.h"
#include "service/hub/revision_tree.h"
#include "service/net/git_blob_hash.h"
#include "service/net/sha256.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolderPrefix = "models--";
constexpr size_t kMaxRefBytes = 256;
constexpr size_t kMaxIndexBytes = size_t{64} << 20;
constexpr size_t kMaxTreeBytes = size_t{128} << 20;
constexpr size_t kMaxPlainBytes = size_t{1} << 30;  // files named by git's id are read whole
constexpr size_t kMaxListed = 100'000;

bool is_file_of(const fs::path& path, uint64_t size_bytes) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) == size_bytes && !error;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    fail(ErrorCode::kIo, folder.string(), "cannot create the folder: {}; HF_HUB_CACHE can name another",
         error.message());
  }
}

std::optional<std::string> read_ref(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  try {
    std::string commit = read_file(path, kMaxRefBytes);
    while (commit.ends_with('\n') || commit.ends_with('\r')) commit.pop_back();
    if (is_git_id(commit)) return commit;
  } catch (const Error&) {
    // What cannot be read is not here.
  }
  return std::nullopt;
}

// Relative paths of the regular files below a folder, links to files included; the content's size with each.
std::vector<HubFile> files_below(const fs::path& folder) {
  std::vector<HubFile> files;
  std::error_code error, vanished;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (files.size() == kMaxListed || it.depth() > 32) break;
    if (!it->is_regular_file(vanished)) continue;
    HubFile file;
    file.path = it->path().lexically_relative(folder).generic_string();
    file.size_bytes = it->file_size(vanished);
    if (vanished || !is_safe_path(file.path)) continue;
    std::error_code no_link;
    std::string content = fs::read_symlink(it->path(), no_link).filename().string();
    file.is_lfs = is_sha256_hex(content);
    if (file.is_lfs || is_git_id(content)) file.etag = std::move(content);
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(), [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  return files;
}

[[noreturn]] void fail_missing(std::string_view file, const std::string& where) {
  fail(ErrorCode::kNotFound, where, "is here in part, {} is missing; run: oag pull {}", file, where);
}

bool holds(const std::vector<HubFile>& files, std::string_view path) {
  return std::any_of(files.begin(), files.end(), [&](const HubFile& file) { return file.path == path; });
}

// What no folder runs without must be there, and what else the commit has is missed aloud: a pull by any tool
// may have been interrupted.
void check_companions(const std::vector<HubFile>& files, const std::optional<Selection>& whole,
                      const std::string& where) {
  if (!whole) {
    const bool has_tokenizer = std::any_of(files.begin(), files.end(), [](const HubFile& file) {
      return file.path.starts_with("tokenizer") || file.path.ends_with(".model");
    });
    if (!has_tokenizer) fail_missing("tokenizer.json", where);
    return;
  }
  std::string missing;
  for (const HubFile& file : whole->files) {
    if (holds(files, file.path)) continue;
    const bool needed = file.path == "tokenizer.json" || file.path == "config.json" ||
                        file.path.ends_with(".safetensors") || file.path.ends_with(".gguf");
    if (needed && file.path.find("mmproj") == std::string::npos) fail_missing(file.path, where);
    missing += (missing.empty() ? "" : ", ") + file.path;
  }
  if (missing.empty()) return;
  log(LogLevel::kWarning, "{} is here in part and may answer otherwise: without {}; run: oag pull {}", where,
      missing, where);
}

// The files that the index of sharded weights names must be there.
void check_shards(const fs::path& snapshot, const std::vector<HubFile>& files, const std::string& where) {
  for (const HubFile& file : files) {
    if (!file.path.ends_with(".safetensors.index.json")) continue;
    const fs::path path = snapshot / file.path;
    const Json index = parse_json(read_file(path, kMaxIndexBytes), path.string());
    const auto map = index.find("weight_map");
    if (!index.is_object() || map == index.end() || !map->is_object()) continue;
    std::set<std::string> shards;
    for (const Json& shard : *map) {
      if (shard.is_string()) shards.insert(shard.get<std::string>());
    }
    for (const std::string& shard : shards) {
      if (!holds(files, shard)) fail_missing(shard, where);
    }
  }
}

}  // namespace

fs::path HuggingFaceCache::repository_folder(std::string_view repository) const {
  std::string name(kFolderPrefix);
  for (const char c : repository) name += c == '/' ? std::string("--") : std::string(1, c);
  return folder_ / name;
}

fs::path HuggingFaceCache::blob(std::string_view repository, const HubFile& file) const {
  return repository_folder(repository) / "blobs" / file.etag;
}

fs::path HuggingFaceCache::partial(std::string_view repository, const HubFile& file) const {
  return repository_folder(repository) / "blobs" / (file.etag + ".incomplete");
}

fs::path HuggingFaceCache::lock_file(std::string_view repository, const HubFile& file) const {
  return folder_ / ".locks" / repository_folder(repository).filename() / (file.etag + ".lock");
}

fs::path HuggingFaceCache::snapshot(std::string_view repository, std::string_view commit) const {
  return repository_folder(repository) / "snapshots" / commit;
}

std::optional<std::string> HuggingFaceCache::commit_of(const HuggingFaceName& name) const {
  std::optional<std::string> commit = read_ref(repository_folder(name.repository) / "refs" / name.revision);
  if (!commit && is_git_id(name.revision)) commit = name.revision;
  std::error_code ignored;
  if (commit && fs::is_directory(snapshot(name.repository, *commit), ignored)) return commit;
  return std::nullopt;
}

std::vector<HubFile> HuggingFaceCache::files_of(std::string_view repository, std::string_view commit) const {
  return files_below(snapshot(repository, commit));
}

std::optional<std::vector<HubFile>> HuggingFaceCache::tree_of(std::string_view repository,
                                                              std::string_view commit) const {
  const fs::path path = tree_path(repository, commit);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  try {
    return parse_revision_tree(read_file(path, kMaxTreeBytes), path.string());
  } catch (const Error& error) {
    log(LogLevel::kDebug, "{}", error.what());
    return std::nullopt;
  }
}

void HuggingFaceCache::note_tree(std::string_view repository, std::string_view commit,
                                 const std::vector<HubFile>& files) const {
  try {
    const fs::path path = tree_path(repository, commit);
    make_folder(path.parent_path());
    AtomicFile file(path);
    file.write(revision_tree_text(files));
    file.commit();
  } catch (const Error& error) {
    log(LogLevel::kDebug, "{}", error.what());
  }
}

fs::path HuggingFaceCache::tree_path(std::string_view repository, std::string_view commit) const {
  return repository_folder(repository) / "trees" / (std::string(commit) + ".json");
}

fs::path HuggingFaceCache::note_path(std::string_view repository, const HubFile& file) const {
  return notes_folder(repository_folder(repository)) / (file.etag + ".json");
}

bool HuggingFaceCache::is_right(const fs::path& content, std::string_view repository, const HubFile& file,
                                const ContentWatch& watch) const {
  if (!is_file_of(content, file.size_bytes)) return false;
  if (file.etag.empty()) return true;  // a copy without a link: nothing says what it should be
  if (!file.is_lfs) {
    const std::string bytes = read_file(content, kMaxPlainBytes);
    GitBlobHash hash(bytes.size());
    hash.update(std::as_bytes(std::span(bytes)));
    return hash.finish() == file.etag;
  }
  const auto record = read_cache_record(content, note_path(repository, file));
  if (record && record->sha256 == file.etag) return true;
  if (sha256_file(content, watch.on_progress, watch.cancel) != file.etag) return false;
  note_right(content, repository, file);
  return true;
}

void HuggingFaceCache::note_right(const fs::path& content, std::string_view repository,
                                  const HubFile& file) const {
  try {
    make_folder(notes_folder(repository_folder(repository)));
    write_cache_record(content, note_path(repository, file), file.etag, "");
  } catch (const Error& error) {
    log(LogLevel::kDebug, "{}", error.what());
  }
}

void HuggingFaceCache::note_right(std::string_view repository, const HubFile& file) const {
  if (file.is_lfs) note_right(blob(repository, file), repository, file);
}

bool HuggingFaceCache::has_blob(std::string_view repository, const HubFile& file,
                                const ContentWatch& watch) const {
  return is_right(blob(repository, file), repository, file, watch);
}

bool HuggingFaceCache::has_file(std::string_view repository, std::string_view commit, const HubFile& file,
                                const ContentWatch& watch) const {
  return is_right(snapshot(repository, commit) / file.path, repository, file, watch);
}

void HuggingFaceCache::make_folders(std::string_view repository) const {
  make_folder(repository_folder(repository) / "blobs");
  make_folder(repository_folder(repository) / "refs");
  make_folder(folder_ / ".locks" / repository_folder(repository).filename());
}

void HuggingFaceCache::put_file(std::string_view repository, std::string_view commit,
                                const HubFile& file) const {
  const fs::path place = snapshot(repository, commit) / file.path;
  make_folder(place.parent_path());
  const fs::path content = blob(repository, file);
  const fs::path target = content.lexically_relative(place.parent_path());
  // Made beside and renamed: a link that leads elsewhere is replaced at once, and two pulls cannot collide.
  const fs::path beside = fmt::format("{}.{}.link", place.string(), ::getpid());
  std::error_code error;
  fs::remove(beside, error);
  fs::create_symlink(target, beside, error);
  if (!error) fs::rename(beside, place, error);
  if (error) fs::rename(content, place, error);
  if (error) fail(ErrorCode::kIo, place.string(), "cannot be linked or moved to: {}", error.message());
}

void HuggingFaceCache::write_ref(const HuggingFaceName& name, const std::string& commit) const {
  if (name.revision == commit) return;
  const fs::path path = repository_folder(name.repository) / "refs" / name.revision;
  if (read_ref(path) == commit) return;
  make_folder(path.parent_path());
  AtomicFile file(path);
  file.write(commit);
  file.commit();
}

std::optional<fs::path> HuggingFaceCache::resolve(const HuggingFaceName& name) const {
  const std::optional<std::string> commit = commit_of(name);
  if (!commit) return std::nullopt;
  const std::vector<HubFile> files = files_of(name.repository, *commit);
  const fs::path folder = snapshot(name.repository, *commit);
  const Selection selection = select_model(files, {name.selector, {}, {}}, name.text());
  check_shards(folder, files, name.text());
  const auto tree = tree_of(name.repository, *commit);
  std::optional<Selection> whole;
  if (tree) whole = select_model(*tree, {selection.model, {}, {}}, name.text());
  if (whole || selection.model.empty()) check_companions(files, whole, name.text());
  return selection.model.empty() ? folder : folder / selection.model;
}

Selection HuggingFaceCache::select(const HuggingFaceName& name, const std::string& commit,
                                   const SelectionOptions& options) const {
  const auto tree = tree_of(name.repository, commit);
  if (!tree) {
    const std::vector<HubFile> files = files_of(name.repository, commit);
    const Selection selection = select_model(files, options, name.text());
    if (options.include.empty()) check_shards(snapshot(name.repository, commit), files, name.text());
    if (options.include.empty() && selection.model.empty())
      check_companions(files, std::nullopt, name.text());
    return selection;
  }
  try {
    return select_model(*tree, options, name.text());
  } catch (const Error& error) {
    // Of several GGUFs the one that is here.
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    SelectionOptions exact = options;
    exact.selector =
        select_model(files_of(name.repository, commit), {name.selector, {}, {}}, name.text()).model;
    return select_model(*tree, exact, name.text());
  }
}

std::vector<CachedRepository> HuggingFaceCache::list() const {
  std::vector<CachedRepository> found;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    std::string repository = it->path().filename().string();
    if (!repository.starts_with(kFolderPrefix)) continue;
    repository.erase(0, kFolderPrefix.size());
    if (const size_t dashes = repository.find("--"); dashes != std::string::npos) {
      repository.replace(dashes, 2, "/");
    }
    std::set<std::string> seen;
    for (const HubFile& ref : files_below(it->path() / "refs")) {
      HuggingFaceName name{repository, ref.path, ""};
      const auto commit = commit_of(name);
      if (!commit) continue;
      seen.insert(*commit);
      found.push_back({std::move(name), *commit});
    }
    std::error_code absent;
    for (fs::directory_iterator snapshot(it->path() / "snapshots", absent); !absent && snapshot != end;
         snapshot.increment(absent)) {
      const std::string commit = snapshot->path().filename().string();
      if (is_git_id(commit) && seen.insert(commit).second) {
        found.push_back({{repository, commit, ""}, commit});
      }
    }
  }
  std::sort(found.begin(), found.end(), [](const CachedRepository& a, const CachedRepository& b) {
    return a.name.text() < b.name.text();
  });
  return found;
}

}  // namespace oag
