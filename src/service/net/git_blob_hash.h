#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace oag {

// The id that git gives a file's content: SHA-1 of "blob <size>\0" and the bytes, which arrive in pieces.
// SHA-1 tells damaged files from whole ones; it is no defence against whoever makes two files with one id on
// purpose.
class GitBlobHash {
 public:
  // The size belongs to what is hashed, so it must be known before the first byte.
  explicit GitBlobHash(uint64_t size_bytes);
  ~GitBlobHash();
  GitBlobHash(GitBlobHash&&) noexcept;
  GitBlobHash& operator=(GitBlobHash&&) noexcept;

  void update(std::span<const std::byte> bytes);

  // The id as 40 lower-case hex digits. The object must not be used afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// True for 40 lower-case hex digits: a blob or a commit.
bool is_git_id(std::string_view text);

}  // namespace oag
