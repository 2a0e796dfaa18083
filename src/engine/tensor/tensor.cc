#include "engine/tensor/tensor.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/free_memory.h"
#include "base/promised_memory.h"

namespace oag {
namespace {

constexpr size_t kAlignment = 64;
// Kernels may read, and ignore, up to a vector behind the last value.
constexpr size_t kReadableBehind = 64;
constexpr size_t kLargePage = size_t{2} << 20;

// What is smaller does not change whether a model fits.
constexpr size_t kPromiseBytes = size_t{1} << 20;

class HeapBuffer final : public Buffer {
 public:
  HeapBuffer(std::byte* data, size_t size_bytes) : Buffer(data, size_bytes) {
    if (size_bytes >= kPromiseBytes) promised_.emplace(data, size_bytes);
  }
  ~HeapBuffer() override {
    promised_.reset();
    std::free(data());
  }

 private:
  std::optional<PromisedMemory> promised_;
};

class WrappedBuffer final : public Buffer {
 public:
  WrappedBuffer(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const MappedFile* file)
      : Buffer(const_cast<std::byte*>(bytes.data()), bytes.size()), owner_(std::move(owner)), file_(file) {}
  void drop_pages(std::span<const std::byte> bytes) const override {
    if (file_ != nullptr) file_->release_pages(bytes);
  }

 private:
  std::shared_ptr<const void> owner_;
  const MappedFile* file_;
};

// Asking what is free takes some 50 µs, first writing to this much memory takes a hundred times that.
constexpr size_t kAskEachBytes = size_t{64} << 20;

// The system gives more than it has and then kills who uses it. So whoever allocates much, at once or bit by
// bit, is refused what is not there.
void refuse_what_is_not_free(size_t size_bytes) {
  static std::atomic<size_t> since_asked = 0;
  if (since_asked.fetch_add(size_bytes, std::memory_order_relaxed) + size_bytes < kAskEachBytes) return;
  since_asked.store(0, std::memory_order_relaxed);
  const std::optional<uint64_t> free_bytes = free_memory_bytes();
  // As much again may be given before the next question.
  if (free_bytes && size_bytes + kAskEachBytes > *free_bytes) {
    fail(ErrorCode::kOutOfMemory, "memory", "cannot allocate {} bytes, {} are free", size_bytes, *free_bytes);
  }
}

std::shared_ptr<Buffer> allocate_aligned(size_t size_bytes, size_t alignment) {
  refuse_what_is_not_free(size_bytes);
  const size_t rounded = (size_bytes + kReadableBehind + alignment - 1) / alignment * alignment;
  void* data = rounded < size_bytes ? nullptr : std::aligned_alloc(alignment, rounded);
  if (data == nullptr) fail(ErrorCode::kOutOfMemory, "memory", "cannot allocate {} bytes", size_bytes);
  return std::make_shared<HeapBuffer>(static_cast<std::byte*>(data), size_bytes);
}

// Elements that are C++ objects.
template <typename T>
class ObjectBuffer final : public Buffer {
 public:
  explicit ObjectBuffer(std::vector<T> objects)
      : Buffer(reinterpret_cast<std::byte*>(objects.data()), objects.size() * sizeof(T)),
        objects_(std::move(objects)) {}

 private:
  std::vector<T> objects_;
};

template <typename T>
std::shared_ptr<Buffer> make_objects(size_t count) {
  refuse_what_is_not_free(count * sizeof(T));
  return std::make_shared<ObjectBuffer<T>>(std::vector<T>(count));
}

}  // namespace

std::shared_ptr<Buffer> allocate_host(size_t size_bytes) {
  return allocate_aligned(size_bytes, kAlignment);
}

std::shared_ptr<Buffer> allocate_host_resident(size_t size_bytes) {
  if (size_bytes < kLargePage) return allocate_host(size_bytes);
  std::shared_ptr<Buffer> buffer = allocate_aligned(size_bytes, kLargePage);
  ::madvise(buffer->data(), size_bytes, MADV_HUGEPAGE);  // a wish: without it small pages do
  return buffer;
}

std::shared_ptr<Buffer> wrap_host(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                  const MappedFile* file) {
  return std::make_shared<WrappedBuffer>(bytes, std::move(owner), file);
}

size_t tensor_bytes(DType dtype, const Dims& dims) {
  const int64_t count = element_count(dims);
  if (count == 0) return 0;
  const int64_t row = dims.empty() ? 1 : dims.back();
  // Packed sub-byte types pack the whole tensor, block formats each row.
  if (!is_block_format(dtype)) return row_bytes(dtype, count);
  size_t total = 0;
  if (__builtin_mul_overflow(row_bytes(dtype, row), static_cast<size_t>(count / row), &total)) {
    fail(ErrorCode::kInvalidArgument, "shape", "{} of {} has more than 2^64 bytes", to_string(dims),
         dtype_name(dtype));
  }
  return total;
}

Tensor::Tensor(DType dtype, Dims dims, std::shared_ptr<Buffer> buffer, size_t offset_bytes)
    : dtype_(dtype),
      dims_(std::move(dims)),
      count_(element_count(dims_)),
      size_bytes_(tensor_bytes(dtype, dims_)),
      buffer_(std::move(buffer)) {
  if (offset_bytes > buffer_->size_bytes() || size_bytes_ > buffer_->size_bytes() - offset_bytes) {
    fail(ErrorCode::kInvalidArgument, "tensor", "{} {} needs {} bytes at offset {}, the buffer has {}",
         dtype_name(dtype), to_string(dims_), size_bytes_, offset_bytes, buffer_->size_bytes());
  }
  data_ = buffer_->data() + offset_bytes;
}

Tensor Tensor::host(DType dtype, Dims dims) {
  const size_t size_bytes = tensor_bytes(dtype, dims);
  if (is_object(dtype)) {
    const size_t count = size_bytes / dtype_info(dtype).block_bytes;
    return Tensor(dtype, std::move(dims),
                  dtype == DType::kString ? make_objects<std::string>(count) : make_objects<Tensor>(count));
  }
  return Tensor(dtype, std::move(dims), allocate_host(size_bytes));
}

Tensor Tensor::reshaped(Dims dims) const {
  if (element_count(dims) != count_) {
    fail(ErrorCode::kInvalidArgument, "reshape", "{} cannot become {}: element counts differ",
         to_string(dims_), to_string(dims));
  }
  Tensor view = *this;
  view.dims_ = std::move(dims);
  return view;
}

}  // namespace oag
