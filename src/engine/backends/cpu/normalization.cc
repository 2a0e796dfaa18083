// RMSNormalization and LayerNormalization of f32 rows, over the last dim; Softmax of f32 along any.
// Tolerance against double: 1e-6 relative to the row's largest result for the norms (sums in kLanes lanes);
// for softmax (max(x) - x + 10) · 2^-24 of each result, as the difference is rounded before it becomes an
// exponent.
#include <algorithm>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/ops/strided.h"

namespace oag::cpu {
namespace {

// Empty when `axis` is the last dim, as far as the compiler knows.
Refusal accept_last_axis(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "input is not f32";
  const int64_t axis = query.node.int_attribute("axis", -1);
  const Shape* x = query.shape(0);
  if (axis == -1) return {};
  if (x == nullptr) return "axis is not -1 and the rank is not known";
  return axis == static_cast<int64_t>(x->size()) - 1 ? Refusal{} : "axis is not the last one";
}

Refusal accept_norm(const KernelQuery& query) {
  for (size_t i = 1; i < query.node.inputs.size(); ++i) {
    if (query.node.inputs[i] == kNoValue) continue;
    if (query.dtype(i) != DType::kF32) return "scale or bias is not f32";
    const Shape* shape = query.shape(i);
    const Shape* x = query.shape(0);
    if (shape != nullptr && x != nullptr && *shape != Shape{x->back()})
      return "scale or bias is not one value per column";
  }
  return accept_last_axis(query);
}

struct Rows {
  explicit Rows(const KernelContext& context) : Rows(context, context.input(0).rank() - 1) {}
  // Along `axis`, which only dims of one element follow.
  Rows(const KernelContext& context, size_t axis)
      : length(axis < context.input(0).rank() ? context.input(0).dim(axis) : 1),
        count(length == 0 ? 0 : context.input(0).count() / length),
        x(context.input(0).values<float>().data()),
        y(context.allocate_output(0, DType::kF32, context.input(0).dims()).values<float>().data()) {}
  int64_t length, count;
  const float* x;
  float* y;
};

// The values of a scale or bias, one per column.
const float* per_column(const KernelContext& context, size_t input, int64_t length) {
  const Tensor& tensor = context.input(input);
  if (tensor.count() != length) {
    fail(ErrorCode::kInvalidArgument, "node " + context.node().name, "input {} has {} values for rows of {}",
         input, tensor.count(), length);
  }
  return tensor.values<float>().data();
}

void run_rms(const KernelContext& context, const MicroKernels& micro) {
  const Rows rows(context);
  const float* scale = per_column(context, 1, rows.length);
  const float epsilon = context.node().float_attribute("epsilon", 1e-5f);
  context.env().parallel_for(rows.count, rows.length / 4, [&](int64_t r, int) {
    micro.rms_norm(rows.x + r * rows.length, scale, rows.length, epsilon, rows.y + r * rows.length);
  });
}

void run_layer(const KernelContext& context, const MicroKernels& micro) {
  const Rows rows(context);
  const float* scale = per_column(context, 1, rows.length);
  const float* bias = context.has_input(2) ? per_column(context, 2, rows.length) : nullptr;
  const float epsilon = context.node().float_attribute("epsilon", 1e-5f);
  Dims statistics = context.input(0).dims();
  statistics.back() = 1;
  float* kept[2] = {nullptr, nullptr};
  for (size_t i = 0; i < 2; ++i) {
    if (context.wants_output(i + 1))
      kept[i] = context.allocate_output(i + 1, DType::kF32, statistics).values<float>().data();
  }
  context.env().parallel_for(rows.count, rows.length / 3, [&](int64_t r, int) {
    float mean, inverse;
    micro.layer_norm(rows.x + r * rows.length, scale, bias, rows.length, epsilon, rows.y + r * rows.length,
                     &mean, &inverse);
    if (kept[0] != nullptr) kept[0][r] = mean;
    if (kept[1] != nullptr) kept[1][r] = inverse;
  });
}

Refusal accept_softmax(const KernelQuery& query) {
  return query.dtype(0) == DType::kF32 ? Refusal{} : "input is not f32";
}

// Along a dim that is not the last: columns side by side.
void run_softmax_columns(const KernelContext& context, const MicroKernels& micro, const Lanes& lanes) {
  constexpr int64_t kColumns = 64;
  const float* x = context.input(0).values<float>().data();
  float* y = context.allocate_output(0, DType::kF32, context.input(0).dims()).values<float>().data();
  const int64_t blocks = (lanes.step + kColumns - 1) / kColumns;
  context.env().parallel_for(lanes.count / lanes.step * blocks, lanes.length * std::min(kColumns, lanes.step),
                             [&](int64_t i, int) {
                               const int64_t column = i % blocks * kColumns;
                               const int64_t at = i / blocks * lanes.length * lanes.step + column;
                               micro.softmax_columns(x + at, lanes.length, lanes.step,
                                                     std::min(kColumns, lanes.step - column), y + at);
                             });
}

void run_softmax(const KernelContext& context, const MicroKernels& micro) {
  const Dims& dims = context.input(0).dims();
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", -1), dims.size());
  if (context.input(0).count() > 0 && axis + 1 < dims.size()) {
    if (const Lanes lanes(dims, axis); lanes.step > 1) return run_softmax_columns(context, micro, lanes);
  }
  const Rows rows(context, axis);
  context.env().parallel_for(rows.count, rows.length, [&](int64_t r, int) {
    micro.softmax_row(rows.x + r * rows.length, rows.length, rows.y + r * rows.length);
  });
}

}  // namespace

extern constinit const KernelImpl kRMSNormalization = {"", "RMSNormalization", "rms_normalization",
                                                       accept_norm, make_kernel<run_rms>};
extern constinit const KernelImpl kLayerNormalization = {"", "LayerNormalization", "layer_normalization",
                                                         accept_norm, make_kernel<run_layer>};
extern constinit const KernelImpl kSoftmax = {"", "Softmax", "softmax", accept_softmax,
                                              make_kernel<run_softmax>};

}  // namespace oag::cpu
