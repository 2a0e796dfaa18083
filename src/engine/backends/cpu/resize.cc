// Resize of f32 in the modes nearest, which is exact, and linear, with any rank. Linear weights are rounded
// to f32: each dim that is resized adds 2e-7 of the largest |x| that takes part.
#include <algorithm>
#include <cstring>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/ops/resize_plan.h"

namespace oag::cpu {
namespace {

constexpr int64_t kTileValues = 16 * 1024;

Refusal accept(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  const Node& node = query.node;
  if (node.string_attribute("mode", "nearest") == "cubic") return "mode is cubic";
  if (node.string_attribute("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize")
    return "tf_crop_and_resize extrapolates";
  return {};
}

// The last dim that is resized; rank when there is none.
size_t last_resized(const ResizePlan& plan) {
  size_t last = plan.along.size();
  for (size_t d = 0; d < plan.along.size(); ++d) {
    if (!plan.along[d].same) last = d;
  }
  return last;
}

int64_t product(const Dims& dims, size_t first, size_t end) {
  int64_t count = 1;
  for (size_t d = first; d < end; ++d) count *= dims[d];
  return count;
}

// to[i] = from[places[i]] for runs of `inner` elements.
void gather_row(const float* from, const ResizedDim& dim, int64_t inner, float* to) {
  const auto count = static_cast<int64_t>(dim.places.size());
  const int64_t* places = dim.places.data();
  if (inner == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[places[i]];
    return;
  }
  for (int64_t i = 0; i < count; ++i, to += inner) std::copy_n(from + places[i] * inner, inner, to);
}

// Rows of the output along its last resized dim; a row that repeats the one before it is copied.
void copy_nearest(KernelEnv& env, const Tensor& x, const ResizePlan& plan, float* y) {
  const size_t last = last_resized(plan);
  const float* from = x.values<float>().data();
  const int64_t inner = product(plan.dims, last + 1, plan.dims.size());
  const int64_t row_values = plan.dims[last] * inner, rows = product(plan.dims, 0, last);
  const int64_t in_row_values = x.dim(last) * inner;
  const int64_t step = std::clamp<int64_t>(kTileValues / row_values, 1, rows);
  const auto source = [&](int64_t row) {
    int64_t place = 0, stride = in_row_values;
    for (size_t d = last; d-- > 0; row /= plan.dims[d]) {
      place += plan.along[d].places[static_cast<size_t>(row % plan.dims[d])] * stride;
      stride *= x.dim(d);
    }
    return place;
  };
  env.parallel_for((rows + step - 1) / step, step * row_values / 2, [&](int64_t tile, int) {
    int64_t before = -1;
    for (int64_t row = tile * step; row < std::min(rows, (tile + 1) * step); ++row) {
      float* to = y + row * row_values;
      const int64_t place = source(row);
      if (place == before)
        std::memcpy(to, to - row_values, static_cast<size_t>(row_values) * sizeof(float));
      else
        gather_row(from + place, plan.along[last], inner, to);
      before = place;
    }
  });
}

// One dim of values [outer, length, inner] interpolated: to [outer, new length, inner].
struct Interpolation {
  Interpolation(const ResizedDim& resized, int64_t old_length, int64_t inner_values)
      : dim(resized),
        weights(resized.weights.begin(), resized.weights.end()),
        length(old_length),
        longer(static_cast<int64_t>(resized.outside.size())),
        inner(inner_values) {}

  // With an inner length of 1: all elements of one outer index.
  void whole_row(const float* from, float* to) const {
    for (int64_t i = 0; i < longer; ++i) {
      float sum = 0;
      for (int64_t k = i * dim.taps; k < (i + 1) * dim.taps; ++k) {
        const float weight = weights[static_cast<size_t>(k)];
        if (weight != 0) sum += weight * from[dim.places[static_cast<size_t>(k)]];
      }
      to[i] = sum;
    }
  }
  // Elements [begin, begin + count) of the new element i.
  void run_of(const float* from, int64_t i, int64_t begin, int64_t count, float* to) const {
    std::fill_n(to + begin, count, 0.0f);
    for (int64_t k = i * dim.taps; k < (i + 1) * dim.taps; ++k) {
      const float weight = weights[static_cast<size_t>(k)];
      if (weight == 0) continue;
      const float* values = from + dim.places[static_cast<size_t>(k)] * inner;
      for (int64_t at = begin; at < begin + count; ++at) to[at] += weight * values[at];
    }
  }

  bool run(KernelEnv& env, int64_t outer, const float* from, float* to) const {
    const int64_t row_values = inner == 1 ? longer : inner, rows = inner == 1 ? outer : outer * longer;
    const int64_t pieces = inner == 1 ? 1 : (inner + kTileValues - 1) / kTileValues;
    const int64_t step = std::clamp<int64_t>(kTileValues / row_values, 1, rows);
    const int64_t blocks = (rows + step - 1) / step, values = std::min(step * row_values, kTileValues);
    return env.parallel_for(blocks * pieces, values * dim.taps / 4, [&](int64_t tile, int) {
      const int64_t begin = tile % pieces * kTileValues, first = tile / pieces * step;
      for (int64_t row = first; row < std::min(rows, first + step); ++row) {
        if (inner == 1)
          whole_row(from + row * length, to + row * longer);
        else
          run_of(from + row / longer * length * inner, row % longer, begin,
                 std::min(kTileValues, inner - begin), to + row * inner);
      }
    });
  }

  const ResizedDim& dim;
  std::vector<float> weights;
  int64_t length, longer, inner;
};

void interpolate(KernelEnv& env, const Tensor& x, const ResizePlan& plan, float* y) {
  const size_t last = last_resized(plan);
  const float* values = x.values<float>().data();
  Dims now = x.dims();
  for (size_t d = 0; d < now.size(); ++d) {
    if (plan.along[d].same) continue;
    const int64_t outer = product(now, 0, d), inner = product(now, d + 1, now.size());
    float* to = y;
    if (d != last) {
      const int64_t count = outer * plan.dims[d] * inner;
      to = reinterpret_cast<float*>(env.workspace(static_cast<size_t>(count) * sizeof(float)));
    }
    if (!Interpolation(plan.along[d], now[d], inner).run(env, outer, values, to)) return;
    now[d] = plan.dims[d];
    values = to;
  }
}

void run(const KernelContext& context, const MicroKernels&) {
  const Tensor& x = context.input(0);
  const ResizePlan plan = plan_resize(context);
  const Tensor& y = context.allocate_output(0, DType::kF32, plan.dims);
  if (y.count() == 0) return;
  float* to = y.values<float>().data();
  if (last_resized(plan) == plan.along.size())
    std::memcpy(to, x.data(), x.size_bytes());
  else if (ResizeRule(context.node()).nearest())
    copy_nearest(context.env(), x, plan, to);
  else
    interpolate(context.env(), x, plan, to);
}

}  // namespace

extern constinit const KernelImpl kResize = {"", "Resize", "resize", accept, make_kernel<run>};

}  // namespace oag::cpu
