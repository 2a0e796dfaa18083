#include "engine/formats/gguf/gguf_journal.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace oag {
namespace {

constexpr uint64_t kOdd = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio
constexpr size_t kJournalLimitBytes = size_t{64} << 20;

uint64_t stirred(uint64_t value) {
  value = (value ^ value >> 32) * kOdd;
  return value ^ value >> 29;
}

}  // namespace

void Checksum::mix(const std::byte* stride) {
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    uint64_t word;
    std::memcpy(&word, stride + 8 * lane, sizeof word);
    lanes_[lane] = std::rotl((lanes_[lane] ^ word) * kOdd, 29);
  }
}

void Checksum::add(std::span<const std::byte> bytes) {
  total_bytes_ += bytes.size();
  if (rest_bytes_ > 0) {
    const size_t piece = std::min(kStride - rest_bytes_, bytes.size());
    std::copy_n(bytes.begin(), piece, rest_.begin() + static_cast<std::ptrdiff_t>(rest_bytes_));
    rest_bytes_ += piece;
    bytes = bytes.subspan(piece);
    if (rest_bytes_ < kStride) return;
    mix(rest_.data());
    rest_bytes_ = 0;
  }
  for (; bytes.size() >= kStride; bytes = bytes.subspan(kStride)) mix(bytes.data());
  std::ranges::copy(bytes, rest_.begin());
  rest_bytes_ = bytes.size();
}

uint64_t Checksum::value() const {
  uint64_t sum = stirred(total_bytes_);
  for (const uint64_t lane : lanes_) sum = stirred(sum + lane);
  for (size_t i = 0; i < rest_bytes_; ++i) sum = stirred(sum + static_cast<uint64_t>(rest_[i]) + 1);
  return sum;
}

uint64_t checksum_of(std::string_view text) {
  Checksum checksum;
  checksum.add(std::as_bytes(std::span(text)));
  return checksum.value();
}

GgufJournal::~GgufJournal() {
  if (fd_ >= 0) ::close(fd_);
}

std::string GgufJournal::first_line(uint64_t header, uint64_t inputs) const {
  return fmt::format("oag-gguf 1 {:016x} {:016x}\n", header, inputs);
}

std::vector<uint64_t> GgufJournal::read(uint64_t header, uint64_t inputs) const {
  std::string text;
  try {
    text = read_file(path_, kJournalLimitBytes);
  } catch (const Error&) {
    return {};
  }
  const std::string first = first_line(header, inputs);
  if (!text.starts_with(first)) return {};
  std::vector<uint64_t> tensors;
  for (size_t at = first.size(); at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) break;  // cut off while it was written
    const size_t space = text.find(' ', at);
    const std::string line = text.substr(at, end - at);
    if (space == std::string::npos || space + 17 != end) break;
    const uint64_t checksum = std::strtoull(line.c_str() + (space + 1 - at), nullptr, 16);
    if (line != fmt::format("{} {:016x}", tensors.size(), checksum)) break;
    tensors.push_back(checksum);
    at = end + 1;
  }
  return tensors;
}

void GgufJournal::restart(uint64_t header, uint64_t inputs, std::span<const uint64_t> tensors) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(ErrorCode::kIo, path_.string(), "cannot create: {}", std::strerror(errno));
  count_ = 0;
  std::string text = first_line(header, inputs);
  for (const uint64_t checksum : tensors) text += fmt::format("{} {:016x}\n", count_++, checksum);
  append(text);
}

void GgufJournal::add(uint64_t checksum) {
  append(fmt::format("{} {:016x}\n", count_, checksum));
  ++count_;
}

void GgufJournal::append(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t put = ::write(fd_, text.data() + at, text.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail(ErrorCode::kIo, path_.string(), "cannot write: {}", std::strerror(errno));
    at += static_cast<size_t>(put);
  }
}

void GgufJournal::remove() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  ::unlink(path_.c_str());
}

}  // namespace oag
