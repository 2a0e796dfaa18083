#include "engine/ops/widened.h"

#include <algorithm>

#include "engine/ops/element.h"

namespace oag {

bool for_pieces(KernelEnv& env, int64_t total, int64_t piece, int64_t ns_per_item,
                FunctionRef<void(int64_t, int64_t)> work) {
  return env.parallel_for((total + piece - 1) / piece, piece * ns_per_item,
                          [&](int64_t i, int) { work(i * piece, std::min(piece, total - i * piece)); });
}

std::span<double> workspace_of(KernelEnv& env, int64_t count) {
  std::byte* memory = env.workspace(tensor_bytes(DType::kF64, {std::max<int64_t>(count, 1)}));
  return {reinterpret_cast<double*>(memory), static_cast<size_t>(count)};
}

std::span<double> widened(KernelEnv& env, const Tensor& tensor) {
  const std::span<double> values = workspace_of(env, tensor.count());
  const bool done = for_pieces(env, tensor.count(), 1 << 14, 1, [&](int64_t first, int64_t count) {
    load_elements<double>(tensor, first, 1,
                          values.subspan(static_cast<size_t>(first), static_cast<size_t>(count)));
  });
  return done ? values : std::span<double>();
}

}  // namespace oag
