// Gather on axis 0: copies of rows; rows of block formats are decoded to f32, bit for bit as the reference
// decoder does.
#include <cstring>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/tensor/block_format.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  const DType table = query.dtype(0);
  if (table != DType::kF32 && table != DType::kF16 && table != DType::kBF16 && !is_block_format(table)) {
    return "table is not f32, f16, bf16 or a block format";
  }
  const int64_t axis = query.node.int_attribute("axis", 0);
  const Shape* data = query.shape(0);
  const bool first = axis == 0 || (data != nullptr && axis == -static_cast<int64_t>(data->size()));
  return first ? Refusal{} : "axis is not the first one";
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

void run(const KernelContext& context, const MicroKernels&) {
  const Tensor& data = context.input(0);
  const Tensor& indices = context.input(1);
  Dims dims = indices.dims();
  dims.insert(dims.end(), data.dims().begin() + 1, data.dims().end());
  const bool blocks = is_block_format(data.dtype());
  const Tensor& out = context.allocate_output(0, blocks ? DType::kF32 : data.dtype(), std::move(dims));
  if (out.count() == 0) return;
  const int64_t width = out.count() / indices.count();
  const size_t stride = row_bytes(data.dtype(), width);
  for (int64_t i = 0; i < indices.count(); ++i) index_at(context, i, data.dim(0));  // tiles must not throw
  context.env().parallel_for(indices.count(), blocks ? 2 * width : width / 8, [&](int64_t i, int) {
    const auto row =
        data.bytes().subspan(static_cast<size_t>(index_at(context, i, data.dim(0))) * stride, stride);
    if (blocks) {
      decode_blocks(data.dtype(), row,
                    out.values<float>().subspan(static_cast<size_t>(i * width), static_cast<size_t>(width)));
    } else {
      std::memcpy(out.data() + static_cast<size_t>(i) * stride, row.data(), stride);
    }
  });
}

}  // namespace

extern constinit const KernelImpl kGather = {"", "Gather", "gather", accept, make_kernel<run>};

}  // namespace oag::cpu
