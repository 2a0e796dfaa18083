// Gather of whole-byte elements: copies of runs; rows of block formats are decoded to f32, bit for bit as the
// reference decoder does.
#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/ops/strided.h"
#include "engine/tensor/block_format.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  const DType table = query.dtype(0);
  if (is_block_format(table)) return {};  // whose axis is 0
  if (is_object(table)) return "elements are objects";
  return dtype_info(table).block_values == 1 ? Refusal{} : "elements share bytes";
}

int64_t index_at(const KernelContext& context, int64_t i, int64_t limit) {
  const Tensor& indices = context.input(1);
  const auto at = static_cast<size_t>(i);
  const int64_t index =
      indices.dtype() == DType::kI64 ? indices.values<int64_t>()[at] : indices.values<int32_t>()[at];
  if (index < -limit || index >= limit) {
    fail(ErrorCode::kInvalidArgument, "node " + context.node().name, "index {} is outside [-{}, {})", index,
         limit, limit);
  }
  return index < 0 ? index + limit : index;
}

void decode_rows(const KernelContext& context, const Tensor& out, int64_t width) {
  const Tensor& data = context.input(0);
  const size_t stride = row_bytes(data.dtype(), width);
  context.env().parallel_for(context.input(1).count(), 2 * width, [&](int64_t i, int) {
    const auto row =
        data.bytes().subspan(static_cast<size_t>(index_at(context, i, data.dim(0))) * stride, stride);
    decode_blocks(data.dtype(), row,
                  out.values<float>().subspan(static_cast<size_t>(i * width), static_cast<size_t>(width)));
  });
}

void run(const KernelContext& context, const MicroKernels&) {
  constexpr int64_t kTileBytes = 4096;
  const Tensor& data = context.input(0);
  const Tensor& indices = context.input(1);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", 0), data.rank());
  const auto split = data.dims().begin() + static_cast<std::ptrdiff_t>(axis);
  Dims dims(data.dims().begin(), split);
  dims.insert(dims.end(), indices.dims().begin(), indices.dims().end());
  dims.insert(dims.end(), split + 1, data.dims().end());
  const bool blocks = is_block_format(data.dtype());
  const Tensor& out = context.allocate_output(0, blocks ? DType::kF32 : data.dtype(), std::move(dims));
  const int64_t limit = *split, chosen = indices.count();
  for (int64_t i = 0; i < chosen; ++i) index_at(context, i, limit);  // tiles must not throw
  if (out.count() == 0) return;
  const int64_t width = std::accumulate(split + 1, data.dims().end(), int64_t{1}, std::multiplies<>());
  if (blocks) return decode_rows(context, out, width);
  const int64_t run = width * dtype_info(data.dtype()).block_bytes, runs = out.count() / width;
  const int64_t some = std::max<int64_t>(1, kTileBytes / run);
  context.env().parallel_for((runs + some - 1) / some, std::max(run, kTileBytes) / 8, [&](int64_t tile, int) {
    for (int64_t i = tile * some; i < std::min(runs, (tile + 1) * some); ++i) {
      const int64_t from = i / chosen * limit + index_at(context, i % chosen, limit);
      std::memcpy(out.data() + i * run, data.data() + from * run, static_cast<size_t>(run));
    }
  });
}

}  // namespace

extern constinit const KernelImpl kGather = {"", "Gather", "gather", accept, make_kernel<run>};

}  // namespace oag::cpu
