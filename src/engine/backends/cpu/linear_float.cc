// oag.Linear with f32, f16 and bf16 weights: y = x · wᵀ + b, f32 sums in the order of the inputs. Against a
// double sum: 1e-6 of Σ|w·x| per 1,000 inputs. Weights are read as they are stored: whole by the products of
// a few tokens, block by block into panels of f32 where many share them.
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/linear_tiles.h"
#include "engine/backends/cpu/matrix_product.h"

namespace oag::cpu {
namespace {

// More tokens than this are worth panels.
constexpr int64_t kFewTokens = 8;

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
  const float* x = context.input(0).values<float>().data();
  const float* bias = context.has_input(2) ? context.input(2).values<float>().data() : nullptr;
  const std::byte* weights = context.input(1).data();
  const auto stride = static_cast<int64_t>(row_bytes(dtype, inputs));
  if (tokens > kFewTokens) {
    const auto pack_columns = dtype == DType::kF32   ? micro.pack_columns_f32
                              : dtype == DType::kF16 ? micro.pack_columns_f16
                                                     : micro.pack_columns_bf16;
    multiply(context.env(), micro, {tokens, inputs, outputs, x, inputs, y.data(), outputs, bias},
             [&](int64_t row, int64_t count, int64_t first, int64_t depth, float* panel) {
               pack_columns({weights + row * stride, stride}, count, first, depth, panel);
             });
    return;
  }
  const auto dot = dtype == DType::kF32   ? micro.dot_f32
                   : dtype == DType::kF16 ? micro.dot_f16
                                          : micro.dot_bf16;
  const LinearTiles tiles(outputs, inputs, tokens, 32, 8, context.env().workers());
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
