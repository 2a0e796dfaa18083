#include "api/tuning_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "api/autotune.h"
#include "base/compute_pool.h"
#include "base/error.h"
#include "base/file.h"
#include "openautoglm/openautoglm.h"
#include "tests/no_new_threads.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

class TuningCacheTest : public testing::Test {
 protected:
  TuningCacheTest() {
    std::string name = (fs::temp_directory_path() / "oag_tuning.XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~TuningCacheTest() override { fs::remove_all(folder_); }
  void write(std::string_view text) const { std::ofstream(path()) << text; }
  fs::path path() const { return folder_ / "autotune.json"; }

  fs::path folder_;
};

TEST_F(TuningCacheTest, KeepsOneChoiceForEachMachineAndModel) {
  const TuningCache cache(folder_ / "made" / "autotune.json");
  EXPECT_FALSE(cache.find("a", "m"));
  cache.store("a", "m", {"avx2", 4});
  cache.store("b", "m", {"avx512", 2});
  cache.store("a", "m", {"avx512", 8});
  EXPECT_EQ(cache.find("a", "m"), (TuningCandidate{"avx512", 8}));
  EXPECT_EQ(cache.find("b", "m"), (TuningCandidate{"avx512", 2}));
  EXPECT_FALSE(cache.find("b", "n"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "made"), {}), 1);  // no temporary is left
}

TEST_F(TuningCacheTest, AFileThatIsNoneIsWarnedOfAndWrittenAnew) {
  for (const char* text :
       {"", "{", "[]", R"({"schema":"oag.autotune/1"})", R"({"schema":"other","choices":[]})",
        R"({"schema":"oag.autotune/1","choices":[7]})",
        R"({"schema":"oag.autotune/1","choices":[{"machine":"a","model":"m","variant":1,"threads":2}]})"}) {
    write(text);
    testing::internal::CaptureStderr();
    EXPECT_FALSE(TuningCache(path()).find("a", "m"));
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("autotune.json"), std::string::npos) << text;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    testing::internal::CaptureStderr();
    TuningCache(path()).store("a", "m", {"avx2", 1});
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");  // told once is enough
    EXPECT_EQ(TuningCache(path()).find("a", "m"), (TuningCandidate{"avx2", 1})) << text;
  }
}

TEST_F(TuningCacheTest, ThreadsOutOfRangeAreNoChoice) {
  for (const char* threads : {"0", "-1", "5000", "99999999999"}) {
    write(
        std::string(
            R"({"schema":"oag.autotune/1","choices":[{"machine":"a","model":"m","variant":"x","threads":)") +
        threads + "}]}");
    EXPECT_FALSE(TuningCache(path()).find("a", "m")) << threads;
  }
}

TEST_F(TuningCacheTest, WhatCannotBeWrittenIsAWarning) {
  write("");
  testing::internal::CaptureStderr();
  TuningCache(path() / "below_a_file.json").store("a", "m", {"avx2", 1});
  EXPECT_NE(testing::internal::GetCapturedStderr().find("is not kept"), std::string::npos);
}

class AutotuneTest : public TuningCacheTest {
 protected:
  Tuning tune(const std::string& device, int threads, DType cache_dtype = DType::kF16) const {
    return autotune(bundle_, {device, threads, cache_dtype}, TuningCache(path()), RunControl());
  }
  const ModelBundle bundle_ = load_bundle(OAG_SOURCE_DIR "/tests/data/models/llama/llama.bf16.gguf");
};

TEST_F(AutotuneTest, MeasuresOnceAndThenRemembers) {
  const Tuning first = tune("", 0);
  if (first.measured.empty()) GTEST_SKIP() << "one processor with one instruction set leaves no choice";
  EXPECT_FALSE(first.from_cache);
  const Tuning second = tune("cpu", 0);
  EXPECT_TRUE(second.from_cache);
  EXPECT_TRUE(second.measured.empty());
  EXPECT_EQ(second.choice, first.choice);
}

TEST_F(AutotuneTest, AnotherStorageOfTheCacheIsMeasuredForItself) {
  if (tune("", 0).measured.empty()) GTEST_SKIP() << "one processor with one instruction set leaves no choice";
  EXPECT_FALSE(tune("", 0, DType::kF32).from_cache);
  EXPECT_TRUE(tune("", 0, DType::kF32).from_cache);
  EXPECT_TRUE(tune("", 0).from_cache);
}

TEST_F(AutotuneTest, KeepsWhatWasAskedFor) {
  const Tuning both = tune("cpu:baseline", 1);
  EXPECT_EQ(both.choice, (TuningCandidate{"baseline", 1}));
  EXPECT_TRUE(both.measured.empty());
  EXPECT_FALSE(fs::exists(path()));
  for (const TuningSample& sample : tune("cpu:baseline", 0).measured)
    EXPECT_EQ(sample.candidate.variant, "baseline");
  for (const TuningSample& sample : tune("", 1).measured) EXPECT_EQ(sample.candidate.threads, 1);
}

#if defined(__GLIBC__)
TEST_F(AutotuneTest, CountsProcessorsWithoutStartingThreads) {
  if (allowed_processors() == 1) GTEST_SKIP() << "one processor is what no new threads leave, too";
  const test::NoNewThreads none;
  EXPECT_EQ(tune("cpu:baseline", 0).measured.size(), thread_counts(allowed_processors()).size());
}
#endif

TEST_F(AutotuneTest, AChoiceThatCannotBeMadeHereIsMeasuredAgain) {
  const Tuning first = tune("", 0);
  if (first.measured.empty()) GTEST_SKIP() << "one processor with one instruction set leaves no choice";
  std::string text = read_file(path());
  const std::string chosen = "\"" + first.choice.variant + "\"";
  const size_t at = text.rfind(chosen);
  ASSERT_NE(at, std::string::npos);
  write(text.replace(at, chosen.size(), "\"sse9\""));
  EXPECT_FALSE(tune("", 0).from_cache);
}

TEST_F(AutotuneTest, AnotherDeviceThanTheProcessorIsRefused) {
  EXPECT_THROW(tune("onnxruntime/cpu", 0), Error);
}

TEST_F(AutotuneTest, AVersionIsRefusedAsRuntimeRefusesIt) {
  for (const char* device : {"oag@9.9/cpu:baseline", "oag@9.9"}) {
    try {
      tune(device, 1);
      ADD_FAILURE() << device << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    }
  }
}

TEST(PublicAutotune, TakesTheThreadsThatRuntimeTakes) {
  const std::string model = OAG_SOURCE_DIR "/tests/data/models/llama/llama.bf16.gguf";
  for (const int threads : {-1, 4097, 1'000'000}) {
    try {
      openautoglm::autotune(model, {.device = "cpu:baseline", .threads = threads});
      ADD_FAILURE() << threads << " threads were taken";
    } catch (const openautoglm::Error& error) {
      EXPECT_EQ(error.code(), openautoglm::ErrorCode::kInvalidArgument);
      EXPECT_EQ(error.where(), "threads");
    }
  }
  EXPECT_EQ(openautoglm::autotune(model, {.device = "cpu:baseline", .threads = 1}).threads, 1);
}

}  // namespace
}  // namespace oag
