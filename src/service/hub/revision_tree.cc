#include "service/hub/revision_tree.h"

#include "base/error.h"
#include "base/json.h"
#include "service/hub/huggingface_name.h"
#include "service/net/git_blob_hash.h"
#include "service/net/sha256.h"

namespace oag {
namespace {

constexpr int64_t kVersion = 1;

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

HubFile file_of(const std::string& path, const Json& facts, std::string_view where) {
  HubFile file;
  file.path = path;
  if (facts.is_object()) {
    file.is_lfs = facts.contains("lfs_sha256");
    file.git_id = text_at(facts, "blob_id");
    file.etag = file.is_lfs ? text_at(facts, "lfs_sha256") : file.git_id;
    const auto size = facts.find(file.is_lfs ? "lfs_size" : "size");
    const bool sized = size != facts.end() && size->is_number_unsigned();
    const bool named = file.is_lfs ? is_sha256_hex(file.etag) : is_git_id(file.etag);
    if (sized && named && is_safe_path(path)) {
      file.size_bytes = size->get<uint64_t>();
      return file;
    }
  }
  fail(ErrorCode::kCorruptData, where, "has a file without a safe path, a size and a checksum");
}

}  // namespace

std::vector<HubFile> parse_revision_tree(std::string_view text, std::string_view where) {
  const Json tree = parse_json(text, where);
  const auto version = tree.find("format_version"), listed = tree.find("files");
  if (!tree.is_object() || version == tree.end() || *version != kVersion || listed == tree.end() ||
      !listed->is_object()) {
    fail(ErrorCode::kCorruptData, where, "is no list of files of version {}", kVersion);
  }
  std::vector<HubFile> files;
  for (const auto& [path, facts] : listed->items()) files.push_back(file_of(path, facts, where));
  return files;
}

std::string revision_tree_text(const std::vector<HubFile>& files) {
  Json listed = Json::object();
  for (const HubFile& file : files) {
    Json facts = {{"size", file.size_bytes}};
    if (const std::string& id = file.is_lfs ? file.git_id : file.etag; !id.empty()) facts["blob_id"] = id;
    if (file.is_lfs) {
      facts["lfs_sha256"] = file.etag;
      facts["lfs_size"] = file.size_bytes;
    }
    listed[file.path] = std::move(facts);
  }
  const Json tree = {{"format_version", kVersion}, {"files", std::move(listed)}};
  return tree.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace oag
