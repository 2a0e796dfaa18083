#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/formats/onnx/external_data.h"
#include "engine/formats/onnx/onnx_messages.h"
#include "engine/tensor/tensor.h"

namespace oag {

// Where tensors of one file may lie.
struct TensorOrigin {
  // The file's bytes, when tensors may be views into it. Without, all values are copied.
  std::shared_ptr<Buffer> mapped;
  // Without, external data is refused.
  ExternalData* external = nullptr;
  // The most that a sparse tensor may take when its zeros are written out.
  uint64_t most_dense_bytes = uint64_t{1} << 30;
};

// The element type of ONNX's number for it. Errors: kUnsupported, naming `where` and `what`.
DType element_type(int64_t code, const std::string& where, const std::string& what);

// The tensor's values: a view where they stand in ONNX's raw form, aligned, in a mapped file, else a copy.
// Sub-byte types are packed low bits first there as here. Errors, naming file and tensor: kCorruptData when
// dims, type and data contradict each other; kUnsupported for types that the engine lacks; see
// ExternalData::find.
Tensor read_tensor(const TensorMessage& message, const TensorOrigin& origin);

// The same with the zeros written out. Errors: also kUnsupported above origin.most_dense_bytes.
Tensor read_sparse_tensor(const SparseTensorMessage& message, const TensorOrigin& origin);

}  // namespace oag
