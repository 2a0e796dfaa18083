// LpNormalization, MeanVarianceNormalization and LRN: elements relative to others of their lane, group or
// region.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

// --- LpNormalization

template <typename Context>
bool is_first_norm(const Context& context) {
  const int64_t p = context.node().int_attribute("p", 2);
  if (p != 1 && p != 2) context.refuse("p is {}; it must be 1 or 2", p);
  return p == 1;
}

void infer_lp(InferenceContext& context) {
  is_first_norm(context);
  if (context.has_shape(0))
    normalize_axis(context, context.node().int_attribute("axis", -1), context.shape(0).size());
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

void lp_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Lanes lanes(x.dims(), normalize_axis(context, context.node().int_attribute("axis", -1), x.rank()));
  const bool first_norm = is_first_norm(context);
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  if (y.count() == 0) return;
  context.env().parallel_for(lanes.count, 4 * lanes.length, [&](int64_t lane, int) {
    std::vector<double> values(static_cast<size_t>(lanes.length));
    load_elements<double>(x, lanes.start(lane), lanes.step, values);
    double norm = 0;
    for (const double value : values) norm += first_norm ? std::abs(value) : value * value;
    if (!first_norm) norm = std::sqrt(norm);
    for (double& value : values) value = norm == 0 ? 0.0 : value / norm;
    store_elements<double>(y, lanes.start(lane), lanes.step, values);
  });
}

// --- MeanVarianceNormalization

template <typename Context>
std::vector<bool> reduced_dims(const Context& context, size_t rank) {
  std::vector<bool> reduced(rank, false);
  for (const int64_t axis : context.node().ints_attribute("axes", {0, 2, 3}))
    reduced[static_cast<size_t>(normalize_axis(context, axis, rank))] = true;
  return reduced;
}

void infer_mean_variance(InferenceContext& context) {
  if (context.has_shape(0)) reduced_dims(context, context.shape(0).size());
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

void mean_variance_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const std::vector<bool> reduced = reduced_dims(context, x.rank());
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  if (y.count() == 0) return;
  const Strides dense = dense_strides(x.dims());
  Dims inner_dims, outer_dims;
  Strides inner, outer;
  for (size_t d = 0; d < x.rank(); ++d) {
    (reduced[d] ? inner_dims : outer_dims).push_back(x.dim(d));
    (reduced[d] ? inner : outer).push_back(dense[d]);
  }
  const StridedWalk walk(inner_dims, std::vector<Strides>{inner});
  const auto count = static_cast<size_t>(element_count(inner_dims));
  context.env().parallel_for(element_count(outer_dims), 6 * static_cast<int64_t>(count), [&](int64_t i, int) {
    int64_t start = 0;
    for (size_t d = outer.size(); d-- > 0; i /= outer_dims[d]) start += i % outer_dims[d] * outer[d];
    std::vector<double> values(count);
    const auto pieces = [&](auto&& move) {
      size_t done = 0;
      walk.run_serial([&](std::span<const int64_t> at, int64_t size) {
        move(start + at[0], std::span(values).subspan(done, static_cast<size_t>(size)));
        done += static_cast<size_t>(size);
      });
    };
    pieces([&](int64_t at, std::span<double> piece) { load_elements<double>(x, at, walk.step(0), piece); });
    double mean = 0, variance = 0;
    for (const double value : values) mean += value;
    mean /= static_cast<double>(count);
    for (const double value : values) variance += (value - mean) * (value - mean);
    // The definition divides by the root plus this; it keeps a group of equal elements from being 0 / 0.
    const double deviation = std::sqrt(variance / static_cast<double>(count)) + 1e-9;
    for (double& value : values) value = (value - mean) / deviation;
    pieces([&](int64_t at, std::span<double> piece) { store_elements<double>(y, at, walk.step(0), piece); });
  });
}

// --- LRN

template <typename Context>
int64_t region_size(const Context& context) {
  const int64_t size = context.node().int_attribute("size");
  if (size < 1) context.refuse("size is {}; it must be above 0", size);
  return size;
}

void infer_lrn(InferenceContext& context) {
  region_size(context);
  if (context.has_shape(0) && context.shape(0).size() < 2)
    context.refuse("X {} must be [N, C, spatial …]", to_string(context.shape(0)));
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

void lrn_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  if (x.rank() < 2) context.refuse("X {} must be [N, C, spatial …]", to_string(x.dims()));
  const int64_t size = region_size(context);
  const double alpha = context.node().float_attribute("alpha", 1e-4f),
               beta = context.node().float_attribute("beta", 0.75f),
               bias = context.node().float_attribute("bias", 1.0f);
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  if (y.count() == 0) return;
  const Lanes lanes(x.dims(), 1);
  const int64_t before = (size - 1) / 2, after = size / 2;
  context.env().parallel_for(lanes.count, 40 * lanes.length, [&](int64_t lane, int) {
    std::vector<double> values(static_cast<size_t>(lanes.length)), results(values.size());
    load_elements<double>(x, lanes.start(lane), lanes.step, values);
    for (int64_t c = 0; c < lanes.length; ++c) {
      double squares = 0;
      const int64_t end = after < lanes.length - 1 - c ? c + after : lanes.length - 1;
      for (int64_t i = std::max<int64_t>(0, c - before); i <= end; ++i)
        squares += values[static_cast<size_t>(i)] * values[static_cast<size_t>(i)];
      results[static_cast<size_t>(c)] =
          values[static_cast<size_t>(c)] / std::pow(bias + alpha / static_cast<double>(size) * squares, beta);
    }
    store_elements<double>(y, lanes.start(lane), lanes.step, results);
  });
}

}  // namespace

// x / (Σ |x|^p)^(1/p) along `axis`, p 1 or 2; zeros stay zeros.
extern constinit const OpSchema kLpNormalization = {
    .domain = "",
    .op = "LpNormalization",
    .since_version = 22,
    .inputs = {{"input", "T", kFloatTypes}},
    .outputs = {{"output", "T", kFloatTypes}},
    .attributes = {{"axis", AttributeKind::kInt}, {"p", AttributeKind::kInt}},
    .infer = infer_lp,
    .reference = lp_reference,
};

// (x - mean) / deviation, both over the dims that `axes` names ([0, 2, 3]: all of a channel).
extern constinit const OpSchema kMeanVarianceNormalization = {
    .domain = "",
    .op = "MeanVarianceNormalization",
    .since_version = 13,
    .inputs = {{"X", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {{"axes", AttributeKind::kInts}},
    .infer = infer_mean_variance,
    .reference = mean_variance_reference,
};

// x / (bias + alpha / size · Σ x²)^beta, the sum over the `size` channels around the element's own.
extern constinit const OpSchema kLRN = {
    .domain = "",
    .op = "LRN",
    .since_version = 13,
    .inputs = {{"X", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {{"alpha", AttributeKind::kFloat},
                   {"beta", AttributeKind::kFloat},
                   {"bias", AttributeKind::kFloat},
                   {"size", AttributeKind::kInt, true}},
    .infer = infer_lrn,
    .reference = lrn_reference,
};

}  // namespace oag
