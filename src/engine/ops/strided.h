#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "engine/ops/kernel.h"
#include "engine/tensor/tensor.h"

namespace oag {

using Strides = std::vector<int64_t>;  // one per dim, in elements; 0 repeats, negative runs backwards

// Strides of a dense row-major array.
Strides dense_strides(const Dims& dims);

// How an array of `dims` is read when it broadcasts to `to`: dense, 0 where a dim is repeated or lacking.
Strides broadcast_strides(const Dims& dims, const Dims& to);

// Numpy-style broadcast of what the inputs are at run time. Errors: kInvalidArgument through `context`.
Dims broadcast_dims(const KernelContext& context, const Dims& a, const Dims& b);

// `axis` in [-rank, rank) made non-negative. Errors through `context`.
size_t normalize_axis(const KernelContext& context, int64_t axis, size_t rank);

// A walk over an index space that several operands share, each with its own strides, in pieces of at most
// kPiece elements along the last dim. Dims that are contiguous for all operands are merged first.
class StridedWalk {
 public:
  static constexpr int64_t kPiece = 1024;

  StridedWalk(const Dims& dims, std::span<const Strides> operands);

  // What an operand's element index grows by within a piece.
  int64_t step(size_t operand) const { return inner_steps_[operand]; }
  // Calls piece(first index of each operand, elements). The first serves all workers, the second only the
  // caller.
  bool run(KernelEnv& env, FunctionRef<void(std::span<const int64_t>, int64_t)> piece) const;
  void run_serial(FunctionRef<void(std::span<const int64_t>, int64_t)> piece) const;

 private:
  void run_range(int64_t begin, int64_t end,
                 FunctionRef<void(std::span<const int64_t>, int64_t)> piece) const;

  Dims outer_;                  // merged dims but the last
  std::vector<Strides> steps_;  // per outer dim, per operand
  Strides inner_steps_;         // per operand
  int64_t inner_ = 1;
  int64_t pieces_per_row_ = 1;
  int64_t pieces_ = 0;
};

// out[out_start + i · out_step] = in[in_start + i · in_step] for i in [0, count): elements of one type, whole
// bytes or objects. Packed ones are moved as codes (unpack_codes).
void copy_run(const Tensor& out, int64_t out_start, int64_t out_step, const Tensor& in, int64_t in_start,
              int64_t in_step, int64_t count);

// out[i] = in[start + Σ i[d] · strides[d]] for every index i of `out`, which is dense: elements of any type.
void copy_strided(KernelEnv& env, const Tensor& out, const Tensor& in, int64_t start, const Strides& strides);

// The reverse: out[start + Σ i[d] · strides[d]] = in[i] for every index i of `in`, which is dense.
void place_strided(KernelEnv& env, const Tensor& out, int64_t start, const Strides& strides,
                   const Tensor& in);

// The lanes of an array along one axis: lane l starts at `start(l)` and has `length` elements `step` apart.
struct Lanes {
  Lanes(const Dims& dims, size_t axis);
  int64_t start(int64_t lane) const { return lane / step * step * length + lane % step; }

  int64_t count = 1;
  int64_t length = 1;
  int64_t step = 1;
};

}  // namespace oag
