#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/hub/huggingface_name.h"
#include "service/hub/huggingface_selection.h"

namespace oag {

struct CachedRepository {
  HuggingFaceName name;
  std::string commit;
};

// What a caller wants of a check that may read gigabytes.
struct ContentWatch {
  std::function<void(uint64_t)> on_progress;  // bytes of the file read so far
  const std::atomic<bool>* cancel = nullptr;
};

// The cache folder that tools around the Hugging Face hub share, in huggingface_hub's layout
// (https://huggingface.co/docs/huggingface_hub/guides/manage-cache):
//   models--ORG--NAME/blobs/<etag>              contents, each once
//   models--ORG--NAME/refs/<revision>           the commit behind a branch or tag
//   models--ORG--NAME/snapshots/<commit>/<path> links to contents
//   models--ORG--NAME/trees/<commit>.json       which files a commit has, here or not
//   .locks/models--ORG--NAME/<etag>.lock        held while a content is written
// Of our own: models--ORG--NAME/.oag/<etag>.json, which notes that a large content was found right.
class HuggingFaceCache {
 public:
  explicit HuggingFaceCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& folder() const { return folder_; }

  std::filesystem::path blob(std::string_view repository, const HubFile& file) const;
  std::filesystem::path partial(std::string_view repository, const HubFile& file) const;
  std::filesystem::path lock_file(std::string_view repository, const HubFile& file) const;
  std::filesystem::path snapshot(std::string_view repository, std::string_view commit) const;

  // The commit that a revision is known as here, when its snapshot stands here.
  std::optional<std::string> commit_of(const HuggingFaceName& name) const;

  // The files of a snapshot whose contents are here; with the etags that links lead to.
  std::vector<HubFile> files_of(std::string_view repository, std::string_view commit) const;

  // All files of a commit, where a pull by any tool noted them.
  std::optional<std::vector<HubFile>> tree_of(std::string_view repository, std::string_view commit) const;
  // Notes them; a cache that cannot be written to goes without.
  void note_tree(std::string_view repository, std::string_view commit,
                 const std::vector<HubFile>& files) const;

  // Whether a content is here and is what its etag says. A large one is read once and noted. Errors:
  // kCancelled.
  bool has_blob(std::string_view repository, const HubFile& file, const ContentWatch& watch = {}) const;
  bool has_file(std::string_view repository, std::string_view commit, const HubFile& file,
                const ContentWatch& watch = {}) const;
  // Notes a content that was found right while it came.
  void note_right(std::string_view repository, const HubFile& file) const;

  // Makes the folders that a pull of this repository writes to. Errors: kIo.
  void make_folders(std::string_view repository) const;

  // Puts a content that is here under its path in a snapshot: as a link, or where links cannot be made as the
  // file itself. Errors: kIo.
  void put_file(std::string_view repository, std::string_view commit, const HubFile& file) const;

  // Notes which commit a revision is. Errors: kIo.
  void write_ref(const HuggingFaceName& name, const std::string& commit) const;

  // What a name means here: the snapshot's folder, or a GGUF file in it. Nothing when the revision is not
  // here. Errors: kNotFound for weights or a tokenizer that are missing, and those of select_model().
  std::optional<std::filesystem::path> resolve(const HuggingFaceName& name) const;

  // The files that make up a model as a commit has them: of its noted tree, else of what is here. Errors:
  // those of select_model().
  Selection select(const HuggingFaceName& name, const std::string& commit,
                   const SelectionOptions& options) const;

  // Every revision of every model that has a snapshot here.
  std::vector<CachedRepository> list() const;

 private:
  std::filesystem::path repository_folder(std::string_view repository) const;
  std::filesystem::path tree_path(std::string_view repository, std::string_view commit) const;
  std::filesystem::path note_path(std::string_view repository, const HubFile& file) const;
  bool is_right(const std::filesystem::path& content, std::string_view repository, const HubFile& file,
                const ContentWatch& watch) const;
  void note_right(const std::filesystem::path& content, std::string_view repository,
                  const HubFile& file) const;

  std::filesystem::path folder_;
};

}  // namespace oag
