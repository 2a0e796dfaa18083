#include "service/net/sha256.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace oag {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

void require(int ok) {
  if (ok != 1) fail(ErrorCode::kInternal, "SHA-256", "the crypto library refused the operation");
}

}  // namespace

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  require(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()));
}

std::string Sha256::finish() {
  std::array<unsigned char, 32> digest{};
  require(EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr));
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string sha256_file(const std::filesystem::path& path, const std::function<void(uint64_t)>& on_progress,
                        const std::atomic<bool>* cancel) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path.string(), "cannot open: {}",
         std::strerror(errno));
  }
  // Closes on every way out, also when the progress callback throws.
  const std::unique_ptr<const int, void (*)(const int*)> closer(
      &fd, [](const int* open_fd) { ::close(*open_fd); });
  Sha256 hash;
  std::vector<std::byte> chunk(kReadBytes);
  uint64_t done_bytes = 0;
  for (;;) {
    if (cancel != nullptr && cancel->load()) fail(ErrorCode::kCancelled, path.string(), "stopped on request");
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorCode::kIo, path.string(), "cannot read: {}", std::strerror(errno));
    if (got == 0) return hash.finish();
    hash.update(std::span(chunk).first(static_cast<size_t>(got)));
    done_bytes += static_cast<uint64_t>(got);
    if (on_progress) on_progress(done_bytes);
  }
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace oag
