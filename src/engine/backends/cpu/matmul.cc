// MatMul and Gemm of f32: sums run over the inner dim in order, in f32. Against a double sum: 1e-6 of Σ|a·b|
// per 1,000 of the inner dim. A constant b is packed once.
#include <algorithm>
#include <optional>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/matrix_product.h"

namespace oag::cpu {
namespace {

Refusal accept_f32(const KernelQuery& query) {
  return query.dtype(0) == DType::kF32 && query.dtype(1) == DType::kF32 ? Refusal{} : "inputs are not f32";
}

[[noreturn]] void refuse(const KernelContext& context) {
  fail(ErrorCode::kInvalidArgument, "node " + context.node().name, "{} and {} do not multiply",
       to_string(context.input(0).dims()), to_string(context.input(1).dims()));
}

// A matrix [depth, columns], stored so or (turned) as [columns, depth].
struct RightMatrix {
  const float* data;
  int64_t depth, columns;
  bool turned;

  void pack(const MicroKernels& micro, int64_t column, int64_t count, int64_t k, int64_t some,
            float* panel) const {
    if (turned) {
      return micro.pack_columns_f32({data + column * depth, depth * static_cast<int64_t>(sizeof(float))},
                                    count, k, some, panel);
    }
    for (int64_t i = 0; i < some; ++i) {
      float* to = std::copy_n(data + (k + i) * columns + column, count, panel + i * kPanelColumns);
      std::fill_n(to, kPanelColumns - count, 0.0f);
    }
  }
};

// Input 1 as panels, where it is one constant matrix.
class PackedRight {
 public:
  PackedRight(const KernelQuery& query, bool turned) {
    const Tensor* stored = query.constant(1);
    if (stored == nullptr || stored->rank() < 2 || stored->count() == 0) return;
    const int64_t rows = stored->dim(stored->rank() - 2), columns = stored->dims().back();
    if (stored->count() != rows * columns) return;
    stored_ = *stored;
    matrix_ = {stored->values<float>().data(), turned ? columns : rows, turned ? rows : columns, turned};
  }

  size_t bytes() const {
    return stored_ ? static_cast<size_t>(panel_values(matrix_.depth, matrix_.columns)) * sizeof(float) : 0;
  }
  void prepare(KernelEnv& env, const MicroKernels& micro, std::span<std::byte> packed) {
    if (!stored_) return;
    auto* panels = reinterpret_cast<float*>(packed.data());
    pack_panels(
        env, matrix_.depth, matrix_.columns,
        [&](int64_t column, int64_t count, int64_t k, int64_t some, float* panel) {
          matrix_.pack(micro, column, count, k, some, panel);
        },
        panels);
    stored_->buffer()->drop_pages(stored_->bytes());
    panels_ = panels;
  }
  const float* panels() const { return panels_; }  // null where there are none

 private:
  std::optional<Tensor> stored_;
  RightMatrix matrix_ = {};
  const float* panels_ = nullptr;
};

// Whether b is read where it lies: copying it into panels would take as long as what is done with it, or it
// stays in the nearest caches anyway.
bool reads_in_place(int64_t rows, int64_t depth, int64_t columns) {
  constexpr int64_t kFewRows = 24, kNearValues = 16 << 10;
  return rows <= kFewRows || depth * columns <= kNearValues;
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

class MatMul final : public Kernel {
 public:
  MatMul(const KernelQuery& query, const MicroKernels& micro) : micro_(micro), right_(query, false) {}

  size_t packed_bytes() const override { return right_.bytes(); }
  void prepare(KernelEnv& env, std::span<std::byte> packed) override { right_.prepare(env, micro_, packed); }

  void run(KernelContext& context) const override {
    Dims a = context.input(0).dims(), b = context.input(1).dims();
    if (a.empty() || b.empty()) refuse(context);
    const bool row = a.size() == 1, column = b.size() == 1;
    if (row) a.insert(a.begin(), 1);
    if (column) b.push_back(1);
    const int64_t depth = a.back(), columns = b.back();
    int64_t rows = a[a.size() - 2];
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
    if (element_count(dims) == 0) return;
    int64_t count = element_count(whole);
    if (element_count(right.counts) == 1) {  // one matrix for all rows
      rows *= count;
      count = 1;
    }
    const float* a_data = context.input(0).values<float>().data();
    const float* b_data = context.input(1).values<float>().data();
    if (columns == 1 && count == 1) return multiply_vector(context.env(), a_data, b_data, rows, depth, y);
    const bool in_place = reads_in_place(rows, depth, columns);
    const auto b_of = [&](int64_t i) { return b_data + right.at(whole, i) * depth * columns; };
    multiply_all(
        context.env(), micro_, {count, rows, depth, columns, depth, columns},
        [&](int64_t i) {
          ProductOperands operands = {a_data + left.at(whole, i) * rows * depth, y + i * rows * columns};
          operands.b_panels = right_.panels();
          if (in_place) operands.b_rows = b_of(i);
          return operands;
        },
        [&](int64_t i, int64_t first, int64_t some, int64_t k, int64_t deep, float* panel) {
          RightMatrix{b_of(i), depth, columns, false}.pack(micro_, first, some, k, deep, panel);
        });
  }

 private:
  void multiply_vector(KernelEnv& env, const float* a, const float* b, int64_t rows, int64_t depth,
                       float* y) const {
    constexpr int64_t kRows = 16;
    const int64_t row_bytes = depth * static_cast<int64_t>(sizeof(float));
    env.parallel_for((rows + kRows - 1) / kRows, kRows * depth / 8, [&](int64_t i, int) {
      const int64_t first = i * kRows, count = std::min(kRows, rows - first);
      micro_.dot_f32({a + first * depth, row_bytes}, count, b, depth, 1, depth, nullptr, y + first, count);
    });
  }

  const MicroKernels& micro_;
  PackedRight right_;
};

// alpha · a' · b' + beta · c with each matrix turned or not.
class Gemm final : public Kernel {
 public:
  Gemm(const KernelQuery& query, const MicroKernels& micro)
      : micro_(micro),
        a_turned_(query.node.int_attribute("transA", 0) != 0),
        b_turned_(query.node.int_attribute("transB", 0) != 0),
        alpha_(query.node.float_attribute("alpha", 1.0f)),
        beta_(query.node.float_attribute("beta", 1.0f)),
        right_(query, b_turned_) {}

  size_t packed_bytes() const override { return right_.bytes(); }
  void prepare(KernelEnv& env, std::span<std::byte> packed) override { right_.prepare(env, micro_, packed); }

  void run(KernelContext& context) const override {
    const Tensor& a = context.input(0);
    const Tensor& b = context.input(1);
    if (a.rank() != 2 || b.rank() != 2 || a.dim(a_turned_ ? 0 : 1) != b.dim(b_turned_ ? 1 : 0))
      refuse(context);
    const int64_t rows = a.dim(a_turned_ ? 1 : 0), depth = a.dim(a_turned_ ? 0 : 1),
                  columns = b.dim(b_turned_ ? 0 : 1);
    const Addend c(context, rows, columns);
    float* y = context.allocate_output(0, DType::kF32, {rows, columns}).values<float>().data();
    if (rows * columns == 0) return;
    ProductOperands operands = {dense_rows(context, rows, depth), y};
    const bool biased = alpha_ == 1.0f && beta_ == 1.0f && c.is_row(columns);
    if (biased) operands.column_bias = c.data;
    operands.b_panels = right_.panels();
    const RightMatrix matrix = {b.values<float>().data(), depth, columns, b_turned_};
    if (!b_turned_ && reads_in_place(rows, depth, columns)) operands.b_rows = matrix.data;
    const bool done = multiply_all(
        context.env(), micro_, {1, rows, depth, columns, depth, columns}, [&](int64_t) { return operands; },
        [&](int64_t, int64_t column, int64_t count, int64_t k, int64_t some, float* panel) {
          matrix.pack(micro_, column, count, k, some, panel);
        });
    if (done && !biased) scale_and_add(context.env(), c, rows, columns, y);
  }

 private:
  // c, which broadcasts to [rows, columns]; null data where there is none.
  struct Addend {
    Addend(const KernelContext& context, int64_t y_rows, int64_t y_columns) {
      if (!context.has_input(2)) return;
      const Dims& dims = context.input(2).dims();
      columns = dims.empty() ? 1 : dims.back();
      rows = dims.size() < 2 ? 1 : dims[0];
      if (dims.size() > 2 || (columns != 1 && columns != y_columns) || (rows != 1 && rows != y_rows))
        refuse(context);
      data = context.input(2).values<float>().data();
    }
    bool is_row(int64_t y_columns) const { return data != nullptr && rows == 1 && columns == y_columns; }

    const float* data = nullptr;
    int64_t rows = 1, columns = 1;
  };

  // a with its rows dense: as it lies, or turned in scratch memory.
  const float* dense_rows(const KernelContext& context, int64_t rows, int64_t depth) const {
    const float* a = context.input(0).values<float>().data();
    if (!a_turned_) return a;
    KernelEnv& env = context.env();
    auto* turned = reinterpret_cast<float*>(env.workspace(static_cast<size_t>(rows * depth) * sizeof(float)));
    env.parallel_for(rows, depth, [&](int64_t r, int) {
      for (int64_t k = 0; k < depth; ++k) turned[r * depth + k] = a[k * rows + r];
    });
    return turned;
  }

  void scale_and_add(KernelEnv& env, const Addend& c, int64_t rows, int64_t columns, float* y) const {
    if (alpha_ == 1.0f && c.data == nullptr) return;
    env.parallel_for(rows, columns, [&](int64_t r, int) {
      float* values = y + r * columns;
      for (int64_t i = 0; i < columns; ++i) values[i] *= alpha_;
      if (c.data == nullptr) return;
      const float* added = c.data + (c.rows == 1 ? 0 : r) * c.columns;
      for (int64_t i = 0; i < columns; ++i) values[i] += beta_ * added[c.columns == 1 ? 0 : i];
    });
  }

  const MicroKernels& micro_;
  bool a_turned_, b_turned_;
  float alpha_, beta_;
  PackedRight right_;
};

template <typename Product>
std::unique_ptr<Kernel> make(const KernelQuery& query, const void* device_state) {
  return std::make_unique<Product>(query, *static_cast<const MicroKernels*>(device_state));
}

}  // namespace

extern constinit const KernelImpl kMatMul = {"", "MatMul", "matmul", accept_f32, make<MatMul>};
extern constinit const KernelImpl kGemm = {"", "Gemm", "gemm", accept_f32, make<Gemm>};

}  // namespace oag::cpu
