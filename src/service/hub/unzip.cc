#include "service/hub/unzip.h"

#include "base/disk_space.h"
#include "base/error.h"
#include "base/file.h"
#include "service/hub/zip_reader.h"
#include "service/net/sha256.h"

namespace oag {

void unzip(const UnzipRequest& request) {
  const std::string where = request.archive.string();
  const auto archive = MappedFile::open(request.archive);
  const ZipReader reader(archive->bytes(), where);
  const ZipMember& member = reader.find(request.member);
  if (member.size_bytes > request.max_bytes) {
    fail(ErrorCode::kCorruptData, where, "member '{}' has {} bytes, expected at most {}", request.member,
         member.size_bytes, request.max_bytes);
  }
  const auto folder = request.destination.parent_path();
  require_disk_space(folder.empty() ? "." : folder, member.size_bytes);
  AtomicFile file(request.destination);
  Sha256 hash;
  reader.extract(member, [&](std::span<const std::byte> piece) {
    if (request.cancel != nullptr && request.cancel->load()) {
      fail(ErrorCode::kCancelled, where, "stopped on request; nothing was kept");
    }
    file.write(piece);
    hash.update(piece);
    if (request.on_progress) request.on_progress(file.size_bytes(), member.size_bytes);
  });
  if (archive->damaged()) fail(ErrorCode::kIo, where, "became unreadable while it was unpacked");
  const std::string digest = hash.finish();
  if (!request.sha256.empty() && digest != request.sha256) {
    fail(ErrorCode::kCorruptData, where,
         "member '{}' has SHA-256 {}, expected {}; the archive was altered or replaced", request.member,
         digest, request.sha256);
  }
  file.commit();
}

}  // namespace oag
