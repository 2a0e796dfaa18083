#include "llm/generate/model_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <numeric>

#include "api/backends.h"
#include "base/error.h"
#include "base/promised_memory.h"
#include "tests/tiny_models.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

const ModelBundle& tiny() {
  static const ModelBundle bundle = load_bundle(test::tiny_model("llama", "bf16"));
  return bundle;
}

std::shared_ptr<Runtime> test_runtime() {
  return std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", 2});
}

RunnerOptions options(int64_t context) {
  RunnerOptions result;
  result.context_tokens = context;
  result.cache_dtype = DType::kF32;
  return result;
}

// The processor, on a machine that says it has `free_bytes` left.
class SmallMachine final : public Device {
 public:
  explicit SmallMachine(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  const DeviceProperties& properties() const override { return device_->properties(); }
  std::optional<uint64_t> free_memory_bytes() const override {
    return free_bytes - std::min(free_bytes, promised_bytes());
  }
  std::shared_ptr<Buffer> allocate(size_t size_bytes) override {
    allocated_bytes += size_bytes;
    return device_->allocate(size_bytes);
  }
  bool host_memory() const override { return true; }
  std::unique_ptr<Stream> make_stream(const RunControl& control) override {
    return device_->make_stream(control);
  }
  const KernelTable& kernels() const override { return device_->kernels(); }
  MachineLimits measure_limits() override { return {}; }
  bool has_kernel(std::string_view domain, std::string_view op,
                  std::span<const DType> inputs) const override {
    return device_->has_kernel(domain, op, inputs);
  }

  uint64_t free_bytes = uint64_t{1} << 40;  // when it is opened
  uint64_t allocated_bytes = 0;

 private:
  std::shared_ptr<Device> device_;
};

std::shared_ptr<Runtime> small_runtime() {
  static constexpr Backend kSmall = {
      "cpu",
      [](std::string_view variant, std::shared_ptr<ComputePool> pool) -> std::shared_ptr<Device> {
        return std::make_shared<SmallMachine>(default_backends().front()->open(variant, std::move(pool)));
      },
      [] { return std::vector<DeviceProperties>(); }};
  static constexpr const Backend* kBackends[] = {&kSmall};
  return std::make_shared<Runtime>(RuntimeOptions{kBackends, "cpu", 1});
}

SmallMachine& machine_of(const Runtime& runtime) {
  return static_cast<SmallMachine&>(*runtime.devices().front());
}

std::string refusal(const std::shared_ptr<Runtime>& runtime, const RunnerOptions& wanted, ErrorCode code) {
  try {
    ModelRunner runner(runtime, tiny(), wanted);
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
}

// Runs one step of as many tokens as the options name, and gives back what the device had to allocate for it.
uint64_t allocated_by_a_step(const std::shared_ptr<Runtime>& runtime, const RunnerOptions& wanted) {
  ModelRunner runner(runtime, tiny(), wanted);
  const uint64_t before = machine_of(*runtime).allocated_bytes;
  std::vector<TokenId> tokens(static_cast<size_t>(wanted.step_tokens), 5);
  std::vector<int32_t> pages(static_cast<size_t>(runner.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const SequenceStep step{tokens, 0, pages, wanted.step_tokens - wanted.logits_rows};
  Tensor logits;
  EXPECT_EQ(runner.step(std::span(&step, 1), RunControl(), logits), RunState::kDone);
  return machine_of(*runtime).allocated_bytes - before + logits.size_bytes();
}

// Of a model without packed weights.
uint64_t constants_of(const std::shared_ptr<Runtime>& runtime, const RunnerOptions& wanted) {
  const ModelRunner runner(runtime, tiny(), wanted);
  const Graph& graph = runner.session().program().graph;
  uint64_t total = 0;
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const auto& constant = graph.value(static_cast<ValueId>(v)).constant;
    if (constant && graph.use_counts()[v] > 0) total += constant->size_bytes();
  }
  EXPECT_GE(total, tiny().weight_bytes());
  EXPECT_LT(total, tiny().weight_bytes() + 4096);  // with tables that are no weights
  return total;
}

TEST(ModelRunner, CountsWeightsCacheAndTheValuesOfAStepBeforeItAllocates) {
  const auto runtime = small_runtime();
  RunnerOptions wanted = options(64);
  wanted.step_tokens = 64;
  wanted.logits_rows = 16;
  const uint64_t step = allocated_by_a_step(runtime, wanted);
  const uint64_t cache = 64 * cache_bytes_per_token(tiny().config, DType::kF32);
  const uint64_t weights = constants_of(runtime, wanted), needed = weights + cache + step;
  SmallMachine& machine = machine_of(*runtime);
  machine.allocated_bytes = 0;
  machine.free_bytes = needed - 1;  // after the device was opened
  const std::string line = refusal(runtime, wanted, ErrorCode::kOutOfMemory);
  EXPECT_NE(line.find("for a step"), std::string::npos) << line;
  EXPECT_NE(line.find("a context of 32 tokens would fit (--ctx)"), std::string::npos) << line;
  EXPECT_EQ(machine.allocated_bytes, 0u);
  machine.free_bytes = needed;
  EXPECT_EQ(refusal(runtime, wanted, ErrorCode::kInternal), "accepted");
  machine.free_bytes = weights + step;
  EXPECT_NE(refusal(runtime, wanted, ErrorCode::kOutOfMemory).find("leave nothing for a cache"),
            std::string::npos);
  machine.free_bytes = 0;
  EXPECT_NE(refusal(runtime, wanted, ErrorCode::kOutOfMemory).find("the weights alone do not fit"),
            std::string::npos);
}

// Tiny Llama: 3 layers of width 128, 4 query heads and 2 key heads of 32, ffn 192, vocabulary 512, tied.
TEST(MemoryNeed, IsTheSumOfTheModelsShapes) {
  const auto runtime = small_runtime();
  RunnerOptions wanted = options(100);
  wanted.page_tokens = 16;
  wanted.step_tokens = 8;
  wanted.logits_rows = 4;
  const MemoryNeed need = memory_need(runtime, tiny(), wanted);
  // bf16 matrices: the table; of each layer q and o, k and v, three of the ffn. f32: two norms a layer, one
  // last.
  constexpr uint64_t kMatrices = 2 * (512 * 128 + 3 * (2 * 128 * 128 + 2 * 64 * 128 + 3 * 192 * 128));
  constexpr uint64_t kNorms = 4 * 128 * (2 * 3 + 1);
  EXPECT_EQ(kMatrices + kNorms, tiny().weight_bytes());
  EXPECT_GE(need.weights, kMatrices + kNorms);
  EXPECT_LE(need.weights, kMatrices + kNorms + 4096);  // tables of the rotary embedding, which are no weights
  // Keys and values of 100 positions in 7 pages of 16, f32; then f16.
  EXPECT_EQ(need.cache, 7u * 16 * 3 * 2 * (2 * 32 * 4));
  wanted.cache_dtype = DType::kF16;
  EXPECT_EQ(memory_need(runtime, tiny(), wanted).cache, need.cache / 2);
  // At least the logits of 4 rows and, at once, the residual and the gate and up of 8 tokens; at most all
  // values of a layer at once.
  EXPECT_GE(need.step, 4u * (4 * 512 + 8 * (128 + 192)));
  EXPECT_LE(need.step, 4u * (4 * 512 + 8 * (6 * 128 + 4 * 192 + 512)));
  EXPECT_EQ(need.total(), need.weights + need.cache + need.step);
}

TEST(MemoryNeed, TakesNoMemoryAndFollowsTheStep) {
  const auto runtime = small_runtime();
  RunnerOptions wanted = options(1024);
  wanted.step_tokens = 16;
  const MemoryNeed small = memory_need(runtime, tiny(), wanted);
  wanted.step_tokens = 512;
  const MemoryNeed large = memory_need(runtime, tiny(), wanted);
  EXPECT_EQ(small.weights, large.weights);
  EXPECT_EQ(small.cache, large.cache);
  // 496 tokens more, each with a residual of 128 floats at least.
  EXPECT_GE(large.step, small.step + 496u * 128 * 4);
  EXPECT_EQ(machine_of(*runtime).allocated_bytes, 0u);
  machine_of(*runtime).free_bytes = 0;
  EXPECT_EQ(memory_need(runtime, tiny(), wanted).total(), large.total())
      << "a need does not depend on what is free";
  wanted.context_tokens = 1025;
  EXPECT_THROW(memory_need(runtime, tiny(), wanted), Error);
}

// The first one's cache has no pages yet when the second one asks.
TEST(ModelRunner, CountsTheCachesOfOthersThatAreNotWrittenYet) {
  const auto first_runtime = small_runtime(), second_runtime = small_runtime();
  RunnerOptions wanted = options(64);
  wanted.cache_tokens = 1 << 16;
  const uint64_t cache = (1 << 16) * cache_bytes_per_token(tiny().config, DType::kF32);
  ASSERT_GT(cache, uint64_t{8} << 20);
  const uint64_t enough_for_one = tiny().weight_bytes() + cache + cache / 2;
  machine_of(*first_runtime).free_bytes = enough_for_one;
  machine_of(*second_runtime).free_bytes = enough_for_one;
  {
    const ModelRunner first(first_runtime, tiny(), wanted);
    for (const auto& runtime : {first_runtime, second_runtime})
      EXPECT_NE(refusal(runtime, wanted, ErrorCode::kOutOfMemory).find("would fit"), std::string::npos);
  }
  EXPECT_EQ(refusal(second_runtime, wanted, ErrorCode::kInternal), "accepted");
}

TEST(ModelRunner, SuggestsCachePositionsWhereAContextWouldFitManyTimes) {
  const auto runtime = small_runtime();
  RunnerOptions wanted = options(64);
  const uint64_t per_token = cache_bytes_per_token(tiny().config, DType::kF32);
  wanted.cache_tokens = 1024;
  wanted.step_tokens = 64;
  wanted.logits_rows = 16;
  const uint64_t step = allocated_by_a_step(runtime, wanted);
  machine_of(*runtime).free_bytes = tiny().weight_bytes() + step + 1023 * per_token;
  const std::string line = refusal(runtime, wanted, ErrorCode::kOutOfMemory);
  EXPECT_NE(line.find("a cache of 992 positions would fit"), std::string::npos) << line;
  EXPECT_EQ(line.find("--ctx"), std::string::npos) << line;
}

TEST(ModelRunner, RefusesCachesOutOfRangeAndSaysWhichAreNot) {
  const auto message = [](int64_t cache_tokens, int64_t page_tokens) {
    RunnerOptions wanted = options(64);
    wanted.cache_tokens = cache_tokens;
    wanted.page_tokens = page_tokens;
    return refusal(test_runtime(), wanted, ErrorCode::kInvalidArgument);
  };
  EXPECT_EQ(message(0, 0), "cache: pages of 0 tokens asked for; they must have 1 to 65536");
  EXPECT_EQ(message(0, -32), "cache: pages of -32 tokens asked for; they must have 1 to 65536");
  EXPECT_EQ(message(0, std::numeric_limits<int64_t>::max()),
            "cache: pages of 9223372036854775807 tokens asked for; they must have 1 to 65536");
  EXPECT_EQ(message(-1, 32), "cache: -1 tokens asked for; it must be 0 (one context) or more");
  for (const int64_t most :
       {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max() / 512}) {
    EXPECT_EQ(
        message(most, 32),
        fmt::format("cache: {} tokens asked for; they would take more than 2^63 bytes, use fewer (--ctx)",
                    most));
  }
}

TEST(ModelRunner, AFileThatIsCutShortWhileItIsUsedEndsTheStepWithAnError) {
  const fs::path copy = test::tiny_models_detail::scratch_folder() / "cut.gguf";
  fs::copy_file(test::tiny_model("llama", "bf16"), copy);
  {
    const ModelBundle bundle = load_bundle(copy);
    ModelRunner runner(test_runtime(), bundle, options(64));
    const TokenId tokens[] = {5, 6};
    const int32_t pages[] = {0};
    const SequenceStep step{tokens, 0, pages, 1};
    Tensor logits;
    ASSERT_EQ(runner.step(std::span(&step, 1), RunControl(), logits), RunState::kDone);
    fs::resize_file(copy, 4096);
    try {
      runner.step(std::span(&step, 1), RunControl(), logits);
      ADD_FAILURE() << "a step used weights that are gone";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_EQ(error.where(), copy.string());
    }
    EXPECT_TRUE(bundle.weights->files().front()->damaged());  // the step did read them
  }
  fs::remove(copy);
}

}  // namespace
}  // namespace oag
