// FusedMatMul of com.microsoft: a scaled matrix product of operands that may be transposed.
#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/ops/decomposition.h"
#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr DTypeSet kProductTypes = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16};

template <typename Context>
bool transposes(const Context& context, size_t input) {
  const bool first = input == 0;
  if (context.node().int_attribute(first ? "transBatchA" : "transBatchB", 0) != 0)
    context.refuse("transBatchA and transBatchB are not supported");
  return context.node().int_attribute(first ? "transA" : "transB", 0) != 0;
}

void infer_fused(InferenceContext& context) {
  const DType dtype = context.dtype(0);
  const bool swap_a = transposes(context, 0), swap_b = transposes(context, 1);
  if (!context.has_shape(0) || !context.has_shape(1)) return context.set_output(0, dtype, std::nullopt);
  Shape a = context.shape(0), b = context.shape(1);
  if (a.size() < 2 || b.size() < 2)
    context.refuse("A {} and B {} must have at least two dims", to_string(a), to_string(b));
  if (swap_a) std::swap(a.back(), a[a.size() - 2]);
  if (swap_b) std::swap(b.back(), b[b.size() - 2]);
  const Dim rows = a[a.size() - 2], columns = b.back();
  a.resize(a.size() - 2);
  b.resize(b.size() - 2);
  Shape out = broadcast_shapes(context, a, b);
  out.push_back(rows);
  out.push_back(columns);
  context.set_output(0, dtype, std::move(out));
}

// One operand as a matrix for each entry of the batch.
struct Matrices {
  Matrices(const Tensor& from, bool swapped) : tensor(from) {
    rows = from.dim(from.rank() - 2);
    columns = from.dim(from.rank() - 1);
    row_step = swapped ? 1 : columns;
    column_step = swapped ? columns : 1;
    if (swapped) std::swap(rows, columns);
    batch.assign(from.dims().begin(), from.dims().end() - 2);
  }

  const Tensor& tensor;
  Dims batch;
  int64_t rows = 0, columns = 0, row_step = 0, column_step = 0;
};

// Where the matrix of entry `index` of `batch` begins, which may be a repetition.
int64_t matrix_start(const Matrices& matrices, const Dims& batch, int64_t index) {
  const Strides strides = broadcast_strides(matrices.batch, batch);
  int64_t start = 0;
  for (size_t d = batch.size(); d-- > 0; index /= batch[d]) start += index % batch[d] * strides[d];
  return start * matrices.rows * matrices.columns;
}

void fused_reference(KernelContext& context) {
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (context.input(i).rank() < 2)
      context.refuse("input {} {} must have at least two dims", i, to_string(context.input(i).dims()));
  }
  const Matrices a(context.input(0), transposes(context, 0)), b(context.input(1), transposes(context, 1));
  if (a.columns != b.rows)
    context.refuse("A {} and B {} differ in the dim summed over", to_string(a.tensor.dims()),
                   to_string(b.tensor.dims()));
  const double alpha = context.node().float_attribute("alpha", 1);
  const Dims batch = broadcast_dims(context, a.batch, b.batch);
  Dims dims = batch;
  dims.push_back(a.rows);
  dims.push_back(b.columns);
  const Tensor& out = context.allocate_output(0, a.tensor.dtype(), dims);
  if (out.count() == 0) return;
  context.env().parallel_for(out.count() / b.columns, 2 * a.columns * b.columns, [&](int64_t tile, int) {
    const int64_t entry = tile / a.rows;
    std::vector<double> row(static_cast<size_t>(a.columns)), column(row.size()),
        made(static_cast<size_t>(b.columns));
    load_elements<double>(a.tensor, matrix_start(a, batch, entry) + tile % a.rows * a.row_step, a.column_step,
                          row);
    const int64_t start = matrix_start(b, batch, entry);
    for (int64_t j = 0; j < b.columns; ++j) {
      load_elements<double>(b.tensor, start + j * b.column_step, b.row_step, column);
      double sum = 0;
      for (size_t i = 0; i < row.size(); ++i) sum += row[i] * column[i];
      made[static_cast<size_t>(j)] = alpha * sum;
    }
    store_elements<double>(out, tile * b.columns, 1, made);
  });
}

ValueId add_factor(Decomposition& into, size_t i, bool transposed) {
  if (!transposed) return into.input(i);
  std::vector<int64_t> order(*into.rank(i));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::swap(order.back(), order[order.size() - 2]);
  return into.add("Transpose", {into.input(i)}, {{"perm", order}});
}

std::vector<ValueId> decompose_fused(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const bool swap_a = node.int_attribute("transA", 0) != 0, swap_b = node.int_attribute("transB", 0) != 0;
  if (into.dtype(0) != DType::kF32 || !into.rank(0) || !into.rank(1)) return {};
  const float alpha = node.float_attribute("alpha", 1);
  if (into.rank(0) == 2 && into.rank(1) == 2) {
    return {into.add("Gemm", node.inputs,
                     {{"alpha", alpha}, {"transA", int64_t{swap_a}}, {"transB", int64_t{swap_b}}})};
  }
  const ValueId product = into.add("MatMul", {add_factor(into, 0, swap_a), add_factor(into, 1, swap_b)});
  if (alpha == 1) return {product};
  return {into.add("Mul", {product, into.number("alpha", DType::kF32, alpha)})};
}

}  // namespace

// alpha * A · B, each [..., rows, columns] and transposed first where transA or transB says so.
extern constinit const OpSchema kMicrosoftFusedMatMul = {
    .domain = "com.microsoft",
    .op = "FusedMatMul",
    .since_version = 1,
    .inputs = {{"A", "T", kProductTypes}, {"B", "T", kProductTypes}},
    .outputs = {{"Y", "T", kProductTypes}},
    .attributes = {{"alpha", AttributeKind::kFloat},
                   {"transA", AttributeKind::kInt},
                   {"transB", AttributeKind::kInt},
                   {"transBatchA", AttributeKind::kInt},
                   {"transBatchB", AttributeKind::kInt}},
    .infer = infer_fused,
    .reference = fused_reference,
    .decompose = decompose_fused,
};

}  // namespace oag
