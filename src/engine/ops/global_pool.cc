// GlobalAveragePool, GlobalMaxPool and GlobalLpPool: one value for each plane.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

void infer_global(InferenceContext& context) {
  std::optional<Shape> out;
  if (context.has_shape(0)) {
    out = context.shape(0);
    if (out->size() < 2) context.refuse("X {} must be [N, C, spatial …]", to_string(*out));
    std::fill(out->begin() + 2, out->end(), Dim(1));
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

// Stores reduce(elements of the plane) for each plane of [N, C, spatial…].
template <typename Reduce>
void run_global(KernelContext& context, const Reduce& reduce) {
  const Tensor& x = context.input(0);
  if (x.rank() < 2) context.refuse("X {} must be [N, C, spatial …]", to_string(x.dims()));
  Dims dims = x.dims();
  std::fill(dims.begin() + 2, dims.end(), 1);
  const Tensor& y = context.allocate_output(0, x.dtype(), dims);
  if (y.count() == 0) return;
  const int64_t length = x.count() / y.count();
  context.env().parallel_for(y.count(), 2 * length, [&](int64_t i, int) {
    std::vector<double> plane(static_cast<size_t>(length));
    load_elements<double>(x, i * length, 1, plane);
    const double value = reduce(std::span<const double>(plane));
    store_elements<double>(y, i, 1, {&value, 1});
  });
}

void average_reference(KernelContext& context) {
  run_global(context, [](std::span<const double> plane) {
    double sum = 0;
    for (const double value : plane) sum += value;
    return sum / static_cast<double>(plane.size());
  });
}

void max_reference(KernelContext& context) {
  run_global(context, [](std::span<const double> plane) {
    double top = -std::numeric_limits<double>::infinity();
    for (const double value : plane) top = std::isnan(top) || value <= top ? top : value;
    return top;
  });
}

void lp_reference(KernelContext& context) {
  const auto p = static_cast<double>(context.node().int_attribute("p", 2));
  run_global(context, [p](std::span<const double> plane) {
    double sum = 0;
    for (const double value : plane) sum += std::pow(std::abs(value), p);
    return std::pow(sum, 1.0 / p);
  });
}

constexpr OpSchema global_pool(std::string_view op, KernelFunction reference,
                               FixedList<AttributeSpec, 24> attributes = {}) {
  return {.domain = "",
          .op = op,
          .since_version = 22,
          .inputs = {{"X", "T", kFloatTypes}},
          .outputs = {{"Y", "T", kFloatTypes}},
          .attributes = attributes,
          .infer = infer_global,
          .reference = reference};
}

}  // namespace

// Y [N, C, 1, …]: the mean, the maximum and (Σ |x|^p)^(1/p) of each plane of X [N, C, spatial…].
extern constinit const OpSchema kGlobalAveragePool = global_pool("GlobalAveragePool", average_reference);
extern constinit const OpSchema kGlobalMaxPool = global_pool("GlobalMaxPool", max_reference);
extern constinit const OpSchema kGlobalLpPool =
    global_pool("GlobalLpPool", lp_reference, {{"p", AttributeKind::kInt}});

}  // namespace oag
