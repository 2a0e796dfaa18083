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
#include "service/hub/huggingface_settings.h"
#include "service/net/download.h"

namespace oag {

struct HubListing {
  std::string commit;  // 40 hex digits
  std::vector<HubFile> files;
};

// What the hub says of one repository, over its HTTP interface; used from several threads at once for files.
class HuggingFaceSource {
 public:
  HuggingFaceSource(const HuggingFaceSettings& settings, const HuggingFaceName& name,
                    const std::atomic<bool>* cancel);

  // The commit behind the revision and every file of it. Errors: kNotFound; kNetwork, after which
  // was_refused() tells whether the hub answered and said no; kCorruptData, also for another commit than the
  // one that the revision names; kCancelled.
  HubListing list();

  // True when the hub was reached and would not give what was asked for: a cached copy is no answer to that.
  bool was_refused() const { return refused_; }

  struct FileRequest {
    const HubFile& file;
    std::string commit;
    std::filesystem::path partial;  // keeps what came after an error
    std::filesystem::path destination;
    std::function<void(uint64_t done_bytes)> on_progress;
    const std::atomic<bool>* cancel;
  };

  // Fetches one file and checks its size and checksum. Errors: those of download().
  void fetch(const FileRequest& request) const;

 private:
  DownloadRequest request_for(const std::string& url) const;
  void explain(const HttpHead& head) const;

  const HuggingFaceSettings& settings_;
  const HuggingFaceName& name_;
  const std::atomic<bool>* cancel_;
  bool sends_token_ = false;
  mutable std::atomic<bool> refused_{false};
};

// The commit in the hub's answer about a revision. Errors: kCorruptData.
std::string parse_revision_answer(std::string_view text, std::string_view where);

// Adds the files on one page of a repository's list. Errors: kCorruptData: also for a path that is no safe
// path, a size or checksum that cannot be, and too many files.
void parse_tree_page(std::string_view text, std::string_view where, std::vector<HubFile>& files);

// Path and query of the next page in a Link header, from "/api/" on; nothing on the last page.
std::optional<std::string> next_page(std::string_view link);

}  // namespace oag
