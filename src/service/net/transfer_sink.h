#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/file.h"

namespace oag {

// Where the bytes of a download go. The transfer decides what stands there; the sink only keeps it.
class TransferSink {
 public:
  virtual ~TransferSink() = default;

  // Hands out, once and in pieces, what an earlier download left here; the transfer goes on behind it.
  virtual void take_up(const std::function<void(std::span<const std::byte>)>& /*feed*/) {}

  // Begins with nothing. `announced_bytes` is what the server says will come. Errors: kIo (disk full).
  virtual void start(std::optional<uint64_t> announced_bytes) = 0;
  virtual void write(std::span<const std::byte> bytes) = 0;
  virtual void drop() = 0;    // forgets everything that came
  virtual void commit() = 0;  // all is here and right
  virtual uint64_t size_bytes() const = 0;
};

// A file that appears under its name when it is complete; nothing is left of it before.
class AtomicFileSink : public TransferSink {
 public:
  explicit AtomicFileSink(std::filesystem::path destination) : destination_(std::move(destination)) {}

  void start(std::optional<uint64_t> announced_bytes) override;
  void write(std::span<const std::byte> bytes) override { file_->write(bytes); }
  void drop() override { file_.reset(); }
  void commit() override { file_->commit(); }
  uint64_t size_bytes() const override { return file_ ? file_->size_bytes() : 0; }

 private:
  std::filesystem::path destination_;
  std::optional<AtomicFile> file_;
};

// The same, but the bytes are collected in a file that outlives a failure, so that a later download of the
// same content goes on where this one ended. Nobody else may write to that file meanwhile.
class PartialFileSink : public TransferSink {
 public:
  // Errors: kIo.
  PartialFileSink(std::filesystem::path partial, std::filesystem::path destination);
  ~PartialFileSink() override;
  PartialFileSink(const PartialFileSink&) = delete;
  PartialFileSink& operator=(const PartialFileSink&) = delete;

  void take_up(const std::function<void(std::span<const std::byte>)>& feed) override;
  void start(std::optional<uint64_t> announced_bytes) override;
  void write(std::span<const std::byte> bytes) override;
  void drop() override;
  void commit() override;
  uint64_t size_bytes() const override { return size_bytes_; }

 private:
  [[noreturn]] void fail_io(const char* what) const;

  std::filesystem::path partial_;
  std::filesystem::path destination_;
  int fd_ = -1;
  uint64_t size_bytes_ = 0;
};

// A text in memory; the transfer's limit bounds it.
class TextSink : public TransferSink {
 public:
  void start(std::optional<uint64_t> /*announced_bytes*/) override { text_.clear(); }
  void write(std::span<const std::byte> bytes) override {
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void drop() override { text_.clear(); }
  void commit() override {}
  uint64_t size_bytes() const override { return text_.size(); }
  std::string& text() { return text_; }

 private:
  std::string text_;
};

}  // namespace oag
