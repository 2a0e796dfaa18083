#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

// One file of a repository.
struct HubFile {
  std::string path;  // relative and safe
  uint64_t size_bytes = 0;
  std::string etag;         // names its content: SHA-256 of large files, git's blob id of others
  bool is_lfs = false;      // which of the two
  std::string git_id = {};  // git's blob id, of what stands in git for a large file; may be unknown
};

struct SelectionOptions {
  std::string selector;              // which GGUF: a file's path or name, or a quantisation as in Q4_K_M
  std::vector<std::string> include;  // globs; when there are any, they alone say what is taken
  std::vector<std::string> exclude;
};

// The files that make up one model, and what of it MODEL means: a GGUF's (first) path, or "" for the whole
// folder.
struct Selection {
  std::vector<HubFile> files;
  std::string model;
};

// Picks a model out of a repository: the safetensors with their configuration and tokenizer (not what repeats
// the weights in other formats), or a GGUF with its parts and its projector of pictures. `where` names the
// repository. Errors: kNotFound; kUnsupported when there are only weights of other formats; kInvalidArgument
// for several GGUFs, with the choices.
Selection select_model(const std::vector<HubFile>& files, const SelectionOptions& options,
                       std::string_view where);

// Each GGUF model among the files, by its (first) path, projectors aside.
std::vector<Selection> gguf_models(const std::vector<HubFile>& files);

}  // namespace oag
