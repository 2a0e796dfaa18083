#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>

#include "engine/backends/cpu/kernel_runner.h"
#include "engine/backends/cpu/micro_kernels.h"
#include "engine/backends/cpu/packed_weights.h"

namespace oag::cpu {
namespace {

constexpr DType kStorages[] = {DType::kF32,  DType::kF16,    DType::kBF16,   DType::kQ4_0,
                               DType::kQ4_1, DType::kQ5_0,   DType::kQ5_1,   DType::kQ8_0,
                               DType::kQ2_K, DType::kQ3_K,   DType::kQ4_K,   DType::kQ5_K,
                               DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};

OperatorCase linear(Tensor x, Tensor w, Tensor bias = {}) {
  return {"oag", "Linear", {}, {std::move(x), std::move(w), std::move(bias)}, 1, {1}};
}

OperatorCase many_rows(Tensor x, Tensor w, Tensor bias = {}) {
  OperatorCase operation = linear(std::move(x), std::move(w), std::move(bias));
  operation.attributes["many_rows"] = int64_t{1};
  return operation;
}

constexpr DType kFloatStorages[] = {DType::kF32, DType::kF16, DType::kBF16};

std::vector<float> decoded(const Tensor& w) {
  std::vector<float> values(static_cast<size_t>(w.count()));
  decode_blocks(w.dtype(), w.bytes(), values);
  return values;
}

// The activations as linear.block sees them.
struct Quantised {
  std::vector<float> values;  // scale · q
  std::vector<float> half_steps;
};
Quantised quantised(const MicroKernels& micro, const Tensor& x) {
  const int64_t inputs = x.dims().back(), tokens = x.count() / inputs;
  Quantised result{std::vector<float>(static_cast<size_t>(x.count())),
                   std::vector<float>(static_cast<size_t>(x.count()))};
  std::vector<uint8_t> tile(static_cast<size_t>(inputs / 32 * kActivationBytes));
  for (int64_t t = 0; t < tokens; ++t) {
    micro.quantise_tile(x.values<float>().data() + t * inputs, inputs, 1, inputs, tile.data());
    for (int64_t i = 0; i < inputs; ++i) {
      const uint8_t* record = tile.data() + i / 32 * kActivationBytes;
      float scale;
      std::memcpy(&scale, record + 32, sizeof scale);
      result.values[static_cast<size_t>(t * inputs + i)] =
          scale * static_cast<float>(static_cast<int8_t>(record[i % 32]));
      result.half_steps[static_cast<size_t>(t * inputs + i)] = scale / 2;
    }
  }
  return result;
}

class LinearOnIsa : public testing::TestWithParam<Isa> {
 protected:
  const MicroKernels& micro() const { return micro_kernels(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(EveryIsa, LinearOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

TEST_P(LinearOnIsa, QuantisationIsToNearestWithin127Steps) {
  const Tensor x = random_f32({1, 320}, 5, -3, 3);
  const Quantised near = quantised(micro(), x);
  for (size_t i = 0; i < near.values.size(); ++i) {
    EXPECT_NEAR(near.values[i], x.values<float>()[i], near.half_steps[i] * 1.0001f) << i;
    float top = 0;
    for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j)
      top = std::max(top, std::fabs(x.values<float>()[j]));
    EXPECT_FLOAT_EQ(near.half_steps[i] * 2, top / 127);
  }
}

TEST_P(LinearOnIsa, UnpackedBlocksAreTheDecodedValues) {
  for (const BlockFormat& format : std::span(micro().formats, kBlockFormatCount)) {
    const int64_t inputs = 1024;
    const auto group = static_cast<size_t>(32 / format.groups);
    const Tensor w = random_weights(format.dtype, 1, inputs, 17);
    const std::vector<float> exact = decoded(w);
    std::vector<uint8_t> q(static_cast<size_t>(inputs));
    std::vector<float> scales(q.size() / group), leasts(scales.size(), 0.0f), super_scales(4, 1.0f),
        super_leasts(4, 1.0f);
    format.unpack(reinterpret_cast<const uint8_t*>(w.data()), inputs, q.data(),
                  {scales.data(), leasts.data(), super_scales.data(), super_leasts.data()});
    for (size_t i = 0; i < q.size(); ++i) {
      const bool has_sign = format.bits == 8 && format.table == nullptr;
      ASSERT_TRUE(has_sign || q[i] < 1 << (format.table == nullptr ? format.bits : 4))
          << dtype_name(format.dtype);
      double level = has_sign ? static_cast<int8_t>(q[i]) : q[i];
      if (format.table != nullptr) level = format.table[q[i]];
      if (format.table != nullptr && format.value_bits == 8 && format.least_per_scale == 0)
        level = static_cast<int8_t>(format.table[q[i]]);
      const double scale = format.numbers == Numbers::kPowers
                               ? std::ldexp(1.0, static_cast<int>(scales[i / group]))
                               : static_cast<double>(scales[i / group]) * super_scales[i / 256];
      double least = has_sign ? 0.0 : scale * format.least_per_scale;
      if (format.own_leasts) least = static_cast<double>(leasts[i / group]) * super_leasts[i / 256];
      ASSERT_NEAR(scale * level + least, exact[i], 1e-6 * (std::fabs(scale * level) + std::fabs(least)))
          << dtype_name(format.dtype) << " value " << i;
    }
  }
}

TEST_P(LinearOnIsa, PackedWeightsTakeHardlyMoreThanStored) {
  for (const BlockFormat& format : std::span(micro().formats, kBlockFormatCount)) {
    if (format.table != nullptr && format.bits == 8) continue;  // a set without a byte shuffle
    const Tensor w = Tensor::host(format.dtype, {64, 4096});
    const auto stored = static_cast<double>(w.size_bytes());
    EXPECT_LE(static_cast<double>(PackedWeights::size_bytes(micro(), w)), 1.06 * stored)
        << dtype_name(format.dtype);
  }
}

// Every storage × token count × width: against the exact product with what the kernel multiplies, and against
// the reference within the bound that activation quantisation gives.
TEST_P(LinearOnIsa, MatchesTheReferenceForEveryStorageAndShape) {
  const auto device = make_device(GetParam(), 2);
  for (const DType dtype : kStorages) {
    for (const int64_t inputs : {32, 64, 96, 576, 1536, 256, 768}) {
      if (inputs % dtype_info(dtype).block_values != 0) continue;
      const int64_t outputs = inputs == 576 ? 61 : 7;
      const Tensor w = random_weights(dtype, outputs, inputs, 3);
      const std::vector<float> exact = decoded(w);
      const Tensor bias = random_f32({outputs}, 4);
      for (const int64_t tokens : {1, 2, 3, 5, 8, 17}) {
        const Tensor x = random_f32({tokens, inputs}, static_cast<uint32_t>(tokens), -2, 2);
        const KernelRunner runner(device, linear(x, w, bias));
        ASSERT_TRUE(runner.accepted()) << runner.refusals();
        const Tensor y = runner.run()[0], reference = runner.reference()[0];
        ASSERT_EQ(y.dims(), (Dims{tokens, outputs}));
        Quantised seen;
        if (is_block_format(dtype)) {
          seen = quantised(micro(), x);
        } else {
          seen.values.assign(x.values<float>().begin(), x.values<float>().end());
          seen.half_steps.assign(seen.values.size(), 0.0f);
        }
        for (int64_t t = 0; t < tokens; ++t) {
          for (int64_t o = 0; o < outputs; ++o) {
            double sum = bias.values<float>()[static_cast<size_t>(o)], size = std::fabs(sum), slack = 0;
            for (int64_t i = 0; i < inputs; ++i) {
              const auto at = static_cast<size_t>(t * inputs + i);
              const double weight = exact[static_cast<size_t>(o * inputs + i)];
              sum += weight * seen.values[at];
              size += std::fabs(weight * seen.values[at]);
              slack += std::fabs(weight) * seen.half_steps[at];
            }
            const auto at = static_cast<size_t>(t * outputs + o);
            const double rounding = (is_block_format(dtype) ? 1e-5 : 2e-6) * size;
            ASSERT_NEAR(y.values<float>()[at], sum, rounding)
                << dtype_name(dtype) << " " << tokens << "x" << inputs;
            ASSERT_NEAR(y.values<float>()[at], reference.values<float>()[at], rounding + slack * 1.001)
                << dtype_name(dtype);
          }
        }
      }
    }
  }
}

TEST_P(LinearOnIsa, PanelsOfFloatsMatchSumsInDouble) {
  const auto device = make_device(GetParam(), 2);
  for (const DType dtype : kFloatStorages) {
    for (const int64_t inputs : {1, 31, 256, 257, 1176}) {
      const int64_t outputs = inputs == 257 ? 300 : 45;
      const Tensor w = random_weights(dtype, outputs, inputs, 3), bias = random_f32({outputs}, 4);
      const std::vector<float> exact = decoded(w);
      for (const int64_t tokens : {1, 7, 12, 25, 260}) {
        const Tensor x = random_f32({tokens, inputs}, static_cast<uint32_t>(tokens), -2, 2);
        const KernelRunner runner(device, many_rows(x, w, bias));
        ASSERT_EQ(runner.choice().winner->name, "linear.float_panels");
        const Tensor y = runner.run()[0];
        ASSERT_EQ(y.dims(), (Dims{tokens, outputs}));
        for (int64_t t = 0; t < tokens; ++t) {
          for (int64_t o = 0; o < outputs; ++o) {
            double sum = bias.values<float>()[static_cast<size_t>(o)], size = std::fabs(sum);
            for (int64_t i = 0; i < inputs; ++i) {
              const double product = double{exact[static_cast<size_t>(o * inputs + i)]} *
                                     double{x.values<float>()[static_cast<size_t>(t * inputs + i)]};
              sum += product;
              size += std::fabs(product);
            }
            ASSERT_NEAR(y.values<float>()[static_cast<size_t>(t * outputs + o)], sum, 2e-6 * size)
                << dtype_name(dtype) << " " << tokens << "x" << inputs;
          }
        }
      }
    }
  }
}

TEST_P(LinearOnIsa, EveryPowerOfTwoOfMxfp4IsExact) {
  const int64_t inputs = 32;
  for (int exponent = 0; exponent < 250; ++exponent) {  // 0 and 1 are subnormal powers; 253 gives infinities
    Tensor w = random_weights(DType::kMXFP4, 5, inputs, 6);
    for (size_t block = 0; block < w.size_bytes(); block += 17)
      w.data()[block] = static_cast<std::byte>(exponent);
    // Such activations that products are neither subnormal nor infinite.
    const float top = exponent < 128 ? 1e6f : 1e-6f;
    const Tensor x = random_f32({1, inputs}, 7, -top, top);
    const std::vector<float> exact = decoded(w), seen = quantised(micro(), x).values;
    const Tensor y = KernelRunner(make_device(GetParam(), 1), linear(x, w)).run()[0];
    for (size_t o = 0; o < 5; ++o) {
      double sum = 0, size = 0;
      for (size_t i = 0; i < 32; ++i) {
        const double product = static_cast<double>(exact[o * 32 + i]) * seen[i];
        sum += product;
        size += std::fabs(product);
      }
      ASSERT_NEAR(y.values<float>()[o], sum, 1e-5 * size) << exponent;
    }
  }
}

TEST_P(LinearOnIsa, AnOutputRowDoesNotDependOnTheBatchOrTheThreads) {
  std::vector<std::pair<DType, bool>> ways;
  for (const DType dtype : kStorages) ways.emplace_back(dtype, false);
  for (const DType dtype : kFloatStorages) ways.emplace_back(dtype, true);
  for (const auto& [dtype, panels] : ways) {
    const auto linear = [panels = panels](const Tensor& x, const Tensor& w) {
      return panels ? many_rows(x, w) : ::oag::cpu::linear(x, w);
    };
    const int64_t inputs = 768, outputs = 203, tokens = 70;
    const Tensor w = random_weights(dtype, outputs, inputs, 8);
    const Tensor x = random_f32({tokens, inputs}, 9);
    const auto one = make_device(GetParam(), 1);
    const Tensor whole = KernelRunner(one, linear(x, w)).run()[0];
    const Tensor parallel = KernelRunner(make_device(GetParam(), 4), linear(x, w)).run()[0];
    ASSERT_EQ(std::memcmp(whole.data(), parallel.data(), whole.size_bytes()), 0) << dtype_name(dtype);
    for (const int64_t count : {1, 2, 3, 4, 6}) {
      for (int64_t t = 0; t + count <= tokens; t += 9) {
        const Tensor some(DType::kF32, {count, inputs}, x.buffer(),
                          static_cast<size_t>(t * inputs) * sizeof(float));
        const Tensor y = KernelRunner(one, linear(some, w)).run()[0];
        ASSERT_EQ(std::memcmp(y.data(), whole.values<float>().data() + t * outputs, y.size_bytes()), 0)
            << dtype_name(dtype) << " token " << t << " of a batch of " << count;
      }
    }
  }
}

TEST_P(LinearOnIsa, NonFiniteActivationsShowInTheirTokenOnly) {
  const Tensor w = random_weights(DType::kQ4_0, 9, 64, 1);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const Tensor x = random_f32({3, 64}, 2);
    x.values<float>()[64 + 40] = bad;
    const Tensor y = KernelRunner(make_device(GetParam(), 1), linear(x, w)).run()[0];
    for (size_t i = 0; i < 27; ++i)
      EXPECT_EQ(std::isfinite(y.values<float>()[i]), i / 9 != 1) << bad << " " << i;
  }
}

TEST_P(LinearOnIsa, EmptyAndZeroInputsAreServed) {
  const auto device = make_device(GetParam(), 2);
  const Tensor none = Tensor::host(DType::kF32, {0, 64});
  EXPECT_EQ(KernelRunner(device, linear(none, random_weights(DType::kQ8_0, 5, 64, 1))).run()[0].count(), 0);
  const Tensor zeros = random_f32({2, 64}, 1, 0, 0);
  const Tensor y = KernelRunner(device, linear(zeros, random_weights(DType::kQ4_1, 5, 64, 1))).run()[0];
  for (const float value : y.values<float>()) EXPECT_EQ(value, 0.0f);
}

TEST_P(LinearOnIsa, CancelStopsALargeProductSoonAndTheNextOneIsRight) {
  const auto device = make_device(GetParam(), 2);
  const Tensor w = random_weights(DType::kQ4_0, 4096, 2048, 1);
  const Tensor x = random_f32({2048, 2048}, 2);
  const KernelRunner runner(device, linear(x, w));
  const double delay_ms = median_cancel_delay_ms(runner);
#if defined(__x86_64__)  // an emulated processor says nothing about time
  EXPECT_LT(delay_ms, cancel_limit_ms());
#else
  EXPECT_GT(delay_ms, 0.0);
#endif
  const Tensor one(DType::kF32, {1, 2048}, x.buffer());
  const Tensor y = KernelRunner(device, linear(one, w)).run()[0],
               again = KernelRunner(make_device(GetParam(), 1), linear(one, w)).run()[0];
  EXPECT_EQ(std::memcmp(y.data(), again.data(), y.size_bytes()), 0);
}

}  // namespace
}  // namespace oag::cpu
