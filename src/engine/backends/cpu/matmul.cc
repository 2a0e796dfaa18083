// MatMul and Gemm of f32: sums run over the inner dim in order, in f32. Against a double sum: 1e-6 of Σ|a·b|
// per 1,000 of the inner dim.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/matrix_product.h"

namespace oag::cpu {
namespace {

Refusal accept_f32(const KernelQuery& query) {
  return query.dtype(0) == DType::kF32 && query.dtype(1) == DType::kF32 ? Refusal{} : "inputs are not f32";
}

struct Matrix {
  const float* data;
  int64_t row_stride, column_stride;
};

// y [rows, columns] = a [rows, depth] · b [depth, columns]. False when the run was stopped. `transposed` has
// room for a, when its rows are not dense.
bool multiply(KernelEnv& env, const MicroKernels& micro, const Matrix& a, const Matrix& b, int64_t rows,
              int64_t depth, int64_t columns, float* y, float* transposed) {
  MatrixProduct product = {rows, depth, columns, a.data, a.row_stride, y, columns};
  if (a.column_stride != 1) {
    product.a = transposed;
    product.a_stride = depth;
    const bool done = env.parallel_for(rows, depth, [&](int64_t r, int) {
      for (int64_t k = 0; k < depth; ++k)
        transposed[r * depth + k] = a.data[r * a.row_stride + k * a.column_stride];
    });
    if (!done) return false;
  }
  return multiply(env, micro, product,
                  [&](int64_t column, int64_t count, int64_t k, int64_t some, float* panel) {
                    const float* from = b.data + k * b.row_stride + column * b.column_stride;
                    if (b.row_stride == 1) {  // its columns are dense
                      const int64_t stride = b.column_stride * static_cast<int64_t>(sizeof(float));
                      return micro.pack_columns_f32({from, stride}, count, 0, some, panel);
                    }
                    for (int64_t i = 0; i < some; ++i) {
                      float* to = std::copy_n(from + i * b.row_stride, count, panel + i * kPanelColumns);
                      std::fill_n(to, kPanelColumns - count, 0.0f);
                    }
                  });
}

float* scratch(KernelEnv& env, int64_t count) {
  return reinterpret_cast<float*>(env.workspace(static_cast<size_t>(count) * sizeof(float)));
}

[[noreturn]] void refuse(const KernelContext& context) {
  fail(ErrorCode::kInvalidArgument, "node " + context.node().name, "{} and {} do not multiply",
       to_string(context.input(0).dims()), to_string(context.input(1).dims()));
}

// Leading dims of one operand, right-aligned to `rank` dims, and the matrices they select.
struct Batches {
  Batches(const Dims& dims, size_t rank) : counts(rank, 1) {
    for (size_t i = 0; i + 2 < dims.size(); ++i) counts[rank - (dims.size() - 2) + i] = dims[i];
  }
  int64_t at(const Dims& whole, int64_t index) const {
    int64_t offset = 0, step = 1;
    for (size_t i = counts.size(); i-- > 0; index /= whole[i]) {
      if (counts[i] != 1) offset += index % whole[i] * step;
      step *= counts[i];
    }
    return offset;
  }
  Dims counts;
};

void run_matmul(const KernelContext& context, const MicroKernels& micro) {
  Dims a = context.input(0).dims(), b = context.input(1).dims();
  if (a.empty() || b.empty()) refuse(context);
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  const int64_t rows = a[a.size() - 2], depth = a.back(), columns = b.back();
  if (b[b.size() - 2] != depth) refuse(context);
  const size_t rank = std::max(a.size(), b.size()) - 2;
  const Batches left(a, rank), right(b, rank);
  Dims whole(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t l = left.counts[i], r = right.counts[i];
    if (l != r && l != 1 && r != 1) refuse(context);
    whole[i] = l == 1 ? r : l;
  }
  Dims dims = whole;
  if (!row) dims.push_back(rows);
  if (!column) dims.push_back(columns);
  float* y = context.allocate_output(0, DType::kF32, dims).values<float>().data();
  const float* a_data = context.input(0).values<float>().data();
  const float* b_data = context.input(1).values<float>().data();
  if (element_count(dims) == 0) return;
  for (int64_t i = 0; i < element_count(whole); ++i) {
    const Matrix from_a = {a_data + left.at(whole, i) * rows * depth, depth, 1};
    const Matrix from_b = {b_data + right.at(whole, i) * depth * columns, columns, 1};
    if (!multiply(context.env(), micro, from_a, from_b, rows, depth, columns, y + i * rows * columns,
                  nullptr))
      return;
  }
}

void run_gemm(const KernelContext& context, const MicroKernels& micro) {
  const Node& node = context.node();
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  const bool a_turned = node.int_attribute("transA", 0) != 0, b_turned = node.int_attribute("transB", 0) != 0;
  if (a.rank() != 2 || b.rank() != 2 || a.dim(a_turned ? 0 : 1) != b.dim(b_turned ? 1 : 0)) refuse(context);
  const int64_t rows = a.dim(a_turned ? 1 : 0), depth = a.dim(a_turned ? 0 : 1),
                columns = b.dim(b_turned ? 0 : 1);
  float* y = context.allocate_output(0, DType::kF32, {rows, columns}).values<float>().data();
  if (rows * columns == 0) return;
  KernelEnv& env = context.env();
  const Matrix from_a = {a.values<float>().data(), a_turned ? 1 : depth, a_turned ? rows : 1};
  const Matrix from_b = {b.values<float>().data(), b_turned ? 1 : columns, b_turned ? depth : 1};
  if (!multiply(env, micro, from_a, from_b, rows, depth, columns, y,
                a_turned ? scratch(env, rows * depth) : nullptr)) {
    return;
  }
  const float alpha = node.float_attribute("alpha", 1.0f), beta = node.float_attribute("beta", 1.0f);
  const bool has_c = context.has_input(2);
  if (!has_c && alpha == 1.0f) return;
  const Dims c = has_c ? context.input(2).dims() : Dims{};
  const int64_t c_columns = c.empty() ? 1 : c.back(), c_rows = c.size() < 2 ? 1 : c[0];
  if (c.size() > 2 || (c_columns != 1 && c_columns != columns) || (c_rows != 1 && c_rows != rows))
    refuse(context);
  const float* c_data = has_c ? context.input(2).values<float>().data() : nullptr;
  env.parallel_for(rows, columns, [&](int64_t r, int) {
    for (int64_t i = 0; i < columns; ++i) {
      float& value = y[r * columns + i];
      value *= alpha;
      if (has_c) value += beta * c_data[(c_rows == 1 ? 0 : r) * c_columns + (c_columns == 1 ? 0 : i)];
    }
  });
}

}  // namespace

extern constinit const KernelImpl kMatMul = {"", "MatMul", "matmul", accept_f32, make_kernel<run_matmul>};
extern constinit const KernelImpl kGemm = {"", "Gemm", "gemm", accept_f32, make_kernel<run_gemm>};

}  // namespace oag::cpu
