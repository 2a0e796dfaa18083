#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

struct ZipMember {
  std::string name;  // as stored; never used as a path
  uint64_t compressed_bytes = 0;
  uint64_t size_bytes = 0;
  uint32_t crc32 = 0;
  uint16_t method = 0;  // 0 stored, 8 deflate
  uint16_t flags = 0;
  uint64_t header_offset = 0;  // of the local header
};

// Reads a zip archive (PKWARE APPNOTE 6.3: zip64, stored and deflated members; one disk, no encryption) that
// stands in memory, usually a mapped file. Everything is checked against everything before it is used: what
// the directory says, what a member's own header says, and what comes out.
class ZipReader {
 public:
  // Reads the central directory. `where` names the archive in errors; `archive` must outlive the reader.
  // Errors: kCorruptData, kUnsupported.
  ZipReader(std::span<const std::byte> archive, std::string where);

  const std::vector<ZipMember>& members() const { return members_; }

  // Errors: kNotFound; kCorruptData when two members have that name.
  const ZipMember& find(std::string_view name) const;

  // Hands the member's bytes to `sink` in pieces. The CRC is known only at the end: what was written before
  // an error must be thrown away. Errors: kCorruptData, kUnsupported, and what `sink` throws.
  void extract(const ZipMember& member, const std::function<void(std::span<const std::byte>)>& sink) const;

 private:
  struct Directory {
    uint64_t offset = 0;
    uint64_t size_bytes = 0;
    uint64_t entries = 0;
  };

  Directory find_directory() const;
  Directory read_zip64_directory(uint64_t locator_offset) const;
  void read_members(const Directory& directory);
  std::span<const std::byte> member_data(const ZipMember& member) const;
  std::span<const std::byte> slice(uint64_t offset, uint64_t size_bytes, const char* what) const;

  std::span<const std::byte> archive_;
  std::string where_;
  uint64_t directory_offset_ = 0;  // members' data ends before it
  std::vector<ZipMember> members_;
};

}  // namespace oag
