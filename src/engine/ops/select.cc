// Choices among values: Max Min Sum Mean of any number of inputs, Clip, Where.
#include <cmath>
#include <limits>

#include "engine/ops/elementwise.h"

namespace oag {
namespace {

struct Max {
  template <typename Wide>
  Wide operator()(Wide a, Wide b) const {
    return a > b || is_nan(a) ? a : b;
  }
};
struct Min {
  template <typename Wide>
  Wide operator()(Wide a, Wide b) const {
    return a < b || is_nan(a) ? a : b;
  }
};
struct Plus {
  double operator()(double a, double b) const { return a + b; }
};

// Folds the broadcast inputs from left to right, then divides by `divisor`.
template <typename Wide, typename Op>
void fold_inputs(KernelContext& context, const Op& op, Wide divisor) {
  Dims dims = context.input(0).dims();
  for (size_t k = 1; k < context.input_count(); ++k)
    dims = broadcast_dims(context, dims, context.input(k).dims());
  const Tensor& out = context.allocate_output(0, context.input(0).dtype(), dims);
  std::vector<Strides> strides = {dense_strides(dims)};
  for (size_t k = 0; k < context.input_count(); ++k)
    strides.push_back(broadcast_strides(context.input(k).dims(), dims));
  const StridedWalk walk(dims, strides);
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    std::array<Wide, StridedWalk::kPiece> total, next;
    const auto size = static_cast<size_t>(count);
    load_elements<Wide>(context.input(0), at[1], walk.step(1), std::span(total).first(size));
    for (size_t k = 1; k < context.input_count(); ++k) {
      load_elements<Wide>(context.input(k), at[k + 1], walk.step(k + 1), std::span(next).first(size));
      std::transform(total.begin(), total.begin() + count, next.begin(), total.begin(), op);
    }
    if (divisor != Wide{1}) {
      for (Wide& value : std::span(total).first(size)) value /= divisor;
    }
    store_elements<Wide>(out, at[0], walk.step(0), std::span<const Wide>(total).first(size));
  });
}

template <typename Op>
void variadic_reference(KernelContext& context) {
  visit_wide(context.input(0).dtype(), [&](auto wide) { fold_inputs<decltype(wide)>(context, Op{}, 1); });
}

void sum_reference(KernelContext& context) {
  fold_inputs<double>(context, Plus{}, 1.0);
}

void mean_reference(KernelContext& context) {
  fold_inputs<double>(context, Plus{}, static_cast<double>(context.input_count()));
}

void infer_clip(InferenceContext& context) {
  for (size_t i = 1; i < 3; ++i) {
    if (context.has_shape(i) && !context.shape(i).empty()) {
      context.refuse("bound {} must be a scalar, it is {}", i == 1 ? "min" : "max",
                     to_string(context.shape(i)));
    }
  }
  infer_same_type(context);
}

template <typename Wide>
Wide scalar_or(const KernelContext& context, size_t i, Wide fallback) {
  if (!context.has_input(i)) return fallback;
  if (context.input(i).count() != 1)
    context.refuse("input {} must hold one value, it is {}", i, to_string(context.input(i).dims()));
  Wide value{};
  load_elements<Wide>(context.input(i), 0, 1, {&value, 1});
  return value;
}

void clip_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  visit_wide(in.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    using Limits = std::numeric_limits<Wide>;
    const Wide low =
        scalar_or<Wide>(context, 1, Limits::has_infinity ? -Limits::infinity() : Limits::lowest());
    const Wide high = scalar_or<Wide>(context, 2, Limits::has_infinity ? Limits::infinity() : Limits::max());
    map_elements<Wide>(context.env(), in, out, [=](Wide x) {
      const Wide raised = x < low ? low : x;
      return raised > high ? high : raised;
    });
  });
}

void infer_where(InferenceContext& context) {
  context.set_output(0, context.dtype(1), broadcast_inputs(context));
}

void where_reference(KernelContext& context) {
  const Tensor& condition = context.input(0);
  const Tensor& x = context.input(1);
  const Tensor& y = context.input(2);
  const Dims dims = broadcast_dims(context, condition.dims(), broadcast_dims(context, x.dims(), y.dims()));
  const Tensor& out = context.allocate_output(0, x.dtype(), dims);
  const StridedWalk walk(
      dims, std::vector<Strides>{dense_strides(dims), broadcast_strides(condition.dims(), dims),
                                 broadcast_strides(x.dims(), dims), broadcast_strides(y.dims(), dims)});
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto place = [&](size_t operand) { return at[operand] + i * walk.step(operand); };
      const bool first = condition.values<uint8_t>()[static_cast<size_t>(place(1))] != 0;
      copy_run(out, place(0), 1, first ? x : y, place(first ? 2 : 3), 1, 1);
    }
  });
}

constexpr OpSchema variadic(std::string_view op, DTypeSet dtypes, KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 13,
          .inputs = {{"data_0", "T", dtypes, false, true}},
          .outputs = {{"result", "T", dtypes}},
          .attributes = {},
          .infer = infer_broadcast,
          .reference = reference};
}

}  // namespace

// Over the broadcast of all inputs. A NaN among the operands of Max and Min is the result.
extern constinit const OpSchema kMax = variadic("Max", kNumericTypes, variadic_reference<Max>);
extern constinit const OpSchema kMin = variadic("Min", kNumericTypes, variadic_reference<Min>);
extern constinit const OpSchema kSum = variadic("Sum", kFloatTypes, sum_reference);
extern constinit const OpSchema kMean = variadic("Mean", kFloatTypes, mean_reference);

// min(max, max(input, min)) with scalar bounds, either of which may be left out.
extern constinit const OpSchema kClip = {
    .domain = "",
    .op = "Clip",
    .since_version = 13,
    .inputs = {{"input", "T", kNumericTypes},
               {"min", "T", kNumericTypes, true},
               {"max", "T", kNumericTypes, true}},
    .outputs = {{"output", "T", kNumericTypes}},
    .attributes = {},
    .infer = infer_clip,
    .reference = clip_reference,
};

// X where the condition holds, else Y, over the broadcast of all three.
extern constinit const OpSchema kWhere = {
    .domain = "",
    .op = "Where",
    .since_version = 16,
    .inputs = {{"condition", "B", {DType::kBool}}, {"X", "T", kMovableTypes}, {"Y", "T", kMovableTypes}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {},
    .infer = infer_where,
    .reference = where_reference,
};

}  // namespace oag
