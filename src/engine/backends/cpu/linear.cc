// oag.Linear: y = x · wᵀ + b.
//
// linear.block, for every block format: the activations are quantised to int8 blocks of 32 (scale max|x| /
// 127, to nearest), weights are unpacked a few rows at a time, products are exact integers per block and sums
// are f32. Against the exact product with the quantised activations: 1e-5 of Σ|w·x|. Against unquantised
// ones: half a step per value, |error| <= Σ_i |w_i| · max|x of i's block| / 254, and about √(1 / inputs) of
// that for values without a pattern. linear.float, for f32, f16 and bf16: f32 sums in kLanes lanes. Against a
// double sum: 1e-6 of Σ|w·x| per 1,000 inputs.
#include <bit>
#include <cstring>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/linear_tiles.h"

namespace oag::cpu {
namespace {

struct LinearShape {
  explicit LinearShape(const KernelContext& context)
      : outputs(context.input(1).dim(0)),
        inputs(context.input(1).dim(1)),
        tokens(inputs == 0
                   ? element_count(Dims(context.input(0).dims().begin(), context.input(0).dims().end() - 1))
                   : context.input(0).count() / inputs) {}
  int64_t outputs, inputs, tokens;
};

std::span<float> prepare_output(const KernelContext& context, const LinearShape& shape) {
  Dims dims = context.input(0).dims();
  dims.back() = shape.outputs;
  return context.allocate_output(0, DType::kF32, std::move(dims)).values<float>();
}

const float* bias_of(const KernelContext& context) {
  return context.has_input(2) ? context.input(2).values<float>().data() : nullptr;
}

// --- block formats

Refusal accept_block(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  if (!is_block_format(query.dtype(1))) return "w is no block format";
  return {};
}

class BlockLinear final : public Kernel {
 public:
  BlockLinear(const MicroKernels& micro, DType dtype) : micro_(micro) {
    for (const BlockFormat& format : micro.formats) {
      if (format.dtype == dtype) format_ = &format;
    }
  }

  void run(KernelContext& context) const override {
    const LinearShape shape(context);
    const std::span<float> y = prepare_output(context, shape);
    if (y.empty()) return;
    BlockActivations x;
    if (!quantise(context, shape, x)) return;
    const LinearTiles tiles(shape.outputs, shape.inputs, shape.tokens, 4, 25, context.env().workers());
    // Rows that are unpacked at a time: they and their scales stay in the nearest cache.
    const int64_t panel_rows =
        std::clamp<int64_t>(20'000 / std::max<int64_t>(1, shape.inputs), 4, 32) / 4 * 4;
    const Scratch scratch(context.env(), panel_rows, shape.inputs, group_values(format_->kind));
    const float* bias = bias_of(context);
    const auto* weights = reinterpret_cast<const uint8_t*>(context.input(1).data());
    const size_t stride = row_bytes(format_->dtype, shape.inputs);
    context.env().parallel_for(tiles.count, tiles.ns_per_tile, [&](int64_t i, int worker) {
      const LinearTiles::Tile tile = tiles[i];
      const BlockPanel panel = scratch.panel(worker);
      BlockActivations some = x;
      some.q += tile.token * x.inputs;
      some.scales += tile.token * x.scale_stride;
      some.sums += tile.token * x.sum_stride;
      for (int64_t row = tile.row; row < tile.row + tile.rows; row += panel_rows) {
        const int64_t rows = std::min(panel_rows, tile.row + tile.rows - row);
        for (int64_t r = 0; r < rows; ++r) {
          format_->unpack(weights + static_cast<size_t>(row + r) * stride, shape.inputs,
                          panel.q + r * shape.inputs, panel.scales + r * panel.group_stride,
                          panel.leasts + r * panel.group_stride);
        }
        micro_.block_dot[static_cast<int>(format_->kind)](
            panel, rows, some, tile.tokens, bias == nullptr ? nullptr : bias + row,
            &y[static_cast<size_t>(tile.token * shape.outputs + row)], shape.outputs);
      }
    });
  }

 private:
  // One panel per worker.
  struct Scratch {
    Scratch(KernelEnv& env, int64_t rows, int64_t inputs, int group)
        : q_bytes(static_cast<size_t>((rows * inputs + 63) / 64 * 64)),
          group_stride(padded(inputs / group)),
          bytes(q_bytes + 2 * static_cast<size_t>(rows * group_stride) * sizeof(float)),
          rows(rows),
          data(env.workspace(bytes * static_cast<size_t>(env.workers()))) {}
    BlockPanel panel(int worker) const {
      std::byte* at = data + bytes * static_cast<size_t>(worker);
      auto* scales = reinterpret_cast<float*>(at + q_bytes);
      return {reinterpret_cast<uint8_t*>(at), scales, scales + rows * group_stride, group_stride};
    }
    size_t q_bytes;
    int64_t group_stride;
    size_t bytes;
    int64_t rows;
    std::byte* data;
  };

  // False when the run was stopped.
  bool quantise(const KernelContext& context, const LinearShape& shape, BlockActivations& x) const {
    const int group = group_values(format_->kind);
    x.inputs = shape.inputs;
    x.scale_stride = padded(shape.inputs / 32);
    x.sum_stride = padded(shape.inputs / group);
    KernelEnv& env = context.env();
    const auto tokens = static_cast<size_t>(shape.tokens);
    auto* q = reinterpret_cast<int8_t*>(env.workspace(tokens * static_cast<size_t>(x.inputs)));
    auto* scales =
        reinterpret_cast<float*>(env.workspace(tokens * static_cast<size_t>(x.scale_stride) * sizeof(float)));
    auto* sums =
        reinterpret_cast<float*>(env.workspace(tokens * static_cast<size_t>(x.sum_stride) * sizeof(float)));
    x.q = q;
    x.scales = scales;
    x.sums = sums;
    const float* values = context.input(0).values<float>().data();
    return env.parallel_for(shape.tokens, shape.inputs, [&](int64_t t, int) {
      micro_.quantise_row(values + t * shape.inputs, shape.inputs, group, q + t * x.inputs,
                          scales + t * x.scale_stride, sums + t * x.sum_stride);
    });
  }

  const MicroKernels& micro_;
  const BlockFormat* format_ = nullptr;
};

std::unique_ptr<Kernel> make_block(const KernelQuery& query, const void* device_state) {
  return std::make_unique<BlockLinear>(*static_cast<const MicroKernels*>(device_state), query.dtype(1));
}

// --- f32, f16, bf16

Refusal accept_float(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  const DType w = query.dtype(1);
  if (w != DType::kF32 && w != DType::kF16 && w != DType::kBF16) return "w is not f32, f16 or bf16";
  return {};
}

void run_float(const KernelContext& context, const MicroKernels& micro) {
  const LinearShape shape(context);
  const std::span<float> y = prepare_output(context, shape);
  if (y.empty()) return;
  const DType dtype = context.input(1).dtype();
  const auto dot = dtype == DType::kF32   ? micro.dot_f32
                   : dtype == DType::kF16 ? micro.dot_f16
                                          : micro.dot_bf16;
  const float* x = context.input(0).values<float>().data();
  const float* bias = bias_of(context);
  const std::byte* weights = context.input(1).data();
  const auto stride = static_cast<int64_t>(row_bytes(dtype, shape.inputs));
  const LinearTiles tiles(shape.outputs, shape.inputs, shape.tokens, 8, 8, context.env().workers());
  context.env().parallel_for(tiles.count, tiles.ns_per_tile, [&](int64_t i, int) {
    const LinearTiles::Tile tile = tiles[i];
    dot({weights + tile.row * stride, stride}, tile.rows, x + tile.token * shape.inputs, shape.inputs,
        tile.tokens, shape.inputs, bias == nullptr ? nullptr : bias + tile.row,
        &y[static_cast<size_t>(tile.token * shape.outputs + tile.row)], shape.outputs);
  });
}

}  // namespace

extern constinit const KernelImpl kLinearBlock = {"oag", "Linear", "linear.block", accept_block, make_block};
extern constinit const KernelImpl kLinearFloat = {"oag", "Linear", "linear.float", accept_float,
                                                  make_kernel<run_float>};

}  // namespace oag::cpu
