// MatMulNBits of com.microsoft: weights of a few bits, a scale and a zero point for each block.
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

constexpr DTypeSet kScaleTypes = {DType::kF32, DType::kF16, DType::kBF16};

int64_t ceil_of(int64_t a, int64_t b) {
  return a / b + (a % b != 0 ? 1 : 0);
}

// Value i of bytes that hold `bits` each, the first in the low bits.
int64_t packed_value(std::span<const uint8_t> bytes, int64_t i, int64_t bits) {
  const auto bit = static_cast<size_t>(i * bits);
  return bytes[bit / 8] >> (bit % 8) & ((1 << bits) - 1);
}

template <typename Context>
int64_t read_bits(const Context& context) {
  const int64_t bits = context.node().int_attribute("bits", 4);
  if (bits != 2 && bits != 4 && bits != 8) context.refuse("bits is {}; it must be 2, 4 or 8", bits);
  return bits;
}

template <typename Context>
int64_t read_block_size(const Context& context, int64_t fallback) {
  const int64_t size = context.node().int_attribute("block_size", fallback);
  if (size < 16 || size > (1 << 20) || (size & (size - 1)) != 0)
    context.refuse("block_size is {}; it must be a power of two from 16", size);
  return size;
}

// B [N, K], quantised: [N, blocks of K] of block_size values.
struct NBitsWeight {
  explicit NBitsWeight(const auto& context)
      : bits(read_bits(context)),
        block(read_block_size(context, 32)),
        k(context.node().int_attribute("K")),
        n(context.node().int_attribute("N")) {
    constexpr int64_t kMost = int64_t{1} << 40;
    if (k < 1 || n < 1 || k > kMost || n > kMost) context.refuse("K is {} and N {}", k, n);
    blocks = ceil_of(k, block);
  }

  void check(const KernelContext& context) const {
    if (context.input(1).count() != n * blocks * (block * bits / 8))
      context.refuse("B {} must have {} rows of {} blocks of {} bytes", to_string(context.input(1).dims()), n,
                     blocks, block * bits / 8);
    if (context.input(2).count() != n * blocks)
      context.refuse("scales {} must be [{}, {}]", to_string(context.input(2).dims()), n, blocks);
    if (context.has_input(3)) {
      const bool packed = context.input(3).dtype() == DType::kU8;
      const int64_t wanted = n * (packed ? ceil_of(blocks * bits, 8) : blocks);
      if (context.input(3).count() != wanted)
        context.refuse("zero_points {} must have {} elements", to_string(context.input(3).dims()), wanted);
    }
    if (context.has_input(5) && context.input(5).count() != n)
      context.refuse("bias {} must be [{}]", to_string(context.input(5).dims()), n);
  }

  std::vector<double> row(const KernelContext& context, int64_t i) const {
    std::vector<double> scales(static_cast<size_t>(blocks)),
        zeros(scales.size(), static_cast<double>(1 << (bits - 1)));
    load_elements<double>(context.input(2), i * blocks, 1, scales);
    if (context.has_input(3) && context.input(3).dtype() == DType::kU8) {
      const int64_t row_size = ceil_of(blocks * bits, 8);
      const auto packed = context.input(3).values<uint8_t>().subspan(static_cast<size_t>(i * row_size));
      for (int64_t b = 0; b < blocks; ++b)
        zeros[static_cast<size_t>(b)] = static_cast<double>(packed_value(packed, b, bits));
    } else if (context.has_input(3)) {
      load_elements<double>(context.input(3), i * blocks, 1, zeros);
    }
    const int64_t row_size = blocks * (block * bits / 8);
    const auto packed = context.input(1).values<uint8_t>().subspan(static_cast<size_t>(i * row_size));
    std::vector<double> values(static_cast<size_t>(k));
    for (int64_t j = 0; j < k; ++j) {
      const auto b = static_cast<size_t>(j / block);
      values[static_cast<size_t>(j)] =
          (static_cast<double>(packed_value(packed, j, bits)) - zeros[b]) * scales[b];
    }
    return values;
  }

  int64_t bits, block, k, n, blocks = 0;
};

void infer_matmul(InferenceContext& context) {
  const NBitsWeight weight(context);
  if (context.node().int_attribute("weight_prepacked", 0) != 0)
    context.refuse("prepacked weights cannot be read");
  if (context.has_input(4)) context.refuse("the input g_idx is not supported");
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  Shape out = context.shape(0);
  if (out.empty() || (out.back().is_constant() && out.back().constant() != weight.k))
    context.refuse("A {} must end in K = {}", to_string(out), weight.k);
  out.back() = weight.n;
  context.set_output(0, context.dtype(0), std::move(out));
}

void matmul_reference(KernelContext& context) {
  const NBitsWeight weight(context);
  weight.check(context);
  const Tensor& a = context.input(0);
  if (a.rank() == 0 || a.dims().back() != weight.k)
    context.refuse("A {} must end in K = {}", to_string(a.dims()), weight.k);
  Dims dims = a.dims();
  dims.back() = weight.n;
  const Tensor& out = context.allocate_output(0, a.dtype(), dims);
  const int64_t rows = a.count() / weight.k;
  context.env().parallel_for(weight.n, weight.k * (rows + 4), [&](int64_t column, int) {
    const std::vector<double> values = weight.row(context, column);
    std::vector<double> row(values.size());
    double bias = 0;
    if (context.has_input(5)) load_elements<double>(context.input(5), column, 1, std::span(&bias, 1));
    for (int64_t r = 0; r < rows; ++r) {
      load_elements<double>(a, r * weight.k, 1, row);
      double sum = bias;
      for (size_t i = 0; i < row.size(); ++i) sum += row[i] * values[i];
      store_elements<double>(out, r * weight.n + column, 1, std::span<const double>(&sum, 1));
    }
  });
}

}  // namespace

// Y = A [..., K] · Bᵀ + bias [N]. B [N, blocks, bytes] holds values of `bits` bits, the first in the low bits
// of a byte; scales [N, blocks]; zero_points the same, or packed as B is, each row in whole bytes; else
// 2^(bits - 1).
extern constinit const OpSchema kMicrosoftMatMulNBits = {
    .domain = "com.microsoft",
    .op = "MatMulNBits",
    .since_version = 1,
    .inputs = {{"A", "T1", kScaleTypes},
               {"B", "", {DType::kU8}},
               {"scales", "T1", kScaleTypes},
               {"zero_points", "", kScaleTypes | DTypeSet{DType::kU8}, true},
               {"g_idx", "", {DType::kI32}, true},
               {"bias", "T1", kScaleTypes, true}},
    .outputs = {{"Y", "T1", kScaleTypes}},
    .attributes = {{"K", AttributeKind::kInt, true},
                   {"N", AttributeKind::kInt, true},
                   {"accuracy_level", AttributeKind::kInt},
                   {"bits", AttributeKind::kInt},
                   {"block_size", AttributeKind::kInt, true},
                   {"weight_prepacked", AttributeKind::kInt}},
    .infer = infer_matmul,
    .reference = matmul_reference,
};

}  // namespace oag
