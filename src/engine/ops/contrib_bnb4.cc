// MatMulBnb4 of com.microsoft: weights in the 4-bit formats of bitsandbytes, one scale for each block.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

constexpr DTypeSet kProductTypes = {DType::kF32, DType::kF16, DType::kBF16};

// Parts of a block's greatest magnitude: FP4 has a sign, 2 bits of exponent and 1 of mantissa; NF4 has steps
// that normally distributed values fill evenly.
constexpr std::array<float, 16> kFp4 = {
    0.0f,  0.00520833333f,  2 / 3.0f,  1.0f,  1 / 3.0f,  0.5f,  1 / 6.0f,  0.25f,
    -0.0f, -0.00520833333f, -2 / 3.0f, -1.0f, -1 / 3.0f, -0.5f, -1 / 6.0f, -0.25f};
constexpr std::array<float, 16> kNf4 = {
    -1.0f,       -0.69619280f, -0.52507305f, -0.39491749f, -0.28444138f, -0.18477343f, -0.09105004f, 0.0f,
    0.07958030f, 0.16093020f,  0.24611230f,  0.33791524f,  0.44070983f,  0.56261700f,  0.72295684f,  1.0f};

// W [N, K], quantised in blocks of the flattened matrix; the first value of a byte in its high bits.
struct Bnb4Weight {
  explicit Bnb4Weight(const auto& context)
      : n(context.node().int_attribute("N")),
        k(context.node().int_attribute("K")),
        block(context.node().int_attribute("block_size")),
        transposed(context.node().int_attribute("transB", 1) != 0) {
    constexpr int64_t kMost = int64_t{1} << 31;
    if (n < 1 || k < 1 || n > kMost || k > kMost) context.refuse("K is {} and N {}", k, n);
    if (block < 16 || block > kMost || (block & (block - 1)) != 0)
      context.refuse("block_size is {}; it must be a power of two from 16", block);
    const int64_t kind = context.node().int_attribute("quant_type");
    if (kind != 0 && kind != 1) context.refuse("quant_type is {}; it must be 0 (FP4) or 1 (NF4)", kind);
    table = kind == 0 ? kFp4.data() : kNf4.data();
  }

  void check(const KernelContext& context) const {
    const int64_t bytes = (n * k + 1) / 2, blocks = (n * k + block - 1) / block;
    if (context.input(1).count() != bytes)
      context.refuse("B {} must have {} bytes", to_string(context.input(1).dims()), bytes);
    if (context.input(2).count() != blocks)
      context.refuse("absmax {} must have {} scales", to_string(context.input(2).dims()), blocks);
  }

  int64_t taken() const { return transposed ? k : n; }
  int64_t given() const { return transposed ? n : k; }

  // What output `column` multiplies A with.
  std::vector<double> column(const KernelContext& context, int64_t column) const {
    const auto bytes = context.input(1).values<uint8_t>();
    std::vector<double> values(static_cast<size_t>(taken()));
    for (int64_t i = 0; i < taken(); ++i) {
      const int64_t place = transposed ? column * k + i : i * k + column;
      const uint8_t byte = bytes[static_cast<size_t>(place / 2)];
      double scale = 0;
      load_elements<double>(context.input(2), place / block, 1, std::span(&scale, 1));
      values[static_cast<size_t>(i)] =
          static_cast<double>(table[place % 2 == 0 ? byte >> 4 : byte & 15]) * scale;
    }
    return values;
  }

  int64_t n, k, block;
  bool transposed;
  const float* table = nullptr;
};

void infer_bnb4(InferenceContext& context) {
  const Bnb4Weight weight(context);
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  Shape out = context.shape(0);
  if (out.empty() || (out.back().is_constant() && out.back().constant() != weight.taken()))
    context.refuse("A {} must end in {}", to_string(out), weight.taken());
  out.back() = weight.given();
  context.set_output(0, context.dtype(0), std::move(out));
}

void bnb4_reference(KernelContext& context) {
  const Bnb4Weight weight(context);
  weight.check(context);
  const Tensor& a = context.input(0);
  if (a.rank() == 0 || a.dims().back() != weight.taken())
    context.refuse("A {} must end in {}", to_string(a.dims()), weight.taken());
  Dims dims = a.dims();
  dims.back() = weight.given();
  const Tensor& out = context.allocate_output(0, a.dtype(), dims);
  const int64_t rows = a.count() / weight.taken();
  context.env().parallel_for(weight.given(), weight.taken() * (rows + 8), [&](int64_t column, int) {
    const std::vector<double> values = weight.column(context, column);
    std::vector<double> row(values.size());
    for (int64_t r = 0; r < rows; ++r) {
      load_elements<double>(a, r * weight.taken(), 1, row);
      double sum = 0;
      for (size_t i = 0; i < row.size(); ++i) sum += row[i] * values[i];
      store_elements<double>(out, r * weight.given() + column, 1, std::span<const double>(&sum, 1));
    }
  });
}

}  // namespace

// A [..., K] · Wᵀ of W [N, K] in 4 bits, or A [..., N] · W where transB is 0.
extern constinit const OpSchema kMicrosoftMatMulBnb4 = {
    .domain = "com.microsoft",
    .op = "MatMulBnb4",
    .since_version = 1,
    .inputs = {{"A", "T1", kProductTypes}, {"B", "T2", {DType::kU8}}, {"absmax", "T1", kProductTypes}},
    .outputs = {{"Y", "T1", kProductTypes}},
    .attributes = {{"K", AttributeKind::kInt, true},
                   {"N", AttributeKind::kInt, true},
                   {"block_size", AttributeKind::kInt, true},
                   {"quant_type", AttributeKind::kInt, true},
                   {"training_mode", AttributeKind::kInt},
                   {"transB", AttributeKind::kInt}},
    .infer = infer_bnb4,
    .reference = bnb4_reference,
};

}  // namespace oag
