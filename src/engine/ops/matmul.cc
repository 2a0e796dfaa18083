// MatMul and Gemm: dense matrix products.
#include "engine/ops/matmul.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr DTypeSet kProductTypes = kFloatTypes | DTypeSet{DType::kI32, DType::kI64, DType::kU32, DType::kU64};

bool may_equal(const Dim& a, const Dim& b) {
  return !a.is_constant() || !b.is_constant() || a == b;
}

// A vector on the left is a row, on the right a column; the dim that makes it one is dropped again.
template <typename DimList>
DimList as_matrices(const DimList& dims, bool left) {
  DimList out = dims;
  if (dims.size() == 1) out.insert(left ? out.begin() : out.end(), 1);
  return out;
}

void infer_matmul(InferenceContext& context) {
  context.set_output(0, context.dtype(0), product_shape(context, 0, 1));
}

// A matrix inside a tensor: where it starts and what a step along its rows and columns is, in elements.
struct Matrix {
  const Tensor* tensor;
  int64_t start;
  int64_t row_step;
  int64_t column_step;
};

// Exact where the sums are: integers wrap around, floats add up in double.
template <typename Wide>
void add_product(Wide& sum, Wide a, Wide b) {
  if constexpr (std::is_integral_v<Wide>) {
    sum = static_cast<Wide>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  } else {
    sum += a * b;
  }
}

// sums[n] = Σk a[row, k] · b[k, n]
template <typename Wide>
void product_row(const Matrix& a, const Matrix& b, int64_t row, int64_t depth, std::vector<Wide>& sums) {
  std::vector<Wide> left(static_cast<size_t>(depth)), right(sums.size());
  load_elements<Wide>(*a.tensor, a.start + row * a.row_step, a.column_step, left);
  std::fill(sums.begin(), sums.end(), Wide{0});
  for (int64_t k = 0; k < depth; ++k) {
    load_elements<Wide>(*b.tensor, b.start + k * b.row_step, b.column_step, right);
    for (size_t n = 0; n < sums.size(); ++n) add_product(sums[n], left[static_cast<size_t>(k)], right[n]);
  }
}

// Where each batch of an operand starts, in matrices, as its leading dims broadcast to `batch`.
std::vector<int64_t> batch_starts(const Dims& operand, const Dims& batch) {
  const Strides strides = broadcast_strides(Dims(operand.begin(), operand.end() - 2), batch);
  std::vector<int64_t> starts(static_cast<size_t>(element_count(batch)), 0);
  for (size_t i = 0; i < starts.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    for (size_t d = batch.size(); d-- > 0; rest /= batch[d]) starts[i] += rest % batch[d] * strides[d];
  }
  return starts;
}

void matmul_reference(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  const Tensor& out = context.allocate_output(0, a.dtype(), product_dims(context, a.dims(), b.dims()));
  multiply_matrices(context, a, b, out);
}

struct GemmDims {
  bool transpose_a, transpose_b;
  explicit GemmDims(const Node& node)
      : transpose_a(node.int_attribute("transA", 0) != 0),
        transpose_b(node.int_attribute("transB", 0) != 0) {}
  template <typename DimList>
  auto rows(const DimList& a) const {
    return a[transpose_a ? 1 : 0];
  }
  template <typename DimList>
  auto depth(const DimList& a) const {
    return a[transpose_a ? 0 : 1];
  }
  template <typename DimList>
  auto depth_of_b(const DimList& b) const {
    return b[transpose_b ? 1 : 0];
  }
  template <typename DimList>
  auto columns(const DimList& b) const {
    return b[transpose_b ? 0 : 1];
  }
};

void infer_gemm(InferenceContext& context) {
  if (!context.has_shape(0) || !context.has_shape(1)) {
    const Shape unknown = {context.fresh_dim("rows"), context.fresh_dim("columns")};
    return context.set_output(0, context.dtype(0), unknown);
  }
  const Shape& a = context.shape(0);
  const Shape& b = context.shape(1);
  const GemmDims gemm(context.node());
  if (a.size() != 2 || b.size() != 2 || !may_equal(gemm.depth(a), gemm.depth_of_b(b))) {
    context.refuse("a {} and b {} are no matrices that can be multiplied", to_string(a), to_string(b));
  }
  const Shape out = {gemm.rows(a), gemm.columns(b)};
  if (context.has_shape(2)) {
    const Shape& c = context.shape(2);
    bool fits = c.size() <= 2;
    for (size_t i = 1; fits && i <= c.size(); ++i) {
      fits = c[c.size() - i] == Dim(1) || may_equal(c[c.size() - i], out[2 - i]);
    }
    if (!fits) context.refuse("c {} does not broadcast to {}", to_string(c), to_string(out));
  }
  context.set_output(0, context.dtype(0), out);
}

template <typename Wide>
void gemm(KernelContext& context, const GemmDims& gemm_dims) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  const int64_t rows = gemm_dims.rows(a.dims()), depth = gemm_dims.depth(a.dims()),
                columns = gemm_dims.columns(b.dims());
  const Dims dims = {rows, columns};
  const double alpha = context.node().float_attribute("alpha", 1.0f),
               beta = context.node().float_attribute("beta", 1.0f);
  const Tensor* c = context.has_input(2) ? &context.input(2) : nullptr;
  Strides strides;
  if (c != nullptr) {
    if (c->rank() > 2 || broadcast_dims(context, c->dims(), dims) != dims) {
      context.refuse("c {} does not broadcast to {}", to_string(c->dims()), to_string(dims));
    }
    strides = broadcast_strides(c->dims(), dims);
  }
  const Tensor& out = context.allocate_output(0, a.dtype(), dims);
  const auto matrix = [](const Tensor& tensor, bool transposed) {
    return Matrix{&tensor, 0, transposed ? 1 : tensor.dim(1), transposed ? tensor.dim(1) : 1};
  };
  const Matrix left = matrix(a, gemm_dims.transpose_a), right = matrix(b, gemm_dims.transpose_b);
  context.env().parallel_for(rows, depth * columns, [&](int64_t row, int) {
    std::vector<Wide> sums(static_cast<size_t>(columns)), added(sums.size(), Wide{0});
    product_row(left, right, row, depth, sums);
    if (c != nullptr) load_elements<Wide>(*c, row * strides[0], strides[1], added);
    if (alpha == 1 && beta == 1) {
      for (size_t n = 0; n < sums.size(); ++n) add_product(sums[n], added[n], Wide{1});
      return store_elements<Wide>(out, row * columns, 1, sums);
    }
    std::vector<double> scaled(sums.size());  // fractions of integers are cut off at the end
    for (size_t n = 0; n < sums.size(); ++n) {
      scaled[n] = alpha * static_cast<double>(sums[n]) + beta * static_cast<double>(added[n]);
    }
    store_elements<double>(out, row * columns, 1, scaled);
  });
}

void gemm_reference(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  const GemmDims gemm_dims(context.node());
  if (a.rank() != 2 || b.rank() != 2 || gemm_dims.depth(a.dims()) != gemm_dims.depth_of_b(b.dims())) {
    context.refuse("a {} and b {} are no matrices that can be multiplied", to_string(a.dims()),
                   to_string(b.dims()));
  }
  visit_wide(a.dtype(), [&](auto wide) { gemm<decltype(wide)>(context, gemm_dims); });
}

}  // namespace

std::optional<Shape> product_shape(const InferenceContext& context, size_t left, size_t right) {
  if (!context.has_shape(left) || !context.has_shape(right)) return std::nullopt;
  if (context.shape(left).empty() || context.shape(right).empty()) context.refuse("takes no scalars");
  const Shape a = as_matrices(context.shape(left), true), b = as_matrices(context.shape(right), false);
  if (!may_equal(a.back(), b[b.size() - 2])) {
    context.refuse("shapes {} and {} differ in the dim summed over", to_string(context.shape(left)),
                   to_string(context.shape(right)));
  }
  Shape out = broadcast_shapes(context, Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  if (context.shape(left).size() > 1) out.push_back(a[a.size() - 2]);
  if (context.shape(right).size() > 1) out.push_back(b.back());
  return out;
}

Dims product_dims(const KernelContext& context, const Dims& a, const Dims& b) {
  if (a.empty() || b.empty()) context.refuse("takes no scalars");
  const Dims left = as_matrices(a, true), right = as_matrices(b, false);
  if (left.back() != right[right.size() - 2])
    context.refuse("shapes {} and {} differ in the dim summed over", to_string(a), to_string(b));
  Dims dims =
      broadcast_dims(context, Dims(left.begin(), left.end() - 2), Dims(right.begin(), right.end() - 2));
  if (a.size() > 1) dims.push_back(left[left.size() - 2]);
  if (b.size() > 1) dims.push_back(right.back());
  return dims;
}

void multiply_matrices(KernelContext& context, const Tensor& a, const Tensor& b, const Tensor& out) {
  if (out.count() == 0) return;
  const Dims left = as_matrices(a.dims(), true), right = as_matrices(b.dims(), false);
  const int64_t rows = left[left.size() - 2], depth = left.back(), columns = right.back();
  const Dims batch =
      broadcast_dims(context, Dims(left.begin(), left.end() - 2), Dims(right.begin(), right.end() - 2));
  const auto left_starts = batch_starts(left, batch), right_starts = batch_starts(right, batch);
  visit_wide(a.dtype(), [&](auto wide) {
    context.env().parallel_for(
        static_cast<int64_t>(left_starts.size()) * rows, depth * columns, [&](int64_t tile, int) {
          const auto i = static_cast<size_t>(tile / rows);
          std::vector<decltype(wide)> sums(static_cast<size_t>(columns));
          product_row(Matrix{&a, left_starts[i] * rows * depth, depth, 1},
                      Matrix{&b, right_starts[i] * depth * columns, columns, 1}, tile % rows, depth, sums);
          store_elements<decltype(wide)>(out, tile * columns, 1, sums);
        });
  });
}

// Y = A · B over the last two dims, the dims before them broadcast; a vector is a row on the left, a column
// on the right.
extern constinit const OpSchema kMatMul = {
    .domain = "",
    .op = "MatMul",
    .since_version = 13,
    .inputs = {{"A", "T", kProductTypes}, {"B", "T", kProductTypes}},
    .outputs = {{"Y", "T", kProductTypes}},
    .attributes = {},
    .infer = infer_matmul,
    .reference = matmul_reference,
};

// Y = alpha · A' · B' + beta · C, ' meaning transposed where transA or transB says so; C broadcasts to Y.
extern constinit const OpSchema kGemm = {
    .domain = "",
    .op = "Gemm",
    .since_version = 13,
    .inputs = {{"A", "T", kProductTypes}, {"B", "T", kProductTypes}, {"C", "T", kProductTypes, true}},
    .outputs = {{"Y", "T", kProductTypes}},
    .attributes = {{"alpha", AttributeKind::kFloat},
                   {"beta", AttributeKind::kFloat},
                   {"transA", AttributeKind::kInt},
                   {"transB", AttributeKind::kInt}},
    .infer = infer_gemm,
    .reference = gemm_reference,
};

}  // namespace oag
