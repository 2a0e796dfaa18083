#include "engine/ops/strided.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "engine/ops/element.h"

namespace oag {
namespace {

template <size_t kBytes>
void copy_elements(std::byte* out, int64_t out_step, const std::byte* in, int64_t in_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(out + i * out_step, in + i * in_step, kBytes);
}

// Steps are in bytes.
void copy_piece(size_t width, std::byte* out, int64_t out_step, const std::byte* in, int64_t in_step,
                int64_t count) {
  const auto signed_width = static_cast<int64_t>(width);
  if (out_step == signed_width && in_step == signed_width) {
    std::memcpy(out, in, width * static_cast<size_t>(count));
    return;
  }
  switch (width) {
    case 1: return copy_elements<1>(out, out_step, in, in_step, count);
    case 2: return copy_elements<2>(out, out_step, in, in_step, count);
    case 4: return copy_elements<4>(out, out_step, in, in_step, count);
    case 8: return copy_elements<8>(out, out_step, in, in_step, count);
    default: return copy_elements<16>(out, out_step, in, in_step, count);
  }
}

template <typename Object>
void copy_objects(const Tensor& out, int64_t out_at, int64_t out_step, const Tensor& in, int64_t in_at,
                  int64_t in_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    out.values<Object>()[static_cast<size_t>(out_at + i * out_step)] =
        in.values<Object>()[static_cast<size_t>(in_at + i * in_step)];
  }
}

void copy_walk(KernelEnv& env, const Dims& dims, const Tensor& out, int64_t out_start,
               const Strides& out_strides, const Tensor& in, int64_t in_start, const Strides& in_strides) {
  const StridedWalk walk(dims, std::vector<Strides>{out_strides, in_strides});
  walk.run(env, [&](std::span<const int64_t> at, int64_t count) {
    copy_run(out, out_start + at[0], walk.step(0), in, in_start + at[1], walk.step(1), count);
  });
}

}  // namespace

Strides dense_strides(const Dims& dims) {
  Strides strides(dims.size());
  int64_t step = 1;
  for (size_t d = dims.size(); d-- > 0; step *= std::max<int64_t>(dims[d], 1)) strides[d] = step;
  return strides;
}

Strides broadcast_strides(const Dims& dims, const Dims& to) {
  Strides strides(to.size(), 0);
  const Strides dense = dense_strides(dims);
  const size_t lacking = to.size() - dims.size();
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == to[lacking + d]) strides[lacking + d] = dense[d];
  }
  return strides;
}

Dims broadcast_dims(const KernelContext& context, const Dims& a, const Dims& b) {
  Dims result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {  // i counts from the last dim
    const int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) {
      context.refuse("shapes {} and {} do not broadcast", to_string(a), to_string(b));
    }
    result[result.size() - 1 - i] = left == 1 ? right : left;
  }
  return result;
}

size_t normalize_axis(const KernelContext& context, int64_t axis, size_t rank) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    context.refuse("axis {} is outside [-{}, {}) of rank {}", axis, rank, rank, rank);
  }
  return static_cast<size_t>(axis < 0 ? axis + signed_rank : axis);
}

StridedWalk::StridedWalk(const Dims& dims, std::span<const Strides> operands)
    : inner_steps_(operands.size(), 0) {
  Dims merged;
  std::vector<Strides> steps;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 1) continue;
    Strides here(operands.size());
    for (size_t k = 0; k < operands.size(); ++k) here[k] = operands[k][d];
    bool contiguous = !merged.empty();
    for (size_t k = 0; contiguous && k < operands.size(); ++k)
      contiguous = steps.back()[k] == here[k] * dims[d];
    if (contiguous) {
      merged.back() *= dims[d];
      steps.back() = std::move(here);
    } else {
      merged.push_back(dims[d]);
      steps.push_back(std::move(here));
    }
  }
  if (!merged.empty()) {
    inner_ = merged.back();
    inner_steps_ = steps.back();
    merged.pop_back();
    steps.pop_back();
  }
  outer_ = std::move(merged);
  steps_ = std::move(steps);
  pieces_per_row_ = (inner_ + kPiece - 1) / kPiece;
  pieces_ = element_count(outer_) * pieces_per_row_;
}

bool StridedWalk::run(KernelEnv& env, FunctionRef<void(std::span<const int64_t>, int64_t)> piece) const {
  constexpr int64_t kTileElements = 16 * kPiece;
  const int64_t per_tile = std::max<int64_t>(1, kTileElements / std::clamp<int64_t>(inner_, 1, kPiece));
  const int64_t tiles = (pieces_ + per_tile - 1) / per_tile;
  return env.parallel_for(tiles, kTileElements, [&](int64_t tile, int) {
    run_range(tile * per_tile, std::min(pieces_, (tile + 1) * per_tile), piece);
  });
}

void StridedWalk::run_serial(FunctionRef<void(std::span<const int64_t>, int64_t)> piece) const {
  run_range(0, pieces_, piece);
}

void StridedWalk::run_range(int64_t begin, int64_t end,
                            FunctionRef<void(std::span<const int64_t>, int64_t)> piece) const {
  std::vector<int64_t> at(inner_steps_.size());
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = i % pieces_per_row_ * kPiece;
    for (size_t k = 0; k < at.size(); ++k) at[k] = first * inner_steps_[k];
    int64_t rest = i / pieces_per_row_;
    for (size_t d = outer_.size(); d-- > 0; rest /= outer_[d]) {
      for (size_t k = 0; k < at.size(); ++k) at[k] += rest % outer_[d] * steps_[d][k];
    }
    piece(at, std::min(kPiece, inner_ - first));
  }
}

void copy_run(const Tensor& out, int64_t out_start, int64_t out_step, const Tensor& in, int64_t in_start,
              int64_t in_step, int64_t count) {
  if (out.dtype() == DType::kString)
    return copy_objects<std::string>(out, out_start, out_step, in, in_start, in_step, count);
  if (is_object(out.dtype()))
    return copy_objects<Tensor>(out, out_start, out_step, in, in_start, in_step, count);
  const size_t width = dtype_info(out.dtype()).block_bytes;
  const auto bytes = static_cast<int64_t>(width);
  copy_piece(width, out.data() + out_start * bytes, out_step * bytes, in.data() + in_start * bytes,
             in_step * bytes, count);
}

void copy_strided(KernelEnv& env, const Tensor& out, const Tensor& in, int64_t start,
                  const Strides& strides) {
  if (is_packed(out.dtype())) {
    const Tensor codes = Tensor::host(DType::kU8, out.dims());
    copy_strided(env, codes, unpack_codes(in), start, strides);
    return pack_codes(codes, out);
  }
  copy_walk(env, out.dims(), out, 0, dense_strides(out.dims()), in, start, strides);
}

void place_strided(KernelEnv& env, const Tensor& out, int64_t start, const Strides& strides,
                   const Tensor& in) {
  if (is_packed(out.dtype())) {
    const Tensor codes = unpack_codes(out);
    place_strided(env, codes, start, strides, unpack_codes(in));
    return pack_codes(codes, out);
  }
  copy_walk(env, in.dims(), out, start, strides, in, 0, dense_strides(in.dims()));
}

Lanes::Lanes(const Dims& dims, size_t axis) : length(dims[axis]) {
  for (size_t d = 0; d < axis; ++d) count *= dims[d];
  for (size_t d = axis + 1; d < dims.size(); ++d) step *= dims[d];
  count *= step;
}

}  // namespace oag
