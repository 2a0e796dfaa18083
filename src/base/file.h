#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace oag {

// A whole file mapped read-only. If the file shrinks or its disk fails while mapped, reads give zero bytes
// instead of ending the process, and damaged() turns true; whoever used the bytes must then discard the
// result.
class MappedFile {
 public:
  // Errors: kNotFound, kIo (not a regular file, unreadable, empty files are fine and give an empty span).
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  const std::filesystem::path& path() const { return path_; }

  // True when a read hit a part of the file that is gone.
  bool damaged() const;

  // True when the file was written to since it was mapped (size or modification time differ).
  bool changed_since_open() const;

  // Tells the kernel that this range will not be read again soon, so that its pages can be dropped.
  void release_pages(std::span<const std::byte> range) const;

  // Tells it that bits and pieces of this range are read, so that large pages would be a waste.
  void expect_lookups(std::span<const std::byte> range) const;

 private:
  MappedFile() = default;

  std::filesystem::path path_;
  int fd_ = -1;
  std::byte* data_ = nullptr;
  size_t size_bytes_ = 0;
  int64_t modified_ns_ = 0;
  int guard_slot_ = -1;
};

// Whether anything stands at `path`; what cannot be looked at does not.
bool is_there(const std::filesystem::path& path);

// The size of a file, 0 where there is none.
uint64_t file_size_bytes(const std::filesystem::path& path);

// Reads a whole regular file. Errors: kNotFound, kIo, kInvalidArgument when it is larger than `limit_bytes`.
std::string read_file(const std::filesystem::path& path, size_t limit_bytes = size_t{1} << 30);

// The same of a pipe or device too, which a user may name: waits for its end.
std::string read_stream(const std::filesystem::path& path, size_t limit_bytes = size_t{1} << 30);

// A file that appears under its final name only when commit() succeeds; until then it is a temporary beside
// it, which the destructor removes or, where the work is to go on later, keeps.
class AtomicFile {
 public:
  enum class Unfinished {
    kRemove,
    kKeep,  // the temporary is "{final name}.part", with what an earlier one left, and nobody else may open
            // it
  };

  // Errors: kIo, naming the path and the system's reason; kBusy when another process writes the same kept
  // file.
  explicit AtomicFile(std::filesystem::path final_path, Unfinished unfinished = Unfinished::kRemove);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  uint64_t size_bytes() const { return size_bytes_; }
  const std::filesystem::path& temporary_path() const { return temporary_path_; }

  // Drops what lies behind the first `size_bytes`, which must be there; the next write goes to the end.
  void truncate(uint64_t size_bytes);
  // Reads what was written, from `offset` on. Errors: kIo, also when it ends before `bytes` are full.
  void read(uint64_t offset, std::span<std::byte> bytes) const;

  // Flushes to disk and renames. Errors: kIo.
  void commit();

 private:
  void open_kept();

  std::filesystem::path final_path_;
  std::filesystem::path temporary_path_;
  Unfinished unfinished_;
  int fd_ = -1;
  uint64_t size_bytes_ = 0;
};

}  // namespace oag
