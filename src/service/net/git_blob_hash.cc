#include "service/net/git_blob_hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace oag {
namespace {

void require(int ok) {
  if (ok != 1) fail(ErrorCode::kInternal, "SHA-1", "the crypto library refused the operation");
}

}  // namespace

struct GitBlobHash::State {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

GitBlobHash::GitBlobHash(uint64_t size_bytes) : state_(std::make_unique<State>()) {
  require(EVP_DigestInit_ex(state_->context.get(), EVP_sha1(), nullptr));
  const std::string head = fmt::format("blob {}", size_bytes);
  update(std::as_bytes(std::span(head.c_str(), head.size() + 1)));  // its NUL belongs to it
}
GitBlobHash::~GitBlobHash() = default;
GitBlobHash::GitBlobHash(GitBlobHash&&) noexcept = default;
GitBlobHash& GitBlobHash::operator=(GitBlobHash&&) noexcept = default;

void GitBlobHash::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()));
}

std::string GitBlobHash::finish() {
  std::array<unsigned char, 20> digest{};
  require(EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr));
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

bool is_git_id(std::string_view text) {
  return text.size() == 40 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace oag
