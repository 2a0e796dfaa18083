#include "engine/backends/cpu/packed_weights.h"

#include <algorithm>

#include "base/error.h"

namespace oag::cpu {
namespace {

// Packed at a time: enough to be worth handing out, little enough that stored and packed bytes of it may be
// in memory together.
constexpr int64_t kPanelsPerTile = 8;

const BlockFormat& format_of(const MicroKernels& micro, DType dtype) {
  return *std::find_if(micro.formats, micro.formats + kBlockFormatCount,
                       [&](const BlockFormat& format) { return format.dtype == dtype; });
}

}  // namespace

size_t PackedWeights::size_bytes(const MicroKernels& micro, const Tensor& stored) {
  const int64_t panels = (stored.dim(0) + micro.lanes - 1) / micro.lanes;
  const int64_t bytes = cpu::panel_bytes(format_of(micro, stored.dtype()), micro.lanes, stored.dim(1));
  size_t total = 0;
  if (__builtin_mul_overflow(static_cast<size_t>(panels), static_cast<size_t>(bytes), &total))
    fail(ErrorCode::kOutOfMemory, "weights", "{} have more than 2^64 bytes once packed",
         to_string(stored.dims()));
  return (total + 63) / 64 * 64;
}

PackedWeights::PackedWeights(const MicroKernels& micro, const Tensor& stored, KernelEnv& env,
                             std::span<std::byte> memory)
    : rows_{&format_of(micro, stored.dtype()), nullptr, stored.dim(0), stored.dim(1), 0},
      panels_((stored.dim(0) + micro.lanes - 1) / micro.lanes) {
  const BlockFormat& format = *rows_.format;
  const int64_t inputs = rows_.inputs, lanes = micro.lanes;
  rows_.panel_bytes = cpu::panel_bytes(format, micro.lanes, inputs);
  auto* panels = reinterpret_cast<uint8_t*>(memory.data());
  rows_.panels = panels;

  const auto* from = reinterpret_cast<const uint8_t*>(stored.data());
  const auto stride = static_cast<int64_t>(row_bytes(stored.dtype(), inputs));
  const auto scratch_bytes = static_cast<size_t>(pack_scratch_bytes(micro.lanes, inputs));
  auto* scratch =
      reinterpret_cast<uint8_t*>(env.workspace(scratch_bytes * static_cast<size_t>(env.workers())));
  const int64_t tiles = (panels_ + kPanelsPerTile - 1) / kPanelsPerTile;
  env.parallel_for(tiles, kPanelsPerTile * lanes * inputs / 2, [&](int64_t tile, int worker) {
    const int64_t end = std::min(panels_, (tile + 1) * kPanelsPerTile);
    for (int64_t p = tile * kPanelsPerTile; p < end; ++p) {
      const int64_t row = p * lanes, count = std::min(lanes, rows_.rows - row);
      micro.pack_panel(format, from + row * stride, stride, static_cast<int>(count), inputs,
                       scratch + static_cast<size_t>(worker) * scratch_bytes, panels + p * panel_bytes());
    }
    const auto begin = static_cast<size_t>(tile * kPanelsPerTile * lanes * stride);
    const auto size = static_cast<size_t>(kPanelsPerTile * lanes * stride);
    stored.buffer()->drop_pages(stored.bytes().subspan(begin, std::min(size, stored.size_bytes() - begin)));
  });
}

PackedMatrices::PackedMatrices(const MicroKernels& micro, const KernelQuery& query, size_t first, size_t step)
    : micro_(micro), first_(first), step_(step) {
  for (size_t i = first; i < query.node.inputs.size(); i += step) {
    const Tensor* stored = query.constant(i);
    if (stored == nullptr) {
      stored_.clear();
      return;
    }
    stored_.push_back(*stored);
  }
}

size_t PackedMatrices::packed_bytes() const {
  size_t total = 0;
  for (const Tensor& stored : stored_) total += PackedWeights::size_bytes(micro_, stored);
  return total;
}

void PackedMatrices::prepare(KernelEnv& env, std::span<std::byte> packed) {
  for (const Tensor& stored : stored_) {
    const size_t bytes = PackedWeights::size_bytes(micro_, stored);
    packed_.emplace_back(micro_, stored, env, packed.first(bytes));
    packed = packed.subspan(bytes);
  }
}

std::span<const PackedWeights> PackedMatrices::of(KernelContext& context,
                                                  std::vector<PackedWeights>& room) const {
  if (!packed_.empty()) return packed_;
  for (size_t i = first_; i < context.input_count(); i += step_) {
    const Tensor& stored = context.input(i);
    const size_t bytes = PackedWeights::size_bytes(micro_, stored);
    room.emplace_back(micro_, stored, context.env(), std::span(context.env().workspace(bytes), bytes));
  }
  return room;
}

}  // namespace oag::cpu
