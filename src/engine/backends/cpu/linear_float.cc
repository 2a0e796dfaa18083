// oag.Linear with f32, f16 and bf16 weights: y = x · wᵀ + b in two ways. Which one is a node's own, so that a
// row's result never depends on how many rows there are. Against a double sum, both: 1e-6 of Σ|w·x| per 1,000
// inputs.
//
// linear.float reads weights as they are stored and sums in kLanes lanes: one token takes no longer than
// reading them.
// linear.float_panels, for nodes that say many_rows, turns blocks of weights into panels of f32 and sums by
// blocks of kSumBlock inputs: near the peak of the processor, and several times slower for one token.
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/linear_tiles.h"
#include "engine/backends/cpu/matrix_product.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  const DType w = query.dtype(1);
  if (w != DType::kF32 && w != DType::kF16 && w != DType::kBF16) return "w is not f32, f16 or bf16";
  return {};
}

Refusal accept_many_rows(const KernelQuery& query) {
  if (query.node.int_attribute("many_rows", 0) == 0) return "many_rows is not set";
  return accept(query);
}

struct Operands {
  explicit Operands(const KernelContext& context)
      : outputs(context.input(1).dim(0)),
        inputs(context.input(1).dim(1)),
        dtype(context.input(1).dtype()),
        x(context.input(0).values<float>().data()),
        weights(context.input(1).data()),
        stride(static_cast<int64_t>(row_bytes(dtype, inputs))),
        bias(context.has_input(2) ? context.input(2).values<float>().data() : nullptr) {
    Dims dims = context.input(0).dims();
    dims.back() = outputs;
    y = context.allocate_output(0, DType::kF32, std::move(dims)).values<float>();
    tokens = outputs == 0 ? 0 : static_cast<int64_t>(y.size()) / outputs;
  }
  int64_t outputs, inputs, tokens;
  DType dtype;
  const float* x;
  const std::byte* weights;
  int64_t stride;
  const float* bias;
  std::span<float> y;
};

void run(const KernelContext& context, const MicroKernels& micro) {
  const Operands of(context);
  if (of.y.empty()) return;
  const auto dot = of.dtype == DType::kF32   ? micro.dot_f32
                   : of.dtype == DType::kF16 ? micro.dot_f16
                                             : micro.dot_bf16;
  const LinearTiles tiles(of.outputs, of.inputs, of.tokens, 8, 8, context.env().workers());
  context.env().parallel_for(tiles.count, tiles.ns_per_tile, [&](int64_t i, int) {
    const LinearTiles::Tile tile = tiles[i];
    dot({of.weights + tile.row * of.stride, of.stride}, tile.rows, of.x + tile.token * of.inputs, of.inputs,
        tile.tokens, of.inputs, of.bias == nullptr ? nullptr : of.bias + tile.row,
        &of.y[static_cast<size_t>(tile.token * of.outputs + tile.row)], of.outputs);
  });
}

void run_panels(const KernelContext& context, const MicroKernels& micro) {
  const Operands of(context);
  if (of.y.empty()) return;
  const auto pack_columns = of.dtype == DType::kF32   ? micro.pack_columns_f32
                            : of.dtype == DType::kF16 ? micro.pack_columns_f16
                                                      : micro.pack_columns_bf16;
  multiply(context.env(), micro,
           {of.tokens, of.inputs, of.outputs, of.x, of.inputs, of.y.data(), of.outputs, of.bias},
           [&](int64_t row, int64_t count, int64_t first, int64_t depth, float* panel) {
             pack_columns({of.weights + row * of.stride, of.stride}, count, first, depth, panel);
           });
}

}  // namespace

extern constinit const KernelImpl kLinearFloatPanels = {"oag", "Linear", "linear.float_panels",
                                                        accept_many_rows, make_kernel<run_panels>};
extern constinit const KernelImpl kLinearFloat = {"oag", "Linear", "linear.float", accept, make_kernel<run>};

}  // namespace oag::cpu
