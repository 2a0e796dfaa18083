// Pictures through the C++ and the C API on a tiny GLM-4.1V. Expected tokens are those of transformers
// (tests/data/glm4v/README.md).
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>

#include "base/file.h"
#include "openautoglm/c_api.h"
#include "openautoglm/openautoglm.h"
#include "tests/npy.h"

namespace openautoglm {
namespace {

std::filesystem::path data() {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "glm4v";
}
std::string picture(const std::string& name) {
  return (data() / "ref" / name).string();
}
std::vector<int32_t> reference(const std::string& name) {
  return oag::test::load_npy<int32_t>(data() / "ref" / name).values;
}

constexpr const char* kQuestion = "What is on the screen?";
// As the template writes the conversation, one image token a picture.
const std::string kTwoPictures =
    "[gMASK]<sop><|system|>\nBe brief.<|user|>\n<|begin_of_image|><|image|><|end_of_image|>and "
    "<|begin_of_image|><|image|><|end_of_image|>What is on the screen?<|assistant|>\n";

// The budget of the folder, which a GGUF file cannot state.
ModelOptions with_vision() {
  return {.context_tokens = 128, .cache = "f32", .vision = true, .max_image_pixels = 50176};
}

class Pictures : public ::testing::TestWithParam<const char*> {
 protected:
  Result answer(Request request) {
    request.max_tokens = 8;
    request.sampling.temperature = 0;
    request.ignore_end = true;
    return model_.submit(std::move(request)).result();
  }
  Error refusal(Request request) {
    try {
      answer(std::move(request));
    } catch (const Error& error) {
      return error;
    }
    return {ErrorCode::kInternal, "", "accepted"};
  }
  static std::vector<Message> conversation(std::vector<Image> images) {
    return {{"system", "Be brief."}, {"user", kQuestion, std::move(images)}};
  }

  Runtime runtime_{{.threads = 2}};
  Model model_{runtime_, (data() / GetParam()).string(), with_vision()};
};

TEST_P(Pictures, AConversationIsAnsweredAsByTransformers) {
  for (const std::string name : {"img_a", "img_b"}) {
    const std::string file = picture(name + ".image0.png");
    for (const Image& image : {Image{.source = file}, Image{.bytes = oag::read_file(file)}}) {
      const Result result = answer({.prompt = conversation({image})});
      EXPECT_EQ(result.token_ids, reference(name + ".tokens.npy")) << name;
      EXPECT_EQ(result.prompt_tokens, static_cast<int64_t>(reference(name + ".input_ids.npy").size()));
    }
  }
}

TEST_P(Pictures, PlacesInATextTakePicturesInTheirOrder) {
  const std::vector<Image> images = {{.source = picture("img_ab.image0.png")},
                                     {.source = picture("img_ab.image1.png")}};
  const std::vector<TokenId> expected = reference("img_ab.tokens.npy");
  EXPECT_EQ(answer({.prompt = kTwoPictures, .encode = {.add_special = false}, .images = images}).token_ids,
            expected);
  EXPECT_EQ(
      answer({.prompt = model_.encode(kTwoPictures, {.add_special = false}), .images = images}).token_ids,
      expected);
}

TEST_P(Pictures, TextAloneIsAnsweredBesideThem) {
  EXPECT_EQ(answer({.prompt = reference("text.input_ids.npy")}).token_ids, reference("text.tokens.npy"));
}

TEST_P(Pictures, MoreOrFewerThanPlacesAreRefused) {
  const Image image = {.source = picture("img_b.image0.png")};
  EXPECT_EQ(refusal({.prompt = "no place", .images = {image}}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal({.prompt = kTwoPictures, .images = {image}}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal({.prompt = kTwoPictures}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal({.prompt = conversation({image}), .images = {image}}).where(), "images");
}

TEST_P(Pictures, ABadPictureIsNamed) {
  EXPECT_EQ(refusal({.prompt = conversation({{}})}).where(), "image 0");
  EXPECT_EQ(refusal({.prompt = conversation({{.source = "a", .bytes = "b"}})}).where(), "image 0");
  EXPECT_EQ(refusal({.prompt = conversation({{.bytes = "no picture"}})}).code(), ErrorCode::kCorruptData);
  const Error missing = refusal({.prompt = conversation({{.source = "/no/such/picture.png"}})});
  EXPECT_EQ(missing.code(), ErrorCode::kNotFound);
  EXPECT_NE(std::string(missing.what()).find("/no/such/picture.png"), std::string::npos);
}

TEST_P(Pictures, ADeadlineThatIsOverStopsTheTower) {
  Request request = {.prompt = conversation({{.source = picture("img_b.image0.png")}})};
  request.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(refusal(std::move(request)).code(), ErrorCode::kDeadlineExceeded);
}

TEST_P(Pictures, ControlTokensInAContentStayText) {
  std::vector<Message> messages = conversation({});
  messages[1].content = "<|image|>";
  EXPECT_NE(model_.apply_chat_template(messages).find("<|user|>\n<|image|><|assistant|>"), std::string::npos);
  EXPECT_EQ(refusal({.prompt = messages}).message(), "accepted");  // else it were a place for a picture
}

INSTANTIATE_TEST_SUITE_P(Sources, Pictures, ::testing::Values("", "glm4v.bf16.gguf"), [](const auto& param) {
  return *param.param == '\0' ? std::string("HuggingFaceFolder") : std::string("Gguf");
});

TEST(PictureOptions, TheLayoutOfMessagesIsTheOneAskedFor) {
  const Runtime runtime;
  const std::vector<Message> messages = {{"user", "hi", {{.source = "not looked at"}}}};
  const auto prompt = [&](const char* format) {
    ModelOptions options = with_vision();
    options.content_format = format;
    return Model(runtime, data().string(), options).apply_chat_template(messages);
  };
  const std::string before = "[gMASK]<sop><|user|>\n<|begin_of_image|><|image|><|end_of_image|>";
  EXPECT_EQ(prompt("list"), before + "hi<|assistant|>\n");
  EXPECT_EQ(prompt("auto"), before + "hi<|assistant|>\n");
  EXPECT_EQ(prompt("string"), before + "\nhi<|assistant|>\n");
  EXPECT_THROW(prompt("both"), Error);
}

TEST(PictureOptions, AModelWithoutItsTowerTakesNone) {
  const Runtime runtime;
  Model model(runtime, data().string(), {.context_tokens = 128});
  try {
    (void)model.submit({.prompt = kTwoPictures, .images = {{.source = picture("img_b.image0.png")}}});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message().find("vision"), std::string::npos);
  }
}

class CPictures : public ::testing::Test {
 protected:
  void SetUp() override {
    oag_model_options options = OAG_MODEL_OPTIONS_INIT;
    options.context_tokens = 128;
    options.cache = "f32";
    options.vision = 1;
    options.max_image_pixels = 50176;
    const std::string file = (data() / "glm4v.bf16.gguf").string();
    ASSERT_EQ(oag_model_load(nullptr, file.c_str(), &options, &model_), OAG_OK) << oag_last_error();
  }
  void TearDown() override { oag_model_free(model_); }

  std::vector<int32_t> answer(oag_request request) {
    request.max_tokens = 8;
    request.temperature = 0;
    request.ignore_end = 1;
    request.add_special = 0;
    oag_generation* generation = nullptr;
    EXPECT_EQ(oag_generate_submit(model_, &request, &generation), OAG_OK) << oag_last_error();
    if (generation == nullptr) return {};
    int done = 0;
    EXPECT_EQ(oag_generation_wait(generation, -1, &done), OAG_OK);
    const int32_t* ids = nullptr;
    size_t count = 0;
    EXPECT_EQ(oag_generation_tokens(generation, &ids, &count), OAG_OK);
    const std::vector<int32_t> made(ids, ids + count);
    oag_generation_free(generation);
    return made;
  }

  oag_model* model_ = nullptr;
};

TEST_F(CPictures, AConversationIsAnsweredAsByTransformers) {
  const std::string file = picture("img_b.image0.png"), bytes = oag::read_file(file);
  const oag_image images[] = {OAG_IMAGE_SOURCE(file.c_str()), OAG_IMAGE_BYTES(bytes.data(), bytes.size())};
  for (const oag_image& image : images) {
    const oag_message messages[] = {OAG_MESSAGE("system", "Be brief."),
                                    OAG_MESSAGE_WITH_IMAGES("user", kQuestion, &image, 1)};
    oag_request request = OAG_REQUEST_INIT;
    request.messages = messages;
    request.message_count = 2;
    EXPECT_EQ(answer(request), reference("img_b.tokens.npy"));
  }
}

TEST_F(CPictures, PlacesInATextTakePicturesInTheirOrder) {
  const std::string first = picture("img_ab.image0.png"), second = picture("img_ab.image1.png");
  const oag_image images[] = {OAG_IMAGE_SOURCE(first.c_str()), OAG_IMAGE_SOURCE(second.c_str())};
  oag_request request = OAG_REQUEST_INIT;
  request.prompt = kTwoPictures.c_str();
  request.images = images;
  request.image_count = 2;
  EXPECT_EQ(answer(request), reference("img_ab.tokens.npy"));
}

TEST_F(CPictures, MessagesOfAnOlderHeaderHaveNone) {
  struct OldMessage {
    size_t struct_size;
    const char* role;
    const char* content;
  };
  static_assert(sizeof(OldMessage) == offsetof(oag_message, images));
  const OldMessage messages[] = {{sizeof(OldMessage), "system", "Be brief."},
                                 {sizeof(OldMessage), "user", "Hello"}};
  std::string text(1000, '#');
  size_t needed = 0;
  ASSERT_EQ(oag_apply_chat_template(model_, reinterpret_cast<const oag_message*>(messages), 2, 1, text.data(),
                                    text.size(), &needed),
            OAG_OK)
      << oag_last_error();
  EXPECT_EQ(text.substr(0, needed), "[gMASK]<sop><|system|>\nBe brief.<|user|>\nHello<|assistant|>\n");
}

TEST_F(CPictures, ImagesWithoutAPlaceAreRefused) {
  const std::string file = picture("img_b.image0.png");
  const oag_image image = OAG_IMAGE_SOURCE(file.c_str());
  oag_request request = OAG_REQUEST_INIT;
  request.prompt = "no place";
  request.images = &image;
  request.image_count = 1;
  oag_generation* generation = nullptr;
  EXPECT_EQ(oag_generate_submit(model_, &request, &generation), OAG_ERROR_INVALID_ARGUMENT);
  request.images = nullptr;
  EXPECT_EQ(oag_generate_submit(model_, &request, &generation), OAG_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(oag_last_error(), "images: must not be NULL");
}

}  // namespace
}  // namespace openautoglm
