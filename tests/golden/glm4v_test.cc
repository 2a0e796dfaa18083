// A tiny GLM-4.1V, from GGUF files and from a Hugging Face folder, against transformers: see
// tests/data/glm4v/README.md.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "api/backends.h"
#include "base/error.h"
#include "base/file.h"
#include "llm/bundle/chat_messages.h"
#include "llm/generate/language_model.h"
#include "llm/generate/prompt_images.h"
#include "llm/generate/vision_encoder.h"
#include "tests/golden/model_probe.h"
#include "tests/golden/value_keeper.h"
#include "tests/npy.h"

namespace oag::test {
namespace {

// f32 arithmetic on both sides, logits of up to about 30; bf16 weights are exact in f32.
constexpr double kTolerance = 1e-4;

std::filesystem::path data() {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "glm4v";
}
std::filesystem::path reference(const std::string& name) {
  return data() / "ref" / name;
}
std::shared_ptr<Runtime> runtime() {
  return std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu", 2});
}

RgbImage picture(const std::string& name) {
  const auto file = MappedFile::open(reference(name));
  return decode_image(file->bytes(), name);
}

// The budget of the Hugging Face folder, which the GGUF file of a tower cannot state.
constexpr GlmImageOptions kBudget = {.max_pixels = 50176};

struct Case {
  const char* name;
  std::vector<const char*> pictures;
};
const std::vector<Case> kCases = {{"text", {}},
                                  {"img_a", {"img_a.image0.png"}},
                                  {"img_b", {"img_b.image0.png"}},
                                  {"img_ab", {"img_ab.image0.png", "img_ab.image1.png"}}};

// A prompt as the reference has it, with its pictures.
struct Prompt {
  std::vector<TokenId> tokens;
  std::vector<PromptImage> images;
};

Prompt prompt_of(const Case& test, const ModelBundle& bundle, const VisionEncoder& encoder) {
  std::vector<EncodedImage> images(test.pictures.size());
  for (size_t i = 0; i < images.size(); ++i) {
    EXPECT_EQ(encoder.encode(picture(test.pictures[i]), test.pictures[i], RunControl(), images[i]),
              RunState::kDone);
  }
  Prompt prompt;
  const auto expanded = load_npy<int32_t>(reference(std::string(test.name) + ".input_ids.npy")).values;
  const TokenId image_token = bundle.image_token.value();
  for (const TokenId id : expanded) {
    const bool repeats = id == image_token && !prompt.tokens.empty() && prompt.tokens.back() == image_token;
    if (!repeats) prompt.tokens.push_back(id);
  }
  prompt.images = place_images(prompt.tokens, image_token, images);
  EXPECT_EQ(prompt.tokens, expanded);
  return prompt;
}

// The logits behind the prompt, read in steps of `chunk` tokens.
std::vector<float> logits_behind(ModelRunner& runner, const Prompt& prompt, int64_t chunk) {
  const PromptImages images(prompt.images, prompt.tokens.size());
  std::vector<int32_t> pages(static_cast<size_t>(runner.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  Tensor logits;
  const auto total = static_cast<int64_t>(prompt.tokens.size());
  for (int64_t first = 0; first < total; first += chunk) {
    const int64_t count = std::min(chunk, total - first);
    const PromptImages::Step parts = images.step(first, count);
    const SequenceStep step = {
        std::span(prompt.tokens).subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
        first,
        pages,
        first + count == total ? count - 1 : count,
        {},
        parts.axes,
        parts.images};
    EXPECT_EQ(runner.step(std::span(&step, 1), RunControl(), logits), RunState::kDone);
  }
  return {logits.values<float>().begin(), logits.values<float>().end()};
}

class Glm4v : public ::testing::TestWithParam<const char*> {
 protected:
  ModelBundle bundle_ = load_bundle(data() / GetParam(), {.vision = true});
};

TEST_P(Glm4v, MakesTheRowsOfTransformers) {
  const VisionEncoder encoder(runtime(), bundle_.vision, kBudget);
  double largest = 0;
  for (const Case& test : kCases) {
    if (test.pictures.empty()) continue;
    std::vector<float> rows;
    for (const char* name : test.pictures) {
      EncodedImage image;
      ASSERT_EQ(encoder.encode(picture(name), name, RunControl(), image), RunState::kDone);
      rows.insert(rows.end(), image.rows.values<float>().begin(), image.rows.values<float>().end());
    }
    const auto expected = load_npy<float>(reference(std::string(test.name) + ".v.merger.npy")).values;
    ASSERT_EQ(rows.size(), expected.size()) << test.name;
    largest = std::max(largest, largest_difference(rows, expected));
  }
  EXPECT_LE(largest, kTolerance);
  fmt::print("largest difference of a row's value: {:.1e}\n", largest);
}

TEST_P(Glm4v, GivesTheLogitsOfTransformersHoweverThePromptIsCut) {
  const auto shared = runtime();
  const VisionEncoder encoder(shared, bundle_.vision, kBudget);
  ModelRunner runner(shared, bundle_, {.context_tokens = 128, .cache_dtype = DType::kF32});
  double largest = 0;
  for (const Case& test : kCases) {
    const Prompt prompt = prompt_of(test, bundle_, encoder);
    auto expected = load_npy<float>(reference(std::string(test.name) + ".step_logits.npy")).values;
    expected.resize(static_cast<size_t>(runner.vocab_size()));
    for (const int64_t chunk : {INT32_MAX, 7, 1}) {
      const double difference = largest_difference(logits_behind(runner, prompt, chunk), expected);
      EXPECT_LE(difference, kTolerance) << test.name << " in chunks of " << chunk;
      largest = std::max(largest, difference);
    }
  }
  fmt::print("largest difference of a logit: {:.1e}\n", largest);
}

TEST_P(Glm4v, AnswersAsTransformersDoesAlsoSideBySide) {
  const auto shared = runtime();
  const VisionEncoder encoder(shared, bundle_.vision, kBudget);
  LanguageModel model(shared, bundle_,
                      {.runner = {.context_tokens = 128, .cache_tokens = 512, .cache_dtype = DType::kF32}});
  std::vector<Generation> answers;
  for (const Case& test : kCases) {
    const Prompt prompt = prompt_of(test, bundle_, encoder);
    GenerationRequest request;
    request.prompt = prompt.tokens;
    request.images = prompt.images;
    request.max_tokens = 8;
    request.sampling.temperature = 0;
    request.ignore_end = true;
    answers.push_back(model.submit(std::move(request)));
  }
  for (size_t i = 0; i < kCases.size(); ++i) {
    const GenerationResult result = answers[i].result();
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.token_ids,
              load_npy<int32_t>(reference(std::string(kCases[i].name) + ".tokens.npy")).values)
        << kCases[i].name;
  }
}

// A system message of `before` tokens, the prompt of a case, and `after` more: positions behind a picture
// depend on where it stands.
Prompt with_text_around(const Prompt& prompt, size_t before, size_t after) {
  Prompt result = prompt;
  for (size_t i = 0; i < before; ++i)
    result.tokens.insert(result.tokens.begin(), static_cast<TokenId>(i % 90));
  for (size_t i = 0; i < after; ++i) result.tokens.push_back(static_cast<TokenId>(7 * i % 90));
  for (PromptImage& image : result.images) image.first_token += static_cast<int64_t>(before);
  return result;
}

LanguageModelOptions sharing_options(bool shares) {
  return {
      .runner = {.context_tokens = 256, .cache_tokens = 1024, .cache_dtype = DType::kF32, .page_tokens = 8},
      .prefix_cache = shares};
}

GenerationResult answer_to(LanguageModel& model, const Prompt& prompt, ContentHash first,
                           ContentHash second) {
  GenerationRequest request;
  request.prompt = prompt.tokens;
  request.images = prompt.images;
  for (size_t i = 0; i < request.images.size(); ++i) request.images[i].hash = i == 0 ? first : second;
  request.max_tokens = 8;
  request.sampling.temperature = 0;
  request.ignore_end = true;
  return model.submit(std::move(request)).result();
}

TEST_P(Glm4v, PromptsShareAPictureWithTheRowsAndPositionsThatItHas) {
  const auto shared = runtime();
  const VisionEncoder encoder(shared, bundle_.vision, kBudget);
  LanguageModel alone(shared, bundle_, sharing_options(false)), model(shared, bundle_, sharing_options(true));
  const ContentHash none{};
  int pictures = 0;
  for (const Case& test : kCases) {
    if (test.pictures.empty()) continue;
    const Prompt golden = prompt_of(test, bundle_, encoder);
    const auto tokens = load_npy<int32_t>(reference(std::string(test.name) + ".tokens.npy")).values;
    const ContentHash first{static_cast<uint64_t>(++pictures), 9},
        second{static_cast<uint64_t>(pictures), 10};
    EXPECT_EQ(answer_to(model, golden, first, second).token_ids, tokens) << test.name;
    const GenerationResult again = answer_to(model, golden, first, second);
    EXPECT_EQ(again.token_ids, tokens) << test.name;
    const auto size = static_cast<int64_t>(golden.tokens.size());
    EXPECT_EQ(again.cached_tokens, (size - 1) / 8 * 8) << test.name;
    // The next turn: the same pictures, more text behind them.
    const Prompt next = with_text_around(golden, 0, 21);
    const GenerationResult turn = answer_to(model, next, first, second);
    EXPECT_EQ(turn.cached_tokens, size / 8 * 8) << test.name;
    EXPECT_EQ(turn.token_ids, answer_to(alone, next, none, none).token_ids) << test.name;
    // The picture one token later, and behind a text of whole pages that is known.
    for (const size_t before : {1, 16}) {
      const Prompt moved = with_text_around(golden, before, 3);
      const std::vector<TokenId> expected = answer_to(alone, moved, none, none).token_ids;
      for (int i = 0; i < 2; ++i)
        EXPECT_EQ(answer_to(model, moved, first, second).token_ids, expected) << test.name << " " << before;
    }
  }
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

// Two pictures of one grid, whose tokens are the same.
TEST_P(Glm4v, AnotherPictureOfTheSameSizeIsAnotherPrompt) {
  const auto shared = runtime();
  const VisionEncoder encoder(shared, bundle_.vision, kBudget);
  LanguageModel alone(shared, bundle_, sharing_options(false)), model(shared, bundle_, sharing_options(true));
  const Prompt golden = with_text_around(prompt_of(kCases[1], bundle_, encoder), 16, 9);
  Prompt other = golden;
  other.images[0].rows = Tensor::of<float>(DType::kF32, golden.images[0].rows.dims(), [&] {
    std::vector<float> values(golden.images[0].rows.values<float>().begin(),
                              golden.images[0].rows.values<float>().end());
    for (float& value : values) value = 1 - value;
    return values;
  }());
  const ContentHash one{5, 1}, two{5, 2}, none{};
  const std::vector<TokenId> first = answer_to(alone, golden, none, none).token_ids;
  const std::vector<TokenId> second = answer_to(alone, other, none, none).token_ids;
  ASSERT_NE(first, second);
  EXPECT_EQ(answer_to(model, golden, one, none).token_ids, first);
  const GenerationResult swapped = answer_to(model, other, two, none);
  EXPECT_EQ(swapped.token_ids, second);
  EXPECT_EQ(swapped.cached_tokens, golden.images[0].first_token / 8 * 8);
  EXPECT_EQ(answer_to(model, golden, one, none).token_ids, first);
  // Without a hash the text before the picture is shared alone.
  EXPECT_EQ(answer_to(model, golden, none, none).cached_tokens, golden.images[0].first_token / 8 * 8);
}

// Names the first value of the tower that is not the reference's; empty when all are.
std::string first_difference(const std::shared_ptr<const VisionBundle>& vision) {
  const std::pair<const char*, const char*> names[] = {{"patch_embed", "v.patch_embd.kernels"},
                                                       {"post_conv_norm", "v.norm_embd"},
                                                       {"pos_added", "add.0"},
                                                       {"block0.qkv", "v.blk.0.attn_qkv"},
                                                       {"block0.attn", "v.blk.0.attn_out"},
                                                       {"block0.mlp", "v.blk.0.ffn_down"},
                                                       {"block0", "add.2"},
                                                       {"block1", "add.4"},
                                                       {"post_norm", "v.post_ln"},
                                                       {"downsample", "mm.patch_merger.kernels"},
                                                       {"merger.proj", "mm.model.fc"},
                                                       {"merger", "mm.down"}};
  VisionEncoder encoder(runtime(), vision, kBudget);
  ValueKeeper keeper(encoder.session().program().graph);
  encoder.observe(&keeper);
  EncodedImage image;
  EXPECT_EQ(encoder.encode(picture("img_b.image0.png"), "img_b", RunControl(), image), RunState::kDone);
  for (const auto& [reference_name, value] : names) {
    const auto expected =
        load_npy<float>(reference(std::string("img_b.v.") + reference_name + ".npy")).values;
    const auto found = keeper.values.find(value);
    if (found == keeper.values.end() || found->second.size() != expected.size())
      return std::string(reference_name) + ", which was not computed";
    if (!(largest_difference(found->second, expected) <= kTolerance)) return reference_name;
  }
  return "";
}

TEST_P(Glm4v, NoIntermediateValueOfTheTowerPartsFromTransformers) {
  EXPECT_EQ(first_difference(bundle_.vision), "");
}

TEST_P(Glm4v, NamesTheValueThatASpoiledNumberChanges) {
  auto spoiled = std::make_shared<VisionBundle>(*bundle_.vision);
  spoiled->config.rope_theta = 9000;
  EXPECT_EQ(first_difference(spoiled), "block0.attn");
  spoiled->config.rope_theta = 10000;
  spoiled->images.mean[1] += 0.01f;
  EXPECT_EQ(first_difference(spoiled), "patch_embed");
}

INSTANTIATE_TEST_SUITE_P(Sources, Glm4v, ::testing::Values("", "glm4v.bf16.gguf"), [](const auto& param) {
  return *param.param == '\0' ? std::string("HuggingFaceFolder") : std::string("Gguf");
});

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Glm4vPrompts, PicturesAndPlacesMustMatch) {
  const EncodedImage image = {{1, 1, 2}, Tensor::host(DType::kF32, {2, 128})};
  std::vector<TokenId> prompt = {1, 506, 2};
  const std::vector<PromptImage> placed = place_images(prompt, 506, std::span(&image, 1));
  EXPECT_EQ(prompt, (std::vector<TokenId>{1, 506, 506, 2}));
  ASSERT_EQ(placed.size(), 1u);
  EXPECT_EQ(placed[0].first_token, 1);
  std::vector<TokenId> none = {1, 2}, two = {506, 506};
  EXPECT_NE(message_of([&] { place_images(none, 506, std::span(&image, 1)); }), "accepted");
  EXPECT_NE(message_of([&] { place_images(two, 506, std::span(&image, 1)); }), "accepted");
  EXPECT_NE(message_of([&] { place_images(prompt, 506, {}); }), "accepted");
}

TEST(Glm4vPrompts, ThePartsOfAMessageStandInTheChosenLayout) {
  const ModelBundle bundle = load_bundle(data());
  const auto content = [&](ContentFormat format) {
    const Json messages = Json::array({user_message("hi", 2)});
    return read_chat_messages(*bundle.tokenizer, messages, format).list[0]["content"].dump();
  };
  EXPECT_EQ(content(ContentFormat::kList),
            R"([{"type":"image"},{"type":"image"},{"type":"text","text":"hi"}])");
  EXPECT_EQ(
      content(ContentFormat::kString),
      R"("<|begin_of_image|><|image|><|end_of_image|>\n<|begin_of_image|><|image|><|end_of_image|>\nhi")");
}

TEST(Glm4vPrompts, AModelWithoutItsTowerSaysWhatItNeeds) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "glm4v_alone";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(data() / "glm4v.bf16.gguf", folder / "glm4v.gguf",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_NE(message_of([&] { load_bundle(folder / "glm4v.gguf", {.vision = true}); }).find("mmproj"),
            std::string::npos);
  // As text alone it runs, and takes no pictures.
  const ModelBundle bundle = load_bundle(folder / "glm4v.gguf");
  LanguageModel model(runtime(), bundle, {.runner = {.context_tokens = 64}});
  GenerationRequest request;
  request.prompt = {1, 506, 506};
  request.images = {{1, {1, 1, 2}, Tensor::host(DType::kF32, {2, 128})}};
  EXPECT_NE(message_of([&] { model.submit(request); }).find("without a vision tower"), std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace oag::test
