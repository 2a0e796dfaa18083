// CDist and Inverse of com.microsoft.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

constexpr DTypeSet kMatrixTypes = {DType::kF32, DType::kF64, DType::kF16};
constexpr DTypeSet kDistanceTypes = {DType::kF32, DType::kF64};

void infer_inverse(InferenceContext& context) {
  if (context.has_shape(0)) {
    const Shape& x = context.shape(0);
    if (x.size() < 2 ||
        (x.back().is_constant() && x[x.size() - 2].is_constant() && x.back() != x[x.size() - 2]))
      context.refuse("X {} must be [..., n, n]", to_string(x));
  }
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

void swap_rows(std::span<double> matrix, size_t n, size_t a, size_t b) {
  for (size_t j = 0; j < n; ++j) std::swap(matrix[a * n + j], matrix[b * n + j]);
}

// Gauss's and Jordan's elimination of `matrix`, which is lost; infinities and NaN where it has no inverse.
void invert(std::span<double> matrix, std::span<double> inverse, size_t n) {
  for (size_t i = 0; i < n * n; ++i) inverse[i] = i % (n + 1) == 0 ? 1 : 0;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t i = column + 1; i < n; ++i) {
      if (std::abs(matrix[i * n + column]) > std::abs(matrix[pivot * n + column])) pivot = i;
    }
    swap_rows(matrix, n, column, pivot);
    swap_rows(inverse, n, column, pivot);
    const double scale = 1 / matrix[column * n + column];
    for (size_t j = 0; j < n; ++j) {
      matrix[column * n + j] *= scale;
      inverse[column * n + j] *= scale;
    }
    for (size_t i = 0; i < n; ++i) {
      const double factor = matrix[i * n + column];
      if (i == column || factor == 0) continue;
      for (size_t j = 0; j < n; ++j) {
        matrix[i * n + j] -= factor * matrix[column * n + j];
        inverse[i * n + j] -= factor * inverse[column * n + j];
      }
    }
  }
}

void inverse_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  if (in.rank() < 2 || in.dims().back() != in.dim(in.rank() - 2))
    context.refuse("X {} must be [..., n, n]", to_string(in.dims()));
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  if (in.count() == 0) return;
  const auto n = static_cast<size_t>(in.dims().back());
  const auto size = static_cast<int64_t>(n * n);
  context.env().parallel_for(in.count() / size, 2 * size * static_cast<int64_t>(n), [&](int64_t m, int) {
    std::vector<double> matrix(n * n), inverse(n * n);
    load_elements<double>(in, m * size, 1, matrix);
    invert(matrix, inverse, n);
    store_elements<double>(out, m * size, 1, inverse);
  });
}

// Whether the root of the sum of squares is asked for.
template <typename Context>
bool takes_root(const Context& context) {
  const std::string metric = context.node().string_attribute("metric", "sqeuclidean");
  if (metric != "euclidean" && metric != "sqeuclidean")
    context.refuse("metric is {}; euclidean and sqeuclidean are supported", metric);
  return metric == "euclidean";
}

void infer_cdist(InferenceContext& context) {
  takes_root(context);
  Shape out = {context.fresh_dim("rows"), context.fresh_dim("columns")};
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (!context.has_shape(i)) continue;
    if (context.shape(i).size() != 2)
      context.refuse("input {} {} must be a matrix", i, to_string(context.shape(i)));
    out[i] = context.shape(i)[0];
  }
  if (context.has_shape(0) && context.has_shape(1)) {
    const Dim a = context.shape(0)[1], b = context.shape(1)[1];
    if (a.is_constant() && b.is_constant() && a != b)
      context.refuse("A {} and B {} differ in their second dim", to_string(context.shape(0)),
                     to_string(context.shape(1)));
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

void cdist_reference(KernelContext& context) {
  const bool root = takes_root(context);
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  if (a.rank() != 2 || b.rank() != 2 || a.dim(1) != b.dim(1))
    context.refuse("A {} and B {} must be matrices with one second dim", to_string(a.dims()),
                   to_string(b.dims()));
  const int64_t width = a.dim(1), columns = b.dim(0);
  const Tensor& out = context.allocate_output(0, a.dtype(), {a.dim(0), columns});
  if (out.count() == 0) return;
  const std::span<double> points = widened(context.env(), b);
  if (context.env().should_stop()) return;
  context.env().parallel_for(a.dim(0), 3 * width * columns, [&](int64_t i, int) {
    std::vector<double> row(static_cast<size_t>(width)), made(static_cast<size_t>(columns));
    load_elements<double>(a, i * width, 1, row);
    for (size_t j = 0; j < made.size(); ++j) {
      double sum = 0;
      for (size_t k = 0; k < row.size(); ++k) {
        const double apart = row[k] - points[j * row.size() + k];
        sum += apart * apart;
      }
      made[j] = root ? std::sqrt(sum) : sum;
    }
    store_elements<double>(out, i * columns, 1, made);
  });
}

}  // namespace

// The inverse of each matrix of X [..., n, n].
extern constinit const OpSchema kMicrosoftInverse = {
    .domain = "com.microsoft",
    .op = "Inverse",
    .since_version = 1,
    .inputs = {{"X", "T", kMatrixTypes}},
    .outputs = {{"Y", "T", kMatrixTypes}},
    .attributes = {},
    .infer = infer_inverse,
    .reference = inverse_reference,
};

// C[i, j] is how far row i of A is from row j of B, or the square of it.
extern constinit const OpSchema kMicrosoftCDist = {
    .domain = "com.microsoft",
    .op = "CDist",
    .since_version = 1,
    .inputs = {{"A", "T", kDistanceTypes}, {"B", "T", kDistanceTypes}},
    .outputs = {{"C", "T", kDistanceTypes}},
    .attributes = {{"metric", AttributeKind::kString}},
    .infer = infer_cdist,
    .reference = cdist_reference,
};

}  // namespace oag
