#pragma once

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {

// Shape rules that operators share.
void infer_same_type(InferenceContext& context);            // output 0 is as input 0
void infer_broadcast(InferenceContext& context);            // all inputs broadcast; element type of input 0
void infer_broadcast_condition(InferenceContext& context);  // the same, bool

// The inputs' shapes broadcast together, or nothing when one has no known rank.
std::optional<Shape> broadcast_inputs(InferenceContext& context);

// Errors: kInvalidArgument through `context` when input i, of integers, holds a 0: no divisor.
void refuse_integer_zeros(const KernelContext& context, size_t i);

// What an operator's result is stored from: conditions as 0 or 1.
template <typename Result>
using Stored = std::conditional_t<std::is_same_v<Result, bool>, uint64_t, Result>;

template <typename Op>
Op make_op(const KernelContext& context) {
  if constexpr (std::is_constructible_v<Op, const KernelContext&>) {
    return Op(context);
  } else {
    return Op{};
  }
}

// out[i] = op(in[i]), both dense and of one element count; computed in `In`, op's result is what is stored.
template <typename In, typename Op>
void map_elements(KernelEnv& env, const Tensor& in, const Tensor& out, const Op& op) {
  using Out = Stored<std::invoke_result_t<const Op&, In>>;
  const StridedWalk walk({in.count()}, std::vector<Strides>{{1}});
  walk.run(env, [&](std::span<const int64_t> at, int64_t count) {
    std::array<In, StridedWalk::kPiece> values;
    std::array<Out, StridedWalk::kPiece> results;
    const auto size = static_cast<size_t>(count);
    load_elements<In>(in, at[0], 1, std::span(values).first(size));
    std::transform(values.begin(), values.begin() + count, results.begin(), op);
    store_elements<Out>(out, at[0], 1, std::span<const Out>(results).first(size));
  });
}

// A unary operator on floats: Op is double -> double, built from the context where it has parameters.
template <typename Op>
void float_unary(KernelContext& context) {
  const Tensor& in = context.input(0);
  map_elements<double>(context.env(), in, context.allocate_output(0, in.dtype(), in.dims()),
                       make_op<Op>(context));
}

// A unary operator on every arithmetic type: Op is callable with each wide type.
template <typename Op>
void numeric_unary(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  const Op op = make_op<Op>(context);
  visit_wide(in.dtype(), [&](auto wide) { map_elements<decltype(wide)>(context.env(), in, out, op); });
}

// out[i] = op(a[i], b[i]) over the broadcast of both; A and B are the types the operands are computed in.
template <typename A, typename B, typename Op>
void map_broadcast(KernelEnv& env, const Tensor& a, const Tensor& b, const Tensor& out, const Op& op) {
  using Out = Stored<std::invoke_result_t<const Op&, A, B>>;
  const StridedWalk walk(
      out.dims(), std::vector<Strides>{dense_strides(out.dims()), broadcast_strides(a.dims(), out.dims()),
                                       broadcast_strides(b.dims(), out.dims())});
  walk.run(env, [&](std::span<const int64_t> at, int64_t count) {
    std::array<A, StridedWalk::kPiece> left;
    std::array<B, StridedWalk::kPiece> right;
    std::array<Out, StridedWalk::kPiece> results;
    const auto size = static_cast<size_t>(count);
    load_elements<A>(a, at[1], walk.step(1), std::span(left).first(size));
    load_elements<B>(b, at[2], walk.step(2), std::span(right).first(size));
    std::transform(left.begin(), left.begin() + count, right.begin(), results.begin(), op);
    store_elements<Out>(out, at[0], walk.step(0), std::span<const Out>(results).first(size));
  });
}

// A binary operator whose result has its inputs' type, or is bool when Op's result is.
template <typename Op>
void numeric_binary(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  visit_wide(a.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    constexpr bool kCondition = std::is_same_v<std::invoke_result_t<const Op&, Wide, Wide>, bool>;
    const Tensor& out = context.allocate_output(0, kCondition ? DType::kBool : a.dtype(),
                                                broadcast_dims(context, a.dims(), b.dims()));
    map_broadcast<Wide, Wide>(context.env(), a, b, out, make_op<Op>(context));
  });
}

}  // namespace oag
