// Det: determinants of square matrices.
#include <cmath>
#include <utility>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

void infer_det(InferenceContext& context) {
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  const Shape& in = context.shape(0);
  const bool square = in.size() >= 2 && (!in.back().is_constant() || !in[in.size() - 2].is_constant() ||
                                         in.back() == in[in.size() - 2]);
  if (!square) context.refuse("input {} holds no square matrices", to_string(in));
  context.set_output(0, context.dtype(0), Shape(in.begin(), in.end() - 2));
}

// By Gaussian elimination; rows are swapped so that the largest pivot is taken.
double determinant(std::vector<double>& matrix, size_t size) {
  double product = 1;
  for (size_t k = 0; k < size; ++k) {
    size_t pivot = k;
    for (size_t row = k + 1; row < size; ++row) {
      if (std::abs(matrix[row * size + k]) > std::abs(matrix[pivot * size + k])) pivot = row;
    }
    if (pivot != k) {
      product = -product;
      for (size_t column = k; column < size; ++column)
        std::swap(matrix[k * size + column], matrix[pivot * size + column]);
    }
    const double top = matrix[k * size + k];
    product *= top;
    if (top == 0) return product;
    for (size_t row = k + 1; row < size; ++row) {
      const double factor = matrix[row * size + k] / top;
      for (size_t column = k + 1; column < size; ++column)
        matrix[row * size + column] -= factor * matrix[k * size + column];
    }
  }
  return product;
}

void det_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  if (in.rank() < 2 || in.dim(in.rank() - 1) != in.dim(in.rank() - 2))
    context.refuse("input {} holds no square matrices", to_string(in.dims()));
  const int64_t size = in.dims().back();
  const Tensor& out = context.allocate_output(0, in.dtype(), Dims(in.dims().begin(), in.dims().end() - 2));
  context.env().parallel_for(out.count(), size * size * size, [&](int64_t i, int) {
    std::vector<double> matrix(static_cast<size_t>(size * size));
    load_elements<double>(in, i * size * size, 1, matrix);
    const double result = determinant(matrix, static_cast<size_t>(size));
    store_elements<double>(out, i, 1, {&result, 1});
  });
}

}  // namespace

// The determinants of X [..., n, n].
extern constinit const OpSchema kDet = {
    .domain = "",
    .op = "Det",
    .since_version = 22,
    .inputs = {{"X", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {},
    .infer = infer_det,
    .reference = det_reference,
};

}  // namespace oag
