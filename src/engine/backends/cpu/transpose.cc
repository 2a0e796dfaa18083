// Transpose of any elements of 1, 2, 4, 8 or 16 bytes. Dims that stay neighbours are one dim; what remains is
// copies of runs where the last dim stays last, and else transposed blocks of matrices.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"

namespace oag::cpu {
namespace {

constexpr int64_t kRun = 8192;  // bytes worth a tile

Refusal accept(const KernelQuery& query) {
  const DType dtype = query.dtype(0);
  if (is_object(dtype)) return "elements are objects";
  return dtype_info(dtype).block_values == 1 ? Refusal{} : "elements share bytes";
}

// A dim of the output, and how far its elements are apart in the input.
struct Axis {
  int64_t count, stride;
};

std::vector<size_t> permutation(const KernelContext& context, size_t rank) {
  std::vector<size_t> perm(rank);
  std::iota(perm.rbegin(), perm.rend(), size_t{0});
  if (!context.node().has_attribute("perm")) return perm;
  const auto wanted = context.node().ints_attribute("perm");
  std::vector<bool> seen(rank, false);
  for (size_t d = 0; d < wanted.size(); ++d) {
    const bool fits = wanted.size() == rank && wanted[d] >= 0 && wanted[d] < static_cast<int64_t>(rank) &&
                      !seen[static_cast<size_t>(wanted[d])];
    if (!fits) break;
    perm[d] = static_cast<size_t>(wanted[d]);
    seen[perm[d]] = true;
  }
  if (std::ranges::count(seen, true) != static_cast<std::ptrdiff_t>(rank))
    context.refuse("perm {} is no permutation of {} dims", to_string(wanted), rank);
  return perm;
}

// The output's dims, without those of one element, neighbours that are neighbours in the input joined.
std::vector<Axis> merged_axes(const Dims& dims, const std::vector<size_t>& perm) {
  Dims strides(dims.size());
  int64_t step = 1;
  for (size_t d = dims.size(); d-- > 0; step *= dims[d]) strides[d] = step;
  std::vector<Axis> axes;
  for (const size_t d : perm) {
    if (dims[d] == 1) continue;
    if (!axes.empty() && axes.back().stride == dims[d] * strides[d]) {
      axes.back() = {axes.back().count * dims[d], strides[d]};
    } else {
      axes.push_back({dims[d], strides[d]});
    }
  }
  if (axes.empty()) axes.push_back({1, 1});
  return axes;
}

// Where the elements of outer index i begin in the input, and in the output where it steps by itself.
struct Outer {
  std::vector<Axis> axes;  // of the input's strides, from the first to the last
  std::vector<int64_t> out_strides;

  int64_t count() const {
    return std::accumulate(axes.begin(), axes.end(), int64_t{1},
                           [](int64_t product, const Axis& axis) { return product * axis.count; });
  }
  std::pair<int64_t, int64_t> at(int64_t i) const {
    int64_t from = 0, to = 0;
    for (size_t d = axes.size(); d-- > 0; i /= axes[d].count) {
      from += i % axes[d].count * axes[d].stride;
      to += i % axes[d].count * out_strides[d];
    }
    return {from, to};
  }
};

// The last dim stays last: rows are copied, several in a tile.
void copy_runs(KernelEnv& env, const std::vector<Axis>& axes, const std::byte* from, std::byte* to,
               int64_t element_bytes) {
  const int64_t run = axes.back().count * element_bytes;
  Outer outer;
  outer.axes.assign(axes.begin(), axes.end() - 1);
  outer.out_strides.assign(outer.axes.size(), 0);
  const int64_t rows = outer.count(), some = std::max<int64_t>(1, kRun / run);
  env.parallel_for((rows + some - 1) / some, std::max(run, kRun) / 8, [&](int64_t i, int) {
    for (int64_t row = i * some; row < std::min(rows, (i + 1) * some); ++row) {
      std::memcpy(to + row * run, from + outer.at(row).first * element_bytes, static_cast<size_t>(run));
    }
  });
}

template <typename T>
void transpose_elements(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T* to,
                        int64_t to_stride) {
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = 0; r < rows; ++r) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

struct Wide {
  uint64_t halves[2];
};

void transpose_bytes(const MicroKernels& micro, const std::byte* from, int64_t from_stride, int64_t rows,
                     int64_t columns, std::byte* to, int64_t to_stride, int64_t element_bytes) {
  const auto as = [&]<typename T>(T) {
    transpose_elements(reinterpret_cast<const T*>(from), from_stride, rows, columns, reinterpret_cast<T*>(to),
                       to_stride);
  };
  switch (element_bytes) {
    case 1: return as(uint8_t{});
    case 2: return as(uint16_t{});
    case 4:
      return micro.transpose_block(reinterpret_cast<const float*>(from), from_stride, rows, columns,
                                   reinterpret_cast<float*>(to), to_stride);
    case 8: return as(uint64_t{});
    default: return as(Wide{});
  }
}

// The output's last dim is `rows` of the input, and the input's last one its `columns`: blocks of both.
void turn_blocks(KernelEnv& env, const MicroKernels& micro, const std::vector<Axis>& axes,
                 const std::byte* from, std::byte* to, int64_t element_bytes) {
  constexpr int64_t kBlock = 64;
  const auto last = std::ranges::find(axes, 1, &Axis::stride);
  const Axis rows = axes.back();
  const int64_t columns = last->count;
  Outer outer;
  int64_t step = 1, column_step = 1;
  for (size_t d = axes.size(); d-- > 0; step *= axes[d].count) {
    if (&axes[d] == &*last) column_step = step;
    if (&axes[d] == &*last || d + 1 == axes.size()) continue;
    outer.axes.insert(outer.axes.begin(), axes[d]);
    outer.out_strides.insert(outer.out_strides.begin(), step);
  }
  const int64_t row_blocks = (rows.count + kBlock - 1) / kBlock,
                column_blocks = (columns + kBlock - 1) / kBlock;
  const int64_t area = std::min(rows.count, kBlock) * std::min(columns, kBlock);
  env.parallel_for(outer.count() * column_blocks * row_blocks, area / 2 + 5, [&](int64_t i, int) {
    const int64_t row = i % row_blocks * kBlock, column = i / row_blocks % column_blocks * kBlock;
    const auto [in, out] = outer.at(i / row_blocks / column_blocks);
    transpose_bytes(micro, from + (in + row * rows.stride + column) * element_bytes, rows.stride,
                    std::min(kBlock, rows.count - row), std::min(kBlock, columns - column),
                    to + (out + column * column_step + row) * element_bytes, column_step, element_bytes);
  });
}

void run(const KernelContext& context, const MicroKernels& micro) {
  const Tensor& data = context.input(0);
  const std::vector<size_t> perm = permutation(context, data.rank());
  Dims dims;
  for (const size_t d : perm) dims.push_back(data.dim(d));
  const Tensor& out = context.allocate_output(0, data.dtype(), std::move(dims));
  if (out.count() == 0) return;
  const std::vector<Axis> axes = merged_axes(data.dims(), perm);
  const int64_t element_bytes = dtype_info(data.dtype()).block_bytes;
  if (axes.back().stride == 1) return copy_runs(context.env(), axes, data.data(), out.data(), element_bytes);
  turn_blocks(context.env(), micro, axes, data.data(), out.data(), element_bytes);
}

}  // namespace

extern constinit const KernelImpl kTranspose = {"", "Transpose", "transpose", accept, make_kernel<run>};

}  // namespace oag::cpu
