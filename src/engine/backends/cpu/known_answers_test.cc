#include "engine/backends/cpu/known_answers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "engine/backends/cpu/micro_kernels.h"

namespace oag::cpu {
namespace {

const MicroKernels& best() {
  return micro_kernels(available_isas().back());
}

TEST(SelfTest, PassesOnEveryInstructionSetOfThisProcessor) {
  for (const Isa isa : available_isas()) EXPECT_EQ(wrong_kernel(micro_kernels(isa)), "") << isa_name(isa);
}

// Kernels that are right but for one value each.
template <DType kFormat>
void off_by_a_thousandth(const PackedRows& w, int64_t panel, int64_t panels, const uint8_t* tile, int tokens,
                         const float* bias, float* y, int64_t y_stride) {
  best().packed_dot(w, panel, panels, tile, tokens, bias, y, y_stride);
  if (w.format->dtype == kFormat) y[(tokens - 1) * y_stride + w.rows - 1] *= 1.001f;
}
void wrong_for_the_last_of_an_odd_number(const PackedRows& w, int64_t panel, int64_t panels,
                                         const uint8_t* tile, int tokens, const float* bias, float* y,
                                         int64_t y_stride) {
  best().packed_dot(w, panel, panels, tile, tokens, bias, y, y_stride);
  if (tokens > 1 && tokens % 2 == 1) y[(tokens - 1) * y_stride] *= 1.001f;
}
void never_continues(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t depth, bool,
                     float* y, int64_t y_stride, int64_t columns) {
  best().panel_product(a, a_stride, rows, b, depth, false, y, y_stride, columns);
}
void without_bias(const float* a, int64_t a_stride, int64_t rows, const float* x, const int64_t* offsets,
                  int64_t depth, bool continues, const float*, float* y, int64_t y_stride, int64_t columns) {
  best().window_product(a, a_stride, rows, x, offsets, depth, continues, nullptr, y, y_stride, columns);
}
void never_a_scalar_first(const float* a, bool, const float* b, bool b_is_scalar, int64_t count, float* y) {
  best().binary[0](a, false, b, b_is_scalar, count, y);
}
void off_by_one_half(const float* from, int64_t count, uint16_t* to) {
  best().f16_from_f32(from, count, to);
  to[count - 1] ^= 1;
}
void not_a_number(const float* x, int64_t count, float* y) {
  best().exp(x, count, y);
  y[7] = y[7] * 0.0f / 0.0f;
}
void without_the_last_position(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q,
                               int64_t queries, int64_t width, float* scores) {
  best().key_scores_f16(runs, run_count, stride, q, queries, width, scores);
  const KeyRun& last = runs[run_count - 1];
  scores[(queries - 1) * kScoreStride + last.at + last.count - 1] = 0;
}
void one_row_short(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens,
                   int64_t inputs, const float* bias, float* y, int64_t y_stride) {
  best().dot_f32(w, rows - 1, x, x_stride, tokens, inputs, bias, y, y_stride);
}

TEST(SelfTest, NamesTheKernelThatIsWrong) {
  MicroKernels wrong = best();
  wrong.packed_dot = off_by_a_thousandth<DType::kQ8_0>;
  EXPECT_EQ(wrong_kernel(wrong), "products with 8-bit weights");
  wrong.packed_dot = off_by_a_thousandth<DType::kIQ4_XS>;
  EXPECT_EQ(wrong_kernel(wrong), "products with weights from a table");
  wrong.packed_dot = off_by_a_thousandth<DType::kMXFP4>;
  EXPECT_EQ(wrong_kernel(wrong), "products with weights from a table");
  wrong.packed_dot = wrong_for_the_last_of_an_odd_number;
  EXPECT_EQ(wrong_kernel(wrong), "products with 4-bit weights");
  wrong = best();
  wrong.f16_from_f32 = off_by_one_half;
  EXPECT_EQ(wrong_kernel(wrong), "conversions");
  wrong = best();
  wrong.exp = not_a_number;
  EXPECT_EQ(wrong_kernel(wrong), "exponentials");
  wrong = best();
  wrong.key_scores_f16 = without_the_last_position;
  EXPECT_EQ(wrong_kernel(wrong), "attention scores");
  wrong = best();
  wrong.dot_f32 = one_row_short;
  EXPECT_EQ(wrong_kernel(wrong), "products with float weights");
  wrong = best();
  std::swap(wrong.rotate_halves, wrong.rotate_pairs);
  EXPECT_EQ(wrong_kernel(wrong), "rotations");
  wrong = best();
  std::swap(wrong.binary[0], wrong.binary[2]);
  EXPECT_EQ(wrong_kernel(wrong), "arithmetic");
  wrong = best();
  wrong.binary[0] = never_a_scalar_first;
  EXPECT_EQ(wrong_kernel(wrong), "arithmetic");
  wrong = best();
  std::swap(wrong.element[0], wrong.element[1]);
  EXPECT_EQ(wrong_kernel(wrong), "activations");
  wrong = best();
  std::swap(wrong.gelu, wrong.gelu_tanh);
  EXPECT_EQ(wrong_kernel(wrong), "normal distributions");
  wrong = best();
  wrong.panel_product = never_continues;
  EXPECT_EQ(wrong_kernel(wrong), "matrix products");
  wrong = best();
  wrong.window_product = without_bias;
  EXPECT_EQ(wrong_kernel(wrong), "products with windows");
  wrong = best();
  std::swap(wrong.pack_columns_f16, wrong.pack_columns_bf16);
  EXPECT_EQ(wrong_kernel(wrong), "columns of matrices");
}

TEST(SelfTest, FallsBackToTheNextInstructionSetWithOneWarning) {
  testing::internal::CaptureStderr();
  const Isa candidates[] = {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512};
  const auto test = [](Isa isa) -> std::string_view { return isa == Isa::kAvx512 ? "exponentials" : ""; };
  EXPECT_EQ(best_right(candidates, test), Isa::kAvx2);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_NE(said.find("avx512 kernels compute wrongly on this processor (exponentials); using avx2"),
            std::string::npos)
      << said;
}

TEST(SelfTest, WithoutAnyRightKernelsNothingIsComputed) {
  const Isa candidates[] = {Isa::kBaseline};
  try {
    best_right(candidates, [](Isa) -> std::string_view { return "exponentials"; });
    ADD_FAILURE() << "wrong kernels were trusted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
  }
}

// Half a millisecond on a quiet machine; this is what a start-up may cost on a busy one.
TEST(SelfTest, TakesNoTimeThatAUserWouldNotice) {
  double shortest_ms = 1e9;
  for (int i = 0; i < 5; ++i) {
    const TimePoint begin = Clock::now();
    ASSERT_EQ(wrong_kernel(best()), "");
    shortest_ms = std::min(shortest_ms, elapsed_ms(begin));
  }
  RecordProperty("ms", std::to_string(shortest_ms));
  EXPECT_LT(shortest_ms, 50);
}

}  // namespace
}  // namespace oag::cpu
