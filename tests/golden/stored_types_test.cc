// Vectors of a model file (norms, biases, divisors of rotary frequencies) in other storage than f32. The
// oracle is the same model with the rounded values stored as f32, the form that is compared with
// transformers.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "engine/tensor/block_format.h"
#include "engine/tensor/quantize.h"
#include "tests/golden/made_models.h"
#include "tests/golden/model_probe.h"
#include "tests/tiny_models.h"

namespace oag::test {
namespace {

std::filesystem::path made(const std::string& name) {
  return tiny_models_detail::scratch_folder() / (name + ".stored.gguf");
}

std::vector<float> logits_of(const std::filesystem::path& model) {
  std::vector<float> all;
  Lane lane;
  for (TokenId id = 10; id < 50; ++id) lane.prompt.push_back(id);
  lane.answer_tokens = 4;
  lane.wants_prompt_logits = true;
  lane.on_logits = [&](int64_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  };
  ModelProbe(load_bundle(model), {}).run(lane);
  return all;
}

void round_to(DType dtype, std::vector<float>& values) {
  std::vector<std::byte> blocks(row_bytes(dtype, static_cast<int64_t>(values.size())));
  quantize_rows(dtype, values, static_cast<int64_t>(values.size()), blocks);
  decode_blocks(dtype, blocks, values);
}

// The model with the tensors that `chosen` picks rounded to `dtype`, and stored as it or as f32.
std::filesystem::path rounded(const std::string& model, DType dtype, bool store,
                              const std::function<bool(const std::string&, const StoredTensor&)>& chosen) {
  const std::filesystem::path to = made(model + (store ? ".stored" : ".rounded"));
  int count = 0;
  rewrite_model(tiny_model(model, "bf16"), to, [&](const std::string& name, StoredTensor& tensor) {
    if (!chosen(name, tensor)) return;
    ++count;
    EXPECT_EQ(tensor.dtype, DType::kF32) << name;
    round_to(dtype, tensor.values);
    if (store) tensor.dtype = dtype;
  });
  EXPECT_GT(count, 0) << "nothing was changed in " << model;
  return to;
}

void expect_same_logits(const std::filesystem::path& a, const std::filesystem::path& b) {
  const std::vector<float> left = logits_of(a), right = logits_of(b);
  ASSERT_EQ(left.size(), right.size());
  EXPECT_EQ(std::memcmp(left.data(), right.data(), left.size() * sizeof(float)), 0)
      << "largest difference " << largest_difference(left, right);
}

class StoredVectors : public ::testing::TestWithParam<std::tuple<const char*, DType>> {};

TEST_P(StoredVectors, NormsAndBiasesGiveTheLogitsOfTheSameValuesInF32) {
  const auto [model, dtype] = GetParam();
  const auto vectors = [](const std::string& name, const StoredTensor& tensor) {
    return tensor.dims.size() == 1 && name != "rope_freqs.weight";
  };
  expect_same_logits(rounded(model, dtype, true, vectors), rounded(model, dtype, false, vectors));
}

// qwen2 has biases, qwen3 norms of heads, glm4 norms after each branch.
INSTANTIATE_TEST_SUITE_P(All, StoredVectors,
                         ::testing::Combine(::testing::Values("qwen2", "qwen3", "glm4"),
                                            ::testing::Values(DType::kF16, DType::kBF16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" +
                                  std::string(dtype_name(std::get<1>(info.param)));
                         });

bool is_divisors(const std::string& name, const StoredTensor&) {
  return name == "rope_freqs.weight";
}

TEST(RopeDivisors, GiveTheLogitsOfTheSameValuesInF32) {
  for (const DType dtype : {DType::kF16, DType::kBF16})
    expect_same_logits(rounded("llama3", dtype, true, is_divisors),
                       rounded("llama3", dtype, false, is_divisors));
}

TEST(RopeDivisors, AreRefusedWhenTheyAreNoNumbersAboveZero) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {0.0f, -1.0f, std::nanf(""), kInfinity, -kInfinity}) {
    for (const DType dtype : {DType::kF32, DType::kF16}) {
      const std::filesystem::path path = made("bad_divisor");
      rewrite_model(tiny_model("llama3", "bf16"), path, [&](const std::string& name, StoredTensor& tensor) {
        if (!is_divisors(name, tensor)) return;
        tensor.dtype = dtype;
        tensor.values[3] = bad;
      });
      try {
        load_bundle(path).build_graph();
        ADD_FAILURE() << "a divisor of " << bad << " was accepted";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
        EXPECT_NE(error.message().find("rope_freqs.weight: value 3 is"), std::string::npos) << error.what();
      }
    }
  }
}

TEST(RopeDivisors, AreRefusedWhenTheyAreNotOneForEachPair) {
  for (const int64_t count : {1, 15, 17, 32}) {
    const std::filesystem::path path = made("divisor_count");
    rewrite_model(tiny_model("llama3", "bf16"), path, [&](const std::string& name, StoredTensor& tensor) {
      if (!is_divisors(name, tensor)) return;
      tensor.dims = {count};
      tensor.values.resize(static_cast<size_t>(count), 1.0f);
    });
    try {
      load_bundle(path).build_graph();
      ADD_FAILURE() << count << " divisors were accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(error.message().find("rope_freqs.weight"), std::string::npos) << error.what();
      EXPECT_NE(error.message().find("[16]"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace oag::test
