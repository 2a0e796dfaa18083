#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "engine/formats/onnx/onnx_tensor.h"
#include "engine/formats/printable.h"

namespace oag {
namespace {

// Indices of the values that are stored: [n] positions in the dense array, or [n, rank] of coordinates.
class SparseReader {
 public:
  SparseReader(const SparseTensorMessage& message, const TensorOrigin& origin)
      : message_(message), origin_(origin), where_(message.values->body.source().where) {}

  Tensor read() const {
    const Tensor values = read_tensor(*message_.values, origin_);
    if (values.rank() != 1) refuse("its values have {} dims, expected 1", values.rank());
    if (dtype_info(values.dtype()).block_values > 1)
      refuse("is of type {}, expected one of whole bytes", dtype_name(values.dtype()));
    const Tensor dense = zeros(values.dtype());
    const Tensor indices = read_indices(values.dim(0));
    for (int64_t i = 0; i < values.dim(0); ++i) put(dense, values, i, position(indices, i));
    return dense;
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorruptData, where_, "sparse tensor {}: {}", printable(message_.values->name),
         fmt::format(format, std::forward<Args>(args)...));
  }

  Tensor zeros(DType dtype) const {
    int64_t bytes = static_cast<int64_t>(dtype_info(dtype).block_bytes);
    bool possible = message_.dims.size() <= 64;
    for (const int64_t dim : message_.dims) {
      if (dim < 0) refuse("has a dim of {}", dim);
      possible = possible && !__builtin_mul_overflow(bytes, dim, &bytes);
    }
    if (!possible || static_cast<uint64_t>(bytes) > origin_.most_dense_bytes) {
      fail(ErrorCode::kUnsupported, where_,
           "sparse tensor {}: {} is stored with its zeros here, and may have {} bytes then",
           printable(message_.values->name), to_string(message_.dims), origin_.most_dense_bytes);
    }
    Tensor dense = Tensor::host(dtype, message_.dims);
    if (dtype != DType::kString && dense.size_bytes() > 0) std::memset(dense.data(), 0, dense.size_bytes());
    return dense;
  }

  Tensor read_indices(int64_t count) const {
    if (!message_.indices) {
      if (count != 0) refuse("has {} values and no indices", count);
      return {};
    }
    Tensor indices = read_tensor(*message_.indices, origin_);
    const auto rank = static_cast<int64_t>(message_.dims.size());
    const Dims& dims = indices.dims();
    const bool fits =
        (dims.size() == 1 && dims[0] == count) || (dims.size() == 2 && dims[0] == count && dims[1] == rank);
    if (indices.dtype() != DType::kI64 || !fits) {
      refuse("its indices are {} {}, expected i64 [{}] or [{}, {}]", dtype_name(indices.dtype()),
             to_string(dims), count, count, rank);
    }
    return indices;
  }

  int64_t position(const Tensor& indices, int64_t i) const {
    const auto numbers = indices.values<int64_t>();
    int64_t at = 0;
    if (indices.rank() == 1) {
      at = numbers[static_cast<size_t>(i)];
      if (at < 0 || at >= element_count(message_.dims))
        refuse("index {} is {}, expected less than {}", i, at, element_count(message_.dims));
      return at;
    }
    const size_t rank = message_.dims.size();
    for (size_t d = 0; d < rank; ++d) {
      const int64_t index = numbers[static_cast<size_t>(i) * rank + d];
      if (index < 0 || index >= message_.dims[d])
        refuse("index {} of value {} is {}, expected less than {}", d, i, index, message_.dims[d]);
      at = at * message_.dims[d] + index;
    }
    return at;
  }

  static void put(const Tensor& dense, const Tensor& values, int64_t from, int64_t to) {
    if (values.dtype() == DType::kString) {
      dense.values<std::string>()[static_cast<size_t>(to)] =
          values.values<std::string>()[static_cast<size_t>(from)];
      return;
    }
    const size_t width = dtype_info(values.dtype()).block_bytes;
    std::memcpy(dense.data() + static_cast<size_t>(to) * width,
                values.data() + static_cast<size_t>(from) * width, width);
  }

  const SparseTensorMessage& message_;
  const TensorOrigin& origin_;
  const std::string& where_;
};

}  // namespace

Tensor read_sparse_tensor(const SparseTensorMessage& message, const TensorOrigin& origin) {
  if (!message.values) {
    fail(ErrorCode::kCorruptData, message.indices ? message.indices->body.source().where : "sparse tensor",
         "a sparse tensor has no values");
  }
  return SparseReader(message, origin).read();
}

}  // namespace oag
