#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace oag {

// SHA-256 (FIPS 180-4) of bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);

  // The digest as 64 lower-case hex digits. The object must not be used afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::span<const std::byte> bytes);
inline std::string sha256_hex(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}

// Reads a whole file. `on_progress` gets the number of bytes read so far. Errors: kNotFound, kIo, kCancelled.
std::string sha256_file(const std::filesystem::path& path,
                        const std::function<void(uint64_t)>& on_progress = {},
                        const std::atomic<bool>* cancel = nullptr);

// True for 64 lower-case hex digits.
bool is_sha256_hex(std::string_view text);

}  // namespace oag
