#include "service/hub/zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "base/error.h"

namespace oag {
namespace {

// Signatures and fixed sizes of the records, APPNOTE §4.3.
constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kCentralSignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocator64Signature = 0x07064b50;
constexpr size_t kLocalBytes = 30;
constexpr size_t kCentralBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kLocator64Bytes = 20;
constexpr size_t kMaxCommentBytes = 65535;

constexpr uint16_t kZip64Extra = 0x0001;
constexpr uint16_t kFlagEncrypted = 1 << 0;
constexpr uint16_t kFlagDescriptor =
    1 << 3;  // the local header leaves sizes and CRC to a record after the data
constexpr uint16_t kFlagPatch = 1 << 5;
constexpr uint16_t kFlagStrongEncryption = 1 << 6;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr uint32_t kIn64 = 0xffffffff;

// Deflate cannot expand further than this (258 bytes from 2 bits).
constexpr uint64_t kMaxExpansion = 1032;
constexpr size_t kPieceBytes = size_t{1} << 18;

uint64_t load(std::span<const std::byte> bytes, size_t offset, size_t width) {
  uint64_t value = 0;
  for (size_t i = width; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[offset + i]);
  return value;
}
uint16_t load16(std::span<const std::byte> bytes, size_t at) {
  return static_cast<uint16_t>(load(bytes, at, 2));
}
uint32_t load32(std::span<const std::byte> bytes, size_t at) {
  return static_cast<uint32_t>(load(bytes, at, 4));
}
uint64_t load64(std::span<const std::byte> bytes, size_t at) {
  return load(bytes, at, 8);
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The data of one kind of extra field; empty when absent or when the fields overrun.
std::span<const std::byte> find_extra(std::span<const std::byte> extra, uint16_t wanted) {
  while (extra.size() >= 4) {
    const uint16_t id = load16(extra, 0);
    const uint16_t size = load16(extra, 2);
    if (extra.size() - 4 < size) break;
    if (id == wanted) return extra.subspan(4, size);
    extra = extra.subspan(4 + size_t{size});
  }
  return {};
}

// Replaces a 32-bit "see zip64" mark by the next 64-bit value of the extra field.
bool widen(uint64_t& value, std::span<const std::byte>& extra64) {
  if (value != kIn64) return true;
  if (extra64.size() < 8) return false;
  value = load64(extra64, 0);
  extra64 = extra64.subspan(8);
  return true;
}

std::string shown_name(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 120)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

// Counts and checks what leaves the archive for one member.
class CheckedOutput {
 public:
  CheckedOutput(const ZipMember& member, const std::string& where,
                const std::function<void(std::span<const std::byte>)>& sink)
      : member_(member), where_(where), sink_(sink) {}

  void put(std::span<const std::byte> piece) {
    if (piece.size() > member_.size_bytes - written_) {
      fail(ErrorCode::kCorruptData, where_, "member '{}' holds more than the {} bytes that it declares",
           shown_name(member_.name), member_.size_bytes);
    }
    written_ += piece.size();
    crc_ = ::crc32_z(crc_, reinterpret_cast<const Bytef*>(piece.data()), piece.size());
    if (!piece.empty()) sink_(piece);
  }

  void finish() const {
    if (written_ != member_.size_bytes) {
      fail(ErrorCode::kCorruptData, where_, "member '{}' ends after {} of {} declared bytes",
           shown_name(member_.name), written_, member_.size_bytes);
    }
    if (crc_ != member_.crc32) {
      fail(ErrorCode::kCorruptData, where_,
           "member '{}' has CRC-32 {:08x}, expected {:08x}; fetch the archive again",
           shown_name(member_.name), crc_, member_.crc32);
    }
  }

 private:
  const ZipMember& member_;
  const std::string& where_;
  const std::function<void(std::span<const std::byte>)>& sink_;
  uint64_t written_ = 0;
  uLong crc_ = ::crc32_z(0, nullptr, 0);
};

// Raw deflate (RFC 1951) by zlib.
class Inflater {
 public:
  Inflater() {
    if (::inflateInit2(&stream_, -MAX_WBITS) != Z_OK)
      fail(ErrorCode::kOutOfMemory, "zlib", "cannot start inflating");
  }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // False when the data is no proper deflate stream of exactly this length.
  bool run(std::span<const std::byte> data, CheckedOutput& output) {
    std::vector<std::byte> piece(kPieceBytes);
    int status = Z_OK;
    while (status != Z_STREAM_END) {
      if (stream_.avail_in == 0 && !data.empty()) {
        const size_t size = std::min(data.size(), kPieceBytes);
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data()));
        stream_.avail_in = static_cast<uInt>(size);
        data = data.subspan(size);
      }
      stream_.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream_.avail_out = static_cast<uInt>(piece.size());
      status = ::inflate(&stream_, Z_NO_FLUSH);
      // Z_BUF_ERROR: no progress is possible, that is, the input ended early.
      if (status != Z_OK && status != Z_STREAM_END) return false;
      output.put(std::span(piece).first(piece.size() - stream_.avail_out));
    }
    return stream_.avail_in == 0 && data.empty();
  }

 private:
  z_stream stream_{};
};

}  // namespace

ZipReader::ZipReader(std::span<const std::byte> archive, std::string where)
    : archive_(archive), where_(std::move(where)) {
  read_members(find_directory());
}

std::span<const std::byte> ZipReader::slice(uint64_t offset, uint64_t size_bytes, const char* what) const {
  if (offset > archive_.size() || size_bytes > archive_.size() - offset) {
    fail(ErrorCode::kCorruptData, where_,
         "{} at offset {} with {} bytes lies outside the archive of {} bytes", what, offset, size_bytes,
         archive_.size());
  }
  return archive_.subspan(offset, size_bytes);
}

ZipReader::Directory ZipReader::find_directory() const {
  const size_t size = archive_.size();
  const size_t lowest = size > kEndBytes + kMaxCommentBytes ? size - kEndBytes - kMaxCommentBytes : 0;
  size_t at = size >= kEndBytes ? size - kEndBytes + 1 : 0;
  const auto is_end = [&](size_t offset) {
    return load32(archive_, offset) == kEndSignature &&
           load16(archive_, offset + 20) == size - offset - kEndBytes;
  };
  do {
    if (at == lowest)
      fail(ErrorCode::kCorruptData, where_, "is no zip archive, or its end is missing; fetch it again");
    --at;
  } while (!is_end(at));

  const auto end = archive_.subspan(at);
  if (at >= kLocator64Bytes && load32(archive_, at - kLocator64Bytes) == kLocator64Signature) {
    return read_zip64_directory(at - kLocator64Bytes);
  }
  if (load16(end, 4) != 0 || load16(end, 6) != 0 || load16(end, 8) != load16(end, 10)) {
    fail(ErrorCode::kUnsupported, where_,
         "is one part of a zip archive on several disks; only whole archives can be read");
  }
  const Directory directory{load32(end, 16), load32(end, 12), load16(end, 10)};
  if (directory.offset > at || directory.size_bytes > at - directory.offset) {
    fail(ErrorCode::kCorruptData, where_,
         "the directory at offset {} with {} bytes overlaps the archive's end record", directory.offset,
         directory.size_bytes);
  }
  return directory;
}

ZipReader::Directory ZipReader::read_zip64_directory(uint64_t locator_offset) const {
  const auto locator = slice(locator_offset, kLocator64Bytes, "the zip64 locator");
  const uint64_t end_offset = load64(locator, 8);
  const auto end = slice(end_offset, kEnd64Bytes, "the zip64 end record");
  if (load32(end, 0) != kEnd64Signature) {
    fail(ErrorCode::kCorruptData, where_, "offset {} holds no zip64 end record", end_offset);
  }
  if (load32(locator, 4) != 0 || load32(locator, 16) != 1 || load32(end, 16) != 0 || load32(end, 20) != 0 ||
      load64(end, 24) != load64(end, 32)) {
    fail(ErrorCode::kUnsupported, where_,
         "is one part of a zip archive on several disks; only whole archives can be read");
  }
  const Directory directory{load64(end, 48), load64(end, 40), load64(end, 32)};
  if (directory.offset > end_offset || directory.size_bytes > end_offset - directory.offset) {
    fail(ErrorCode::kCorruptData, where_,
         "the directory at offset {} with {} bytes overlaps the zip64 end record", directory.offset,
         directory.size_bytes);
  }
  return directory;
}

void ZipReader::read_members(const Directory& directory) {
  directory_offset_ = directory.offset;
  auto rest = slice(directory.offset, directory.size_bytes, "the directory");
  if (directory.entries > rest.size() / kCentralBytes) {
    fail(ErrorCode::kCorruptData, where_,
         "the directory of {} bytes cannot hold the {} members that it declares", rest.size(),
         directory.entries);
  }
  members_.reserve(directory.entries);
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (rest.size() < kCentralBytes || load32(rest, 0) != kCentralSignature) {
      fail(ErrorCode::kCorruptData, where_, "entry {} of the directory is damaged", i);
    }
    const size_t name_bytes = load16(rest, 28);
    const size_t extra_bytes = load16(rest, 30);
    const size_t entry_bytes = kCentralBytes + name_bytes + extra_bytes + load16(rest, 32);
    if (rest.size() < entry_bytes) {
      fail(ErrorCode::kCorruptData, where_, "entry {} of the directory reaches past its end", i);
    }
    ZipMember member;
    member.flags = load16(rest, 8);
    member.method = load16(rest, 10);
    member.crc32 = load32(rest, 16);
    member.compressed_bytes = load32(rest, 20);
    member.size_bytes = load32(rest, 24);
    member.header_offset = load32(rest, 42);
    member.name = as_text(rest.subspan(kCentralBytes, name_bytes));
    auto extra64 = find_extra(rest.subspan(kCentralBytes + name_bytes, extra_bytes), kZip64Extra);
    if (!widen(member.size_bytes, extra64) || !widen(member.compressed_bytes, extra64) ||
        !widen(member.header_offset, extra64)) {
      fail(ErrorCode::kCorruptData, where_, "member '{}' lacks its zip64 sizes", shown_name(member.name));
    }
    members_.push_back(std::move(member));
    rest = rest.subspan(entry_bytes);
  }
}

const ZipMember& ZipReader::find(std::string_view name) const {
  const ZipMember* found = nullptr;
  for (const ZipMember& member : members_) {
    if (member.name != name) continue;
    if (found != nullptr) {
      fail(ErrorCode::kCorruptData, where_, "holds two members named '{}'", shown_name(name));
    }
    found = &member;
  }
  if (found == nullptr) {
    fail(ErrorCode::kNotFound, where_, "holds no member '{}' among its {}", shown_name(name),
         members_.size());
  }
  return *found;
}

std::span<const std::byte> ZipReader::member_data(const ZipMember& member) const {
  const auto header = slice(member.header_offset, kLocalBytes, "a member's header");
  if (load32(header, 0) != kLocalSignature) {
    fail(ErrorCode::kCorruptData, where_, "offset {} holds no header of member '{}'", member.header_offset,
         shown_name(member.name));
  }
  const size_t name_bytes = load16(header, 26);
  const size_t extra_bytes = load16(header, 28);
  const auto names = slice(member.header_offset + kLocalBytes, name_bytes + extra_bytes, "a member's header");
  uint64_t compressed = load32(header, 18);
  uint64_t size = load32(header, 22);
  auto extra64 = find_extra(names.subspan(name_bytes), kZip64Extra);
  const bool widened = widen(size, extra64) && widen(compressed, extra64);
  const bool sizes_agree = (member.flags & kFlagDescriptor) != 0 ||
                           (widened && compressed == member.compressed_bytes && size == member.size_bytes &&
                            load32(header, 14) == member.crc32);
  if (as_text(names.first(name_bytes)) != member.name || load16(header, 6) != member.flags ||
      load16(header, 8) != member.method || !sizes_agree) {
    fail(ErrorCode::kCorruptData, where_, "the directory and the header of member '{}' contradict each other",
         shown_name(member.name));
  }
  const uint64_t begin = member.header_offset + kLocalBytes + name_bytes + extra_bytes;
  if (begin > directory_offset_ || member.compressed_bytes > directory_offset_ - begin) {
    fail(ErrorCode::kCorruptData, where_, "the data of member '{}' overlaps the directory",
         shown_name(member.name));
  }
  return archive_.subspan(begin, member.compressed_bytes);
}

void ZipReader::extract(const ZipMember& member,
                        const std::function<void(std::span<const std::byte>)>& sink) const {
  if ((member.flags & (kFlagEncrypted | kFlagStrongEncryption | kFlagPatch)) != 0) {
    fail(ErrorCode::kUnsupported, where_, "member '{}' is encrypted or patched data",
         shown_name(member.name));
  }
  auto data = member_data(member);
  CheckedOutput output(member, where_, sink);
  if (member.method == kStored) {
    if (data.size() != member.size_bytes) {
      fail(ErrorCode::kCorruptData, where_, "stored member '{}' has {} bytes but declares {}",
           shown_name(member.name), data.size(), member.size_bytes);
    }
    for (; !data.empty(); data = data.subspan(std::min(data.size(), kPieceBytes))) {
      output.put(data.first(std::min(data.size(), kPieceBytes)));
    }
  } else if (member.method == kDeflated) {
    if (member.size_bytes / kMaxExpansion > data.size()) {
      fail(ErrorCode::kCorruptData, where_,
           "member '{}' declares {} bytes from {}, more than deflate can give", shown_name(member.name),
           member.size_bytes, data.size());
    }
    if (!Inflater().run(data, output)) {
      fail(ErrorCode::kCorruptData, where_,
           "the compressed data of member '{}' is damaged; fetch the archive again", shown_name(member.name));
    }
  } else {
    fail(ErrorCode::kUnsupported, where_,
         "member '{}' uses compression method {}; only stored (0) and deflate (8) can be read",
         shown_name(member.name), member.method);
  }
  output.finish();
}

}  // namespace oag
