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
  std::vector<const StoredTensor*> from;  // taken in turn, `run` rows of each
  int64_t run = 1;
  int64_t first = 0, stride = 1;  // the i-th row taken of one is its row first + stride * i, in head order
  HeadOrder order = HeadOrder::kSame;
  int64_t head_size = 1, rotated = 0;

  const StoredTensor& part_of(int64_t row) const;
  int64_t row_of(int64_t row) const;
  // How many rows from `row` on, `count` at most, stand one behind the other in one tensor.
  int64_t together(int64_t row, int64_t count) const;
};

// A tensor to be written.
struct PlannedTensor {
  std::string name;
  DType dtype = DType::kUndefined;
  Dims dims;
  int64_t row_values = 1;
  RowSource rows;
  std::vector<float> computed;  // the values, where they come from no tensor; then dtype is f32

  int64_t row_count() const { return row_values == 0 ? 0 : element_count(dims) / row_values; }
  uint64_t size_bytes() const;
  uint64_t source_bytes() const;  // that are read for it
};

// A tensor as it stands, under another name and type. Errors: kUnsupported for a type that nothing reads.
PlannedTensor plan_tensor(const StoredTensor& tensor, std::string name, DType dtype, std::string_view where);

// Some rows of a matrix or vector as a tensor of their own.
PlannedTensor plan_rows(const StoredTensor& tensor, std::string name, DType dtype, int64_t first,
                        int64_t count, std::string_view where);

// Matrices of one shape and type as one tensor [count, rows, columns], one behind the other. Errors: as
// plan_tensor; kCorruptData where they differ.
PlannedTensor plan_stack(const std::vector<const StoredTensor*>& parts, std::string name, DType dtype,
                         std::string_view where);

// One matrix of such a tensor.
PlannedTensor plan_part(const StoredTensor& stack, std::string name, DType dtype, int64_t index,
                        std::string_view where);

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
