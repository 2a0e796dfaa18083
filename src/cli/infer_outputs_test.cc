#include "cli/infer_outputs.h"

#include <gtest/gtest.h>

#include "cli/random_values.h"
#include "engine/tensor/container.h"

namespace oag::cli {
namespace {

TEST(InferOutputs, FilesAreNamedAfterOutputsAndNeverTwice) {
  const auto named = [](const char* name, DType dtype) {
    return NamedTensor{name, Tensor::host(dtype, {1})};
  };
  const NamedTensor outputs[] = {named("a/b", DType::kF32),    named("a_b", DType::kI64),
                                 named("a_b_2", DType::kF32),  named("a/b", DType::kBF16),
                                 named("", DType::kString),    named("../x", DType::kI4),
                                 named("y", DType::kF8E4M3FN), {"seq", make_sequence({})}};
  EXPECT_EQ(output_files(outputs),
            (std::vector<std::string>{"a_b.npy", "a_b_2.npy", "a_b_2_2.npy", "a_b_3.pb", "output.pb",
                                      ".._x.pb", "y.pb", "seq.pb"}));
}

TEST(InferOutputs, LongNamesFitIntoAFilesName) {
  const NamedTensor outputs[] = {{std::string(1000, 'x'), Tensor::host(DType::kF32, {})},
                                 {std::string(1001, 'x'), Tensor::host(DType::kF32, {})}};
  const auto files = output_files(outputs);
  EXPECT_NE(files[0], files[1]);
  EXPECT_LT(files[1].size(), 255u);
}

TEST(InferOutputs, FiguresLeaveNaNOut) {
  const float values[] = {1, std::numeric_limits<float>::quiet_NaN(), 4};
  const Json json = output_json({"y", Tensor::of<float>(DType::kF32, {3}, values)});
  EXPECT_EQ(json["min"], 1);
  EXPECT_EQ(json["max"], 4);
  EXPECT_EQ(json["mean"], 2.5);
  EXPECT_EQ(json["nans"], 1);
  EXPECT_TRUE(output_json({"y", Tensor::host(DType::kF32, {0})})["min"].is_null());
}

TEST(RandomValues, AreEqualForASeedAndFitTheirType) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kF8E5M2, DType::kF8E8M0, DType::kF4E2M1,
                            DType::kI4, DType::kU2, DType::kI64, DType::kBool, DType::kC64, DType::kC128}) {
    const Tensor a = RandomValues(7).tensor(dtype, {3, 5}), b = RandomValues(7).tensor(dtype, {3, 5});
    EXPECT_TRUE(std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin())) << dtype_name(dtype);
    if (dtype == DType::kC64 || dtype == DType::kC128) continue;
    const Json json = output_json({"x", a});
    EXPECT_GE(json["min"], 0) << dtype_name(dtype);
    EXPECT_LE(json["max"], 1) << dtype_name(dtype);
    EXPECT_LT(json["min"], json["max"]) << dtype_name(dtype);
  }
  const Tensor a = RandomValues(1).tensor(DType::kString, {2}),
               b = RandomValues(2).tensor(DType::kString, {2});
  EXPECT_EQ(strings_of(a)[0].size(), 8u);
  EXPECT_NE(strings_of(a)[0], strings_of(b)[0]);
}

}  // namespace
}  // namespace oag::cli
