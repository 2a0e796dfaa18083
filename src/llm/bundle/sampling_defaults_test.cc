#include "llm/bundle/sampling_defaults.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

SamplingDefaults read(const char* config) {
  return read_generation_config(Json::parse(config), "generation_config.json");
}

TEST(SamplingDefaults, OfGenerationConfig) {
  // As models of this kind come with it.
  const SamplingDefaults glm = read(R"({"_from_model_config": true, "do_sample": true,
    "eos_token_id": [151329, 151336, 151338, 151348], "pad_token_id": 151329, "top_p": 0.6, "temperature": 0.8,
    "top_k": 2, "transformers_version": "4.57.1"})");
  EXPECT_EQ(glm, (SamplingDefaults{.temperature = 0.8f, .top_p = 0.6f, .top_k = 2}));
  EXPECT_EQ(read(R"({"repetition_penalty": 1.05, "min_p": 0.1, "top_k": null})"),
            (SamplingDefaults{.min_p = 0.1f, .repetition_penalty = 1.05f}));
  EXPECT_EQ(read("{}"), SamplingDefaults());
}

TEST(SamplingDefaults, WithoutSamplingTheMostLikelyTokenIsTaken) {
  EXPECT_EQ(read(R"({"do_sample": false, "temperature": 0.7})").temperature, 0.0f);
  EXPECT_EQ(read(R"({"do_sample": true})").temperature, std::nullopt);
}

TEST(SamplingDefaults, ValuesThatAreNoneAreLeftOut) {
  const SamplingDefaults defaults =
      read(R"({"temperature": "hot", "top_p": 1.5, "top_k": [1], "repetition_penalty": 1e99, "min_p": 0.1})");
  EXPECT_EQ(defaults, (SamplingDefaults{.min_p = 0.1f}));
  EXPECT_EQ(read(R"({"top_k": -1, "temperature": -1})"), (SamplingDefaults{.temperature = 0.0f, .top_k = 0}));
}

GgufMetadata metadata_of(std::vector<GgufMetadata::Entry> entries) {
  return GgufMetadata("file.gguf", std::move(entries));
}

// The keys and their types as gguf-py's add_sampling_* writes them.
TEST(SamplingDefaults, OfTheKeysOfAGguf) {
  const GgufMetadata metadata = metadata_of({{"general.sampling.top_k", GgufValue::of(int32_t{20})},
                                             {"general.sampling.top_p", GgufValue::of(0.95f)},
                                             {"general.sampling.min_p", GgufValue::of(0.0f)},
                                             {"general.sampling.temp", GgufValue::of(0.6f)},
                                             {"general.sampling.penalty_repeat", GgufValue::of(1.1f)}});
  const SamplingDefaults expected = {
      .temperature = 0.6f, .top_p = 0.95f, .min_p = 0.0f, .repetition_penalty = 1.1f, .top_k = 20};
  EXPECT_EQ(read_sampling_keys(metadata), expected);
  EXPECT_EQ(read_sampling_keys(metadata_of({})), SamplingDefaults());
  EXPECT_EQ(read_sampling_keys(metadata_of({{"general.sampling.temp", GgufValue::of("hot")}})),
            SamplingDefaults());
}

TEST(SamplingDefaults, AreTheSameWhenWrittenAndReadAgain) {
  for (const SamplingDefaults& defaults :
       {SamplingDefaults{}, SamplingDefaults{.temperature = 0.0f}, SamplingDefaults{.top_k = 0},
        SamplingDefaults{
            .temperature = 0.7f, .top_p = 0.8f, .min_p = 0.05f, .repetition_penalty = 1.05f, .top_k = 20}}) {
    EXPECT_EQ(read_generation_config(generation_config_json(defaults), ""), defaults);
    EXPECT_EQ(read_sampling_keys(metadata_of(sampling_keys(defaults))), defaults);
  }
  EXPECT_EQ(generation_config_json({.temperature = 0.7f}),
            Json::parse(R"({"temperature": 0.7, "do_sample": true})"));
}

}  // namespace
}  // namespace oag
