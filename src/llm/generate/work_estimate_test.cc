// The figures are worked out by hand from the shapes of GLM-4.1V-9B: see the sums beside them.
#include "llm/generate/work_estimate.h"

#include <gtest/gtest.h>

#include "llm/generate/model_runner.h"

namespace oag {
namespace {

constexpr double kGiga = 1e9, kTera = 1e12;

TextConfig text_config() {
  TextConfig config;
  config.architecture = "glm4";
  config.hidden_size = 4096;
  config.layers = 40;
  config.heads = 32;
  config.kv_heads = 2;
  config.head_size = 128;
  config.ffn_size = 13696;
  config.vocab_size = 151552;
  config.context_tokens = 65536;
  return config;
}

VisionConfig vision_config() {
  VisionConfig config;
  config.hidden_size = 1536;
  config.layers = 24;
  config.heads = 12;
  config.output_size = 4096;
  config.merger_ffn_size = 13696;
  config.table_side = 24;
  return config;
}

StoredTensor tensor(const std::string& name, DType dtype, Dims dims) {
  StoredTensor stored;
  stored.name = stored.gguf_name = name;
  stored.dtype = dtype;
  stored.dims = std::move(dims);
  return stored;
}

std::vector<StoredTensor> text_tensors(DType dtype) {
  std::vector<StoredTensor> tensors = {tensor("token_embd.weight", dtype, {151552, 4096}),
                                       tensor("output.weight", dtype, {151552, 4096}),
                                       tensor("output_norm.weight", DType::kF32, {4096})};
  for (int i = 0; i < 40; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    tensors.push_back(tensor(layer + "attn_q.weight", dtype, {4096, 4096}));
    tensors.push_back(tensor(layer + "attn_q.bias", DType::kF32, {4096}));
    tensors.push_back(tensor(layer + "attn_k.weight", dtype, {256, 4096}));
    tensors.push_back(tensor(layer + "attn_v.weight", dtype, {256, 4096}));
    tensors.push_back(tensor(layer + "attn_output.weight", dtype, {4096, 4096}));
    tensors.push_back(tensor(layer + "ffn_up.weight", dtype, {27392, 4096}));
    tensors.push_back(tensor(layer + "ffn_down.weight", dtype, {4096, 13696}));
  }
  return tensors;
}

std::vector<StoredTensor> vision_tensors() {
  const DType f16 = DType::kF16;
  std::vector<StoredTensor> tensors = {tensor("v.patch_embd.weight", f16, {1536, 3, 14, 14}),
                                       tensor("v.patch_embd.weight.1", f16, {1536, 3, 14, 14}),
                                       tensor("v.position_embd.weight", f16, {576, 1536}),
                                       tensor("mm.patch_merger.weight", f16, {4096, 1536, 2, 2}),
                                       tensor("mm.model.fc.weight", f16, {4096, 4096}),
                                       tensor("mm.gate.weight", f16, {13696, 4096}),
                                       tensor("mm.up.weight", f16, {13696, 4096}),
                                       tensor("mm.down.weight", f16, {4096, 13696})};
  for (int i = 0; i < 24; ++i) {
    const std::string layer = "v.blk." + std::to_string(i) + ".";
    tensors.push_back(tensor(layer + "attn_qkv.weight", f16, {4608, 1536}));
    tensors.push_back(tensor(layer + "attn_out.weight", f16, {1536, 1536}));
    tensors.push_back(tensor(layer + "ffn_gate.weight", f16, {4096, 1536}));
    tensors.push_back(tensor(layer + "ffn_up.weight", f16, {4096, 1536}));
    tensors.push_back(tensor(layer + "ffn_down.weight", f16, {1536, 4096}));
  }
  return tensors;
}

TEST(WorkEstimate, ALayerOfThe9BModelHas203948032Weights) {
  const TextProducts products = text_products(text_tensors(DType::kBF16));
  // 2 * 4096² + 2 * 256 * 4096 + 27392 * 4096 + 4096 * 13696
  EXPECT_EQ(products.layers.values(), 40.0 * 203948032);
  EXPECT_EQ(products.head.values(), 151552.0 * 4096);
  EXPECT_EQ(products.layers.block_values, 0);
  // 8.779e9 weights are read for a token: 17.56 GB in bf16, 9.33 GB in q8_0 (8.5 bits).
  EXPECT_NEAR((products.layers.bytes + products.head.bytes) / kGiga, 17.56, 0.01);
  const TextProducts blocks = text_products(text_tensors(DType::kQ8_0));
  EXPECT_NEAR((blocks.layers.bytes + blocks.head.bytes) / kGiga, 9.33, 0.01);
  EXPECT_EQ(blocks.layers.float_values, 0);
}

TEST(WorkEstimate, AHeadThatIsTheEmbeddingIsCountedOnce) {
  std::vector<StoredTensor> tensors = text_tensors(DType::kBF16);
  std::erase_if(tensors, [](const StoredTensor& each) { return each.name == "output.weight"; });
  EXPECT_EQ(text_products(tensors).head.values(), 151552.0 * 4096);
}

TEST(WorkEstimate, ATokenOfTheCacheTakes40KiBInF16) {
  EXPECT_EQ(cache_bytes_per_token(text_config(), DType::kF16), 40u * 1024);
  EXPECT_EQ(cache_bytes_per_token(text_config(), DType::kQ8_0), 21u * 1024 + 256);
  // 25,480 tokens fit in 1.0437 GB
  EXPECT_EQ(fitting_context(text_config(), DType::kF16, uint64_t{25480} * 40960), 25480);
  EXPECT_EQ(fitting_context(text_config(), DType::kF16, uint64_t{1} << 40), 65536);
  EXPECT_EQ(fitting_context(text_config(), DType::kF16, 0), 0);
  TextConfig odd = text_config();
  odd.head_size = 40;
  EXPECT_EQ(fitting_context(odd, DType::kQ8_0, uint64_t{1} << 40), std::nullopt);
}

TEST(WorkEstimate, AScreenTakes46TeraOperations) {
  const VisionProducts products = vision_products(vision_tensors());
  const WorkEstimate work = vision_work(products, vision_config(), 13416);
  // A block has 4608 * 1536 + 1536² + 3 * 4096 * 1536 = 28,311,552 weights, the embedding 1176 * 1536.
  const double linear = 2.0 * 13416 * (24 * 28311552.0 + 1176 * 1536);
  // 4096 * 6144 + 4096² + 3 * 13696 * 4096 for each of 3,354 rows
  const double merger = 2.0 * 3354 * (4096.0 * 6144 + 4096.0 * 4096 + 3 * 13696.0 * 4096);
  const double attention = 4.0 * 1536 * 24 * 13416 * 13416;
  EXPECT_NEAR(linear / kTera, 18.3, 0.05);
  EXPECT_NEAR(merger / kTera, 1.4, 0.05);
  EXPECT_NEAR(attention / kTera, 26.5, 0.05);
  EXPECT_DOUBLE_EQ(work.f32_ops, linear + merger + attention);
  EXPECT_EQ(work.int8_ops, 0);
  // 720x1600 has 5,928 patches: 8.1 + 5.2 + 0.6
  EXPECT_NEAR(vision_work(products, vision_config(), 5928).ops() / kTera, 13.9, 0.1);
}

TEST(WorkEstimate, APromptTakes16GigaOperationsATokenAndItsAttention) {
  const TextProducts products = text_products(text_tensors(DType::kQ8_0));
  const WorkEstimate work = prefill_work(products, text_config(), 4554, 256);
  EXPECT_NEAR(work.int8_ops / 4554 / kGiga, 16.3, 0.05);
  // 655,360 operations for each pair of a token and one it sees
  EXPECT_DOUBLE_EQ(work.f32_ops, 655360.0 * 4554 * 4555 / 2);
  // 18 steps read the layers, the last the head too.
  EXPECT_NEAR(work.read_bytes / kGiga, 18 * 8.158 * 8.5 / 8 + 0.66, 0.05);
}

TEST(WorkEstimate, AnAnswerReadsTheWeightsForEachToken) {
  const TextProducts products = text_products(text_tensors(DType::kQ8_0));
  const WorkEstimate work = decode_work(products, text_config(), 4096, 1, DType::kF16);
  EXPECT_NEAR(work.read_bytes / kGiga, 9.33 + 0.168, 0.005);
  // 2.14 tokens/s at 20 GB/s, less 2 % for the cache
  EXPECT_NEAR(1 / seconds_at_limits(work, {20, 400, 1600}), 2.14 * 0.982, 0.01);
}

TEST(WorkEstimate, AStepOfAnAgentOnTwoCoresTakesMinutes) {
  const VisionConfig vision = vision_config();
  const AgentWork work = agent_work({}, text_config(), text_products(text_tensors(DType::kQ8_0)), &vision,
                                    vision_products(vision_tensors()), DType::kF16);
  const MachineLimits limits = {20, 400, 1600};
  // Vision 46.2 / 0.4, prompt 74.3 / 1.6 + 6.8 / 0.4, answer 150 * 9.5 GB / 20
  EXPECT_NEAR(agent_seconds_at_limits(work, limits), 115.6 + 46.4 + 17.0 + 71.3, 2);
  EXPECT_GT(agent_seconds_expected(work, limits), agent_seconds_at_limits(work, limits) / 0.85);
  EXPECT_LT(agent_seconds_expected(work, limits), agent_seconds_at_limits(work, limits) / 0.7);
  // What hardware_for names does the step in that time, where all arithmetic is as fast.
  const HardwareNeed need = hardware_for(work, 60);
  const double gigas = need.tera_ops * 1e3;
  EXPECT_NEAR(agent_seconds_expected(work, {need.bandwidth_gb_s, gigas, gigas}), 60, 1.5);
}

TEST(WorkEstimate, RecipesAreSizedByTheTypesThatTheyChoose) {
  const std::vector<RecipeSize> sizes = recipe_sizes(text_config(), text_tensors(DType::kBF16));
  const auto bytes = [&](std::string_view name) {
    for (const RecipeSize& size : sizes)
      if (size.name == name) return static_cast<double>(size.weight_bytes) / kGiga;
    return 0.0;
  };
  // 9.400e9 weights of 16 and of 8.5 bits
  EXPECT_NEAR(bytes("bf16"), 18.80, 0.01);
  EXPECT_NEAR(bytes("q8_0"), 9.99, 0.01);
  // 4.5 bits, but for down (13,696 are no multiple of 256), v and the head, which are larger
  EXPECT_GT(bytes("q4_k_m"), 9.4 * 4.5 / 8);
  EXPECT_LT(bytes("q4_k_m"), 9.4 * 5.5 / 8);
  EXPECT_TRUE(std::ranges::is_sorted(sizes, std::greater{}, &RecipeSize::weight_bytes));
}

}  // namespace
}  // namespace oag
