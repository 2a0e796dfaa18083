// MatMulInteger and QLinearMatMul: products of quantised matrices.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/float8.h"
#include "engine/ops/matmul.h"
#include "engine/ops/quantization.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr DTypeSet kByteTypes = {DType::kI8, DType::kU8};
constexpr DTypeSet kFactorTypes =
    kByteTypes | DTypeSet{DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ};
constexpr DTypeSet kScaleTypes = {DType::kF32, DType::kF16, DType::kBF16};

// How a parameter (scale or zero point) is read along a matrix of `dims`: one value, one for each row (of a
// vector of rows) or column, or an array that broadcasts.
Strides parameter_strides(const KernelContext& context, const Tensor& parameter, const Dims& dims,
                          bool rows) {
  if (parameter.count() == 1) return Strides(dims.size(), 0);
  Dims shape = parameter.dims();
  if (rows && shape.size() == 1 && dims.size() >= 2) shape.push_back(1);
  if (shape.size() > dims.size() || broadcast_dims(context, shape, dims) != dims)
    context.refuse("a scale or zero point of {} does not fit {}", to_string(parameter.dims()),
                   to_string(dims));
  return broadcast_strides(shape, dims);
}

// (factor - zero point) as i32 or f64.
Tensor centred(KernelContext& context, size_t factor, size_t zero_point, bool rows, DType dtype) {
  const Tensor& in = context.input(factor);
  const Tensor out = Tensor::host(dtype, in.dims());
  const bool moved = context.has_input(zero_point);
  const Tensor& zero = moved ? context.input(zero_point) : in;
  const Strides dense = dense_strides(in.dims());
  const Strides zero_strides =
      moved ? parameter_strides(context, zero, in.dims(), rows) : Strides(in.rank(), 0);
  const StridedWalk walk(in.dims(), std::vector<Strides>{dense, zero_strides});
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    std::array<double, StridedWalk::kPiece> values, zeros{};
    const auto size = static_cast<size_t>(count);
    load_elements<double>(in, at[0], walk.step(0), std::span(values).first(size));
    if (moved) load_elements<double>(zero, at[1], walk.step(1), std::span(zeros).first(size));
    for (size_t i = 0; i < size; ++i) values[i] -= zeros[i];
    store_elements<double>(out, at[0], walk.step(0), std::span<const double>(values).first(size));
  });
  return out;
}

void infer_matmul_integer(InferenceContext& context) {
  context.set_output(0, DType::kI32, product_shape(context, 0, 1));
}

void matmul_integer_reference(KernelContext& context) {
  const Tensor a = centred(context, 0, 2, true, DType::kI32), b = centred(context, 1, 3, false, DType::kI32);
  multiply_matrices(context, a, b,
                    context.allocate_output(0, DType::kI32, product_dims(context, a.dims(), b.dims())));
}

enum QLinearInput : size_t { kA, kAScale, kAZero, kB, kBScale, kBZero, kYScale, kYZero };

void infer_qlinear_matmul(InferenceContext& context) {
  context.set_output(0, context.dtype(kYZero), product_shape(context, kA, kB));
}

void qlinear_matmul_reference(KernelContext& context) {
  const Tensor a = centred(context, kA, kAZero, true, DType::kF64),
               b = centred(context, kB, kBZero, false, DType::kF64);
  const Dims dims = product_dims(context, a.dims(), b.dims());
  const Tensor sums = Tensor::host(DType::kF64, dims);
  multiply_matrices(context, a, b, sums);
  const DType dtype = context.input(kYZero).dtype();
  const Tensor& out = context.allocate_output(0, dtype, dims);
  constexpr std::array kParameters = {kAScale, kBScale, kYScale, kYZero};
  std::vector<Strides> strides = {dense_strides(dims)};
  for (const size_t i : kParameters)
    strides.push_back(parameter_strides(context, context.input(i), dims, i != kBScale));
  const bool to_integer = kByteTypes.contains(dtype);
  const IntegerRange range = to_integer ? integer_range(dtype) : IntegerRange{0, 0};
  const StridedWalk walk(dims, strides);
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      std::array<double, kParameters.size()> p{};
      for (size_t k = 0; k < p.size(); ++k)
        load_elements<double>(context.input(kParameters[k]), at[k + 1] + i * walk.step(k + 1), 1, {&p[k], 1});
      const int64_t place = at[0] + i * walk.step(0);
      const double quotient = sums.values<double>()[static_cast<size_t>(place)] * (p[0] * p[1] / p[2]);
      const double value = to_integer ? quantized(quotient, p[3], range) : quotient + p[3];
      store_elements<double>(out, place, 1, {&value, 1});
    }
  });
}

}  // namespace

// Y = (A - a_zero_point) · (B - b_zero_point) in i32, which wraps around. Zero points are scalars, or one for
// each row of A and column of B.
extern constinit const OpSchema kMatMulInteger = {
    .domain = "",
    .op = "MatMulInteger",
    .since_version = 10,
    .inputs = {{"A", "T1", kByteTypes},
               {"B", "T2", kByteTypes},
               {"a_zero_point", "T1", kByteTypes, true},
               {"b_zero_point", "T2", kByteTypes, true}},
    .outputs = {{"Y", "T3", {DType::kI32}}},
    .attributes = {},
    .infer = infer_matmul_integer,
    .reference = matmul_integer_reference,
};

// y = saturate(round(product · a_scale · b_scale / y_scale) + y_zero_point) of the centred factors, as
// MatMulInteger.
extern constinit const OpSchema kQLinearMatMul = {
    .domain = "",
    .op = "QLinearMatMul",
    .since_version = 21,
    .inputs = {{"a", "T1", kFactorTypes},
               {"a_scale", "TS", kScaleTypes},
               {"a_zero_point", "T1", kFactorTypes},
               {"b", "T2", kFactorTypes},
               {"b_scale", "TS", kScaleTypes},
               {"b_zero_point", "T2", kFactorTypes},
               {"y_scale", "TS", kScaleTypes},
               {"y_zero_point", "T3", kFactorTypes}},
    .outputs = {{"y", "T3", kFactorTypes}},
    .attributes = {},
    .infer = infer_qlinear_matmul,
    .reference = qlinear_matmul_reference,
};

}  // namespace oag
