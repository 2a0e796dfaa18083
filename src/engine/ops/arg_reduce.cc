// ArgMax, ArgMin and TopK: places of the largest and smallest values along one axis.
#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

void infer_arg(InferenceContext& context) {
  if (!context.has_shape(0)) return context.set_output(0, DType::kI64, std::nullopt);
  Shape out = context.shape(0);
  const auto axis = normalize_axis(context, context.node().int_attribute("axis", 0), out.size());
  if (context.node().int_attribute("keepdims", 1) != 0) {
    out[static_cast<size_t>(axis)] = 1;
  } else {
    out.erase(out.begin() + axis);
  }
  context.set_output(0, DType::kI64, std::move(out));
}

// NaN counts as the largest and as the smallest value, so that it is never overlooked.
template <bool kMax, typename Wide>
bool beats(Wide a, Wide b) {
  if (is_nan(a) || is_nan(b)) return is_nan(a) && !is_nan(b);
  return kMax ? a > b : a < b;
}

template <bool kMax>
void arg_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", 0), in.rank());
  const bool last = context.node().int_attribute("select_last_index", 0) != 0;
  Dims dims = in.dims();
  if (context.node().int_attribute("keepdims", 1) != 0) {
    dims[axis] = 1;
  } else {
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  const Tensor& out = context.allocate_output(0, DType::kI64, dims);
  if (out.count() > 0 && in.dim(axis) == 0)
    context.refuse("axis {} of {} is empty and has no largest", axis, to_string(in.dims()));
  const Lanes lanes(in.dims(), axis);
  visit_wide(in.dtype(), [&](auto wide) {
    context.env().parallel_for(out.count(), 2 * lanes.length, [&](int64_t lane, int) {
      std::vector<decltype(wide)> values(static_cast<size_t>(lanes.length));
      load_elements<decltype(wide)>(in, lanes.start(lane), lanes.step, values);
      size_t best = 0;
      for (size_t i = 1; i < values.size(); ++i) {
        if (last ? !beats<kMax>(values[best], values[i]) : beats<kMax>(values[i], values[best])) best = i;
      }
      out.values<int64_t>()[static_cast<size_t>(lane)] = static_cast<int64_t>(best);
    });
  });
}

void infer_top_k(InferenceContext& context) {
  const auto k = context.constant_ints(1);
  if (k && (k->size() != 1 || (*k)[0] < 0)) context.refuse("k must be one number from 0 on");
  std::optional<Shape> out;
  if (context.has_shape(0)) {
    out = context.shape(0);
    const auto axis =
        static_cast<size_t>(normalize_axis(context, context.node().int_attribute("axis", -1), out->size()));
    if (k && (*out)[axis].is_constant() && (*out)[axis].constant() < (*k)[0]) {
      context.refuse("k is {}, but axis {} of {} has fewer values", (*k)[0], axis, to_string(*out));
    }
    (*out)[axis] = k ? Dim((*k)[0]) : context.fresh_dim("k");
  }
  context.set_output(0, context.dtype(0), out);
  context.set_output(1, DType::kI64, std::move(out));
}

void top_k_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", -1), in.rank());
  const auto wanted = read_integers(context.input(1));
  if (wanted.size() != 1 || wanted[0] < 0 || wanted[0] > in.dim(axis)) {
    context.refuse("k is {}, axis {} of {} has room for less", to_string(wanted), axis, to_string(in.dims()));
  }
  const int64_t k = wanted[0];
  const bool largest = context.node().int_attribute("largest", 1) != 0;
  Dims dims = in.dims();
  dims[axis] = k;
  const bool wants_values = context.wants_output(0), wants_places = context.wants_output(1);
  if (wants_values) context.allocate_output(0, in.dtype(), dims);
  if (wants_places) context.allocate_output(1, DType::kI64, dims);
  if (element_count(dims) == 0) return;
  const Lanes from(in.dims(), axis), to(dims, axis);
  visit_wide(in.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    context.env().parallel_for(from.count, 20 * from.length, [&](int64_t lane, int) {
      std::vector<Wide> values(static_cast<size_t>(from.length)), chosen;
      load_elements<Wide>(in, from.start(lane), from.step, values);
      std::vector<int64_t> places(values.size());
      std::iota(places.begin(), places.end(), 0);
      const auto before = [&](int64_t a, int64_t b) {
        const Wide x = values[static_cast<size_t>(a)], y = values[static_cast<size_t>(b)];
        if (largest ? beats<true>(x, y) : beats<false>(x, y)) return true;
        if (largest ? beats<true>(y, x) : beats<false>(y, x)) return false;
        return a < b;
      };
      std::partial_sort(places.begin(), places.begin() + k, places.end(), before);
      places.resize(static_cast<size_t>(k));
      for (const int64_t place : places) chosen.push_back(values[static_cast<size_t>(place)]);
      if (wants_values) store_elements<Wide>(context.output(0), to.start(lane), to.step, chosen);
      if (wants_places) store_elements<int64_t>(context.output(1), to.start(lane), to.step, places);
    });
  });
}

constexpr OpSchema arg(std::string_view op, KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 13,
          .inputs = {{"data", "T", kNumericTypes}},
          .outputs = {{"reduced", "", {DType::kI64}}},
          .attributes = {{"axis", AttributeKind::kInt},
                         {"keepdims", AttributeKind::kInt},
                         {"select_last_index", AttributeKind::kInt}},
          .infer = infer_arg,
          .reference = reference};
}

}  // namespace

// Index of the largest or smallest value along `axis` (0): the first one, or the last with select_last_index.
extern constinit const OpSchema kArgMax = arg("ArgMax", arg_reference<true>);
extern constinit const OpSchema kArgMin = arg("ArgMin", arg_reference<false>);

// The k [1] i64 largest (smallest with largest = 0) values along `axis` (-1) in order, and their indices; of
// equal values the lower index comes first.
extern constinit const OpSchema kTopK = {
    .domain = "",
    .op = "TopK",
    .since_version = 24,
    .inputs = {{"X", "T", kNumericTypes}, {"K", "", {DType::kI64}}},
    .outputs = {{"Values", "T", kNumericTypes}, {"Indices", "I", {DType::kI64}}},
    .attributes = {{"axis", AttributeKind::kInt},
                   {"largest", AttributeKind::kInt},
                   {"sorted", AttributeKind::kInt}},
    .infer = infer_top_k,
    .reference = top_k_reference,
};

}  // namespace oag
