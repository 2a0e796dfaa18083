#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "llm/models/text_config.h"
#include "llm/models/weights.h"

namespace oag {

// What happens to the rows of each head of q and k between two files.
enum class HeadOrder {
  kSame,
  kToInterleaved,  // rotated rows come as halves (j, j + R/2) and become pairs (2j, 2j + 1)
  kToHalves,       // the reverse
};

// Where the rows of a tensor to be written stand. A row is what lies together on both sides: usually one of
// the matrix, for a vector one value, for a convolution one kernel.
struct RowSource {
  std::vector<const StoredTensor*> from;  // row r is one of from[r % from.size()]
  int64_t first = 0, stride = 1;          // and there row first + stride * (r / from.size()), in head order
  HeadOrder order = HeadOrder::kSame;
  int64_t head_size = 1, rotated = 0;

  int64_t row_of(int64_t row) const;
};

// A tensor to be written.
struct PlannedTensor {
  std::string name;
  DType dtype = DType::kUndefined;
  Dims dims;
  int64_t row_values = 1;
  RowSource rows;
  std::vector<float> computed;  // the values, where they come from no tensor; then dtype is f32

  int64_t row_count() const { return element_count(dims) / row_values; }
  uint64_t size_bytes() const;
};

// A tensor as it stands, under another name and type. Errors: kUnsupported for a type that nothing reads.
PlannedTensor plan_tensor(const StoredTensor& tensor, std::string name, DType dtype, std::string_view where);

// Some rows of a matrix or vector as a tensor of their own.
PlannedTensor plan_rows(const StoredTensor& tensor, std::string name, DType dtype, int64_t first,
                        int64_t count, std::string_view where);

// Sets the head order of attn_q and attn_k, weights and biases, when their rows change from one pairing of
// rotary embedding to another; `gguf_name` tells which tensor it is.
void plan_head_order(PlannedTensor& tensor, std::string_view gguf_name, const TextConfig& config,
                     RopePairing from, RopePairing to);

// Patch kernels [hidden, colours, frames, y, x] as one tensor [hidden, colours, y, x] a frame, named
// `name`, `name`.1, …
std::vector<PlannedTensor> plan_frames(const StoredTensor& tensor, const std::string& name, DType dtype,
                                       std::string_view where);

// The reverse.
PlannedTensor plan_joined_frames(const std::vector<const StoredTensor*>& frames, std::string name,
                                 DType dtype, std::string_view where);

}  // namespace oag
