// oag.Linear with f32, f16 and bf16 weights: y = x · wᵀ + b, f32 sums in kLanes lanes. Against a double sum:
// 1e-6 of Σ|w·x| per 1,000 inputs.
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/linear_tiles.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  const DType w = query.dtype(1);
  if (w != DType::kF32 && w != DType::kF16 && w != DType::kBF16) return "w is not f32, f16 or bf16";
  return {};
}

void run(const KernelContext& context, const MicroKernels& micro) {
  const int64_t outputs = context.input(1).dim(0), inputs = context.input(1).dim(1);
  Dims dims = context.input(0).dims();
  dims.back() = outputs;
  const std::span<float> y = context.allocate_output(0, DType::kF32, std::move(dims)).values<float>();
  if (y.empty()) return;
  const int64_t tokens = static_cast<int64_t>(y.size()) / outputs;
  const DType dtype = context.input(1).dtype();
  const auto dot = dtype == DType::kF32   ? micro.dot_f32
                   : dtype == DType::kF16 ? micro.dot_f16
                                          : micro.dot_bf16;
  const float* x = context.input(0).values<float>().data();
  const float* bias = context.has_input(2) ? context.input(2).values<float>().data() : nullptr;
  const std::byte* weights = context.input(1).data();
  const auto stride = static_cast<int64_t>(row_bytes(dtype, inputs));
  const LinearTiles tiles(outputs, inputs, tokens, 8, 8, context.env().workers());
  context.env().parallel_for(tiles.count, tiles.ns_per_tile, [&](int64_t i, int) {
    const LinearTiles::Tile tile = tiles[i];
    dot({weights + tile.row * stride, stride}, tile.rows, x + tile.token * inputs, inputs, tile.tokens,
        inputs, bias == nullptr ? nullptr : bias + tile.row,
        &y[static_cast<size_t>(tile.token * outputs + tile.row)], outputs);
  });
}

}  // namespace

extern constinit const KernelImpl kLinearFloat = {"oag", "Linear", "linear.float", accept, make_kernel<run>};

}  // namespace oag::cpu
