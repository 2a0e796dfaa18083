// Models in old opsets, run by the engine. The values in tests/data/onnx/upgrade are ONNX Runtime's at the
// old opset, or numpy's; tools/goldens/make_onnx_upgrade_cases.py made them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "engine/formats/onnx/onnx_import.h"
#include "engine/formats/onnx/onnx_value.h"
#include "engine/tensor/container.h"
#include "engine/tensor/float16.h"
#include "tests/session_fixture.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

Tensor read_value(const fs::path& path) {
  const auto file = MappedFile::open(path);
  return read_tensor_proto(file->bytes(), path.string());
}

std::vector<double> numbers_of(const Tensor& tensor) {
  std::vector<double> numbers(static_cast<size_t>(tensor.count()));
  for (size_t i = 0; i < numbers.size(); ++i) {
    switch (tensor.dtype()) {
      case DType::kBool: numbers[i] = tensor.values<bool>()[i]; break;
      case DType::kI32: numbers[i] = tensor.values<int32_t>()[i]; break;
      case DType::kI64: numbers[i] = static_cast<double>(tensor.values<int64_t>()[i]); break;
      case DType::kF64: numbers[i] = tensor.values<double>()[i]; break;
      case DType::kF16: numbers[i] = f32_from_f16(tensor.values<uint16_t>()[i]); break;
      default: numbers[i] = tensor.values<float>()[i]; break;
    }
  }
  return numbers;
}

void expect_same(const Tensor& actual, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(dtype_name(actual.dtype()), dtype_name(expected.dtype())) << what;
  ASSERT_EQ(actual.dims(), expected.dims()) << what;
  if (expected.dtype() == DType::kString) {
    EXPECT_TRUE(std::ranges::equal(strings_of(actual), strings_of(expected))) << what;
    return;
  }
  const auto a = numbers_of(actual), e = numbers_of(expected);
  for (size_t i = 0; i < e.size(); ++i)
    ASSERT_NEAR(a[i], e[i], 2e-6 + 1e-4 * std::fabs(e[i])) << what << " element " << i;
}

void run_case(const fs::path& folder, const std::shared_ptr<Runtime>& runtime) {
  const OnnxModel model = import_onnx(folder / "model.onnx");
  const fs::path data = folder / "test_data_set_0";
  RunBindings bindings;
  for (size_t i = 0; i < model.inputs.size(); ++i)
    bindings.inputs.push_back(read_value(data / fmt::format("input_{}.pb", i)));
  const Session session(runtime, model.graph);
  std::vector<Tensor> outputs;
  ASSERT_EQ(session.run(bindings, RunControl(), outputs), RunState::kDone);
  for (size_t i = 0; i < outputs.size(); ++i)
    expect_same(outputs[i], read_value(data / fmt::format("output_{}.pb", i)), model.outputs[i].name);
}

TEST(UpgradeCases, OldModelsGiveTheirOldValues) {
  const auto runtime = session_test::test_runtime();
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(OAG_SOURCE_DIR "/tests/data/onnx/upgrade")) {
    SCOPED_TRACE(entry.path().filename().string());
    EXPECT_NO_THROW(run_case(entry.path(), runtime));
    ++cases;
  }
  EXPECT_GT(cases, 80);
}

}  // namespace
}  // namespace oag
