#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "engine/tensor/dim.h"
#include "engine/tensor/dtype.h"

namespace oag {

class MappedFile;

// Owner of a run of bytes on one device. Devices derive from it to release their own memory.
class Buffer {
 public:
  virtual ~Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::byte* data() const { return data_; }
  size_t size_bytes() const { return size_bytes_; }
  virtual bool on_host() const { return true; }
  // These bytes will not be read again soon: what can be had again from a file may leave memory.
  virtual void drop_pages(std::span<const std::byte>) const {}

 protected:
  Buffer(std::byte* data, size_t size_bytes) : data_(data), size_bytes_(size_bytes) {}

 private:
  std::byte* data_;
  size_t size_bytes_;
};

// Uninitialised host memory, aligned to 64 bytes. Errors: kOutOfMemory with the size.
std::shared_ptr<Buffer> allocate_host(size_t size_bytes);

// The same for bytes that will all be used and stay: on large pages where the system has them, which are
// faster to touch and to read. Aligned to 64 bytes at least.
std::shared_ptr<Buffer> allocate_host_resident(size_t size_bytes);

// A buffer over memory that `owner` keeps alive; `file` when that is the file's mapping.
std::shared_ptr<Buffer> wrap_host(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                  const MappedFile* file = nullptr);

// A dense row-major array: element type, dims and a place inside a Buffer. Copies share the bytes.
// The last dim of a block format counts values, not blocks.
class Tensor {
 public:
  Tensor() = default;
  // Errors: kInvalidArgument when the place is smaller than the dims need.
  Tensor(DType dtype, Dims dims, std::shared_ptr<Buffer> buffer, size_t offset_bytes = 0);
  // Uninitialised; of strings and containers, each element empty. Errors: kOutOfMemory with the size.
  static Tensor host(DType dtype, Dims dims);
  template <typename T>
  static Tensor of(DType dtype, Dims dims, std::span<const T> values);

  bool defined() const { return dtype_ != DType::kUndefined; }
  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t dim(size_t i) const { return dims_[i]; }
  size_t rank() const { return dims_.size(); }
  int64_t count() const { return count_; }
  size_t size_bytes() const { return size_bytes_; }
  std::byte* data() const { return data_; }
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }

  // Elements as T, whose size must be the element's; not for block formats. Of strings T is std::string, of
  // containers Tensor.
  template <typename T>
  std::span<T> values() const {
    return {reinterpret_cast<T*>(data_), static_cast<size_t>(count_)};
  }
  std::span<std::byte> bytes() const { return {data_, size_bytes_}; }

  // The same bytes under other dims. Errors: kInvalidArgument when the element counts differ.
  Tensor reshaped(Dims dims) const;

 private:
  DType dtype_ = DType::kUndefined;
  Dims dims_;
  int64_t count_ = 0;
  size_t size_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::shared_ptr<Buffer> buffer_;
};

// Bytes that a tensor of this type and dims occupies. Errors: kInvalidArgument on overflow or a broken block.
size_t tensor_bytes(DType dtype, const Dims& dims);

template <typename T>
Tensor Tensor::of(DType dtype, Dims dims, std::span<const T> values) {
  Tensor tensor = host(dtype, std::move(dims));
  const std::span<const std::byte> source = std::as_bytes(values);
  std::copy(source.begin(),
            source.begin() + static_cast<std::ptrdiff_t>(std::min(source.size(), tensor.size_bytes())),
            tensor.data());
  return tensor;
}

}  // namespace oag
