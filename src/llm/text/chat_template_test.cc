#include "llm/text/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>

#include "base/error.h"

namespace oag {
namespace {

const std::string kData = std::string(OAG_SOURCE_DIR) + "/tests/data/chat_template/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The clock under which the stored answers were made.
RenderLimits golden_limits() {
  RenderLimits limits;
  std::tm time = {};
  time.tm_year = 2024 - 1900;
  time.tm_mon = 6;
  time.tm_mday = 6;
  time.tm_hour = 9;
  time.tm_min = 5;
  time.tm_sec = 3;
  time.tm_wday = 6;
  time.tm_yday = 187;
  limits.local_time = time;
  return limits;
}

// Every stored case byte for byte; jinja2 made the answers (tools/goldens/make_template_cases.py). What each
// template is stands in tests/data/chat_template/README.md.
TEST(ChatTemplate, GivesWhatJinja2Gives) {
  const Json data = parse_json(read(kData + "cases.json"), "cases.json");
  const RenderLimits limits = golden_limits();
  size_t count = 0;
  for (const Json& test : data["cases"]) {
    const auto name = test["name"].get<std::string>();
    SCOPED_TRACE(name);
    const bool fails = test.contains("error");
    const Json& context =
        test["context"].is_string() ? data["contexts"][test["context"].get<std::string>()] : test["context"];
    ++count;
    try {
      const std::string source = test.contains("file")
                                     ? read(kData + "templates/" + test["file"].get<std::string>())
                                     : test["template"].get<std::string>();
      const std::string text = ChatTemplate::compile(source, name).render(context, limits);
      EXPECT_FALSE(fails) << "printed " << text;
      EXPECT_EQ(text, test.value("expected", text));
    } catch (const Error& error) {
      EXPECT_TRUE(fails) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "an error is one line";
      EXPECT_EQ(error.where().rfind(name + ":", 0), 0u) << error.where();
    }
  }
  EXPECT_GE(count, 470u);
}

// What zai-org's GLM-4.1V-9B-Thinking and AutoGLM-Phone read, token by token as other engines render it, and
// GLM-4.5 after enable_thinking=false: written down here and not made by Jinja2.
TEST(ChatTemplate, GlmPromptsAreThoseThatTheModelsWereTrainedOn) {
  const auto rendered = [](const char* file, const char* context) {
    const std::string source = read(kData + "templates/" + file);
    return ChatTemplate::compile(source, file).render(parse_json(context, "context"));
  };
  EXPECT_EQ(rendered("glm41v.jinja", R"({"add_generation_prompt": true, "messages": [
      {"role": "system", "content": "SYS"},
      {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "hello"}]},
      {"role": "assistant", "content": "A1"}, {"role": "user", "content": "q2"}]})"),
            "[gMASK]<sop><|system|>\nSYS<|user|>\n<|begin_of_image|><|image|><|end_of_image|>hello"
            "<|assistant|>\nA1<|user|>\nq2<|assistant|>\n");
  const char* two = R"({"add_generation_prompt": true, "enable_thinking": false, "messages": [
      {"role": "system", "content": "SYS"}, {"role": "user", "content": "hello"}]})";
  EXPECT_EQ(rendered("chatglm3.jinja", two), "[gMASK]sop<|system|>\n SYS<|user|>\n hello<|assistant|>");
  EXPECT_EQ(rendered("glm4.jinja", two), "[gMASK]<sop><|system|>\nSYS<|user|>\nhello<|assistant|>\n");
  EXPECT_EQ(rendered("glm45.jinja", two),
            "[gMASK]<sop><|system|>\nSYS<|user|>\nhello/nothink<|assistant|>\n<think></think>");
}

std::string render(std::string_view source, const Json& context, const RenderLimits& limits = {}) {
  return ChatTemplate::compile(std::string(source), "t").render(context, limits);
}

// Runs `action` and returns the Error that it throws.
template <typename Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorCode::kInternal, "", "");
}

TEST(ChatTemplate, ErrorsNameTemplateLineColumnSeenAndExpected) {
  const Error syntax = error_of([] { ChatTemplate::compile("a\n  {% if x %}\n{{ 1 + }}", "glm"); });
  EXPECT_EQ(syntax.code(), ErrorCode::kCorruptData);
  EXPECT_STREQ(syntax.what(), "glm:3:8: template syntax: expected an expression, saw '}}'");
  const Error type = error_of([] { render("a\n{{ 1 +\n  'x' }}", Json::object()); });
  EXPECT_EQ(type.code(), ErrorCode::kInvalidArgument);
  EXPECT_STREQ(type.what(), "t:2:6: '+' cannot be applied to int and str");
  const Error missing = error_of([] { render("{{ messages[0].content }}", Json::object()); });
  EXPECT_STREQ(missing.what(), "t:1:12: 'messages' is undefined");
}

TEST(ChatTemplate, RaiseExceptionBecomesTheErrorMessage) {
  const Error error =
      error_of([] { render("{{ raise_exception('roles must\nalternate') }}", Json::object()); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message(), "roles must alternate");
}

TEST(ChatTemplate, RefusesAContextThatIsNoObjectOrNotUtf8) {
  EXPECT_EQ(error_of([] { render("x", Json::array()); }).code(), ErrorCode::kInvalidArgument);
  Json context;
  context["a"] = "\xff";
  EXPECT_EQ(error_of([&] { render("x", context); }).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { render("\xff", Json::object()); }).code(), ErrorCode::kCorruptData);
}

TEST(ChatTemplate, RendersTheSameTwiceAndFromACopy) {
  const Json context = {{"xs", {1, 2}}};
  auto original = std::make_unique<ChatTemplate>(ChatTemplate::compile(
      "{% set n = namespace(i=0) %}{% for x in xs %}{% set n.i = n.i + x %}{% endfor %}{{ n.i }}", "t"));
  EXPECT_EQ(original->render(context), "3");
  const ChatTemplate copy = *original;
  original.reset();
  EXPECT_EQ(copy.render(context), "3");
  EXPECT_EQ(copy.name(), "t");
}

TEST(ChatTemplate, StrftimeNowReadsTheClockWhenNoTimeIsGiven) {
  const std::string year = render("{{ strftime_now('%Y') }}", Json::object());
  EXPECT_EQ(year.size(), 4u);
  EXPECT_GE(year, "2024");
}

Vocabulary vocabulary_of(const char* model, std::vector<std::string> tokens) {
  Vocabulary vocabulary;
  vocabulary.model = model;
  vocabulary.tokens = std::move(tokens);
  return vocabulary;
}

struct FallbackCase {
  const char* architecture;
  Vocabulary vocabulary;
  const char* family;
  const char* expected;
};

// The formats of the model families, as their model cards state them.
TEST(ChatTemplate, FallbacksWriteTheFormatOfTheFamily) {
  const Json context = {{"messages",
                         {{{"role", "system"}, {"content", "S"}},
                          {{"role", "user"}, {"content", "U"}},
                          {{"role", "assistant"}, {"content", "A"}},
                          {{"role", "user"}, {"content", "V"}}}},
                        {"add_generation_prompt", true}};
  const FallbackCase cases[] = {
      {"qwen2", vocabulary_of("gpt2", {"a", "<|im_start|>"}), "chatml",
       "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
       "<|im_start|>user\nV<|im_end|>\n<|im_start|>assistant\n"},
      {"llama", vocabulary_of("gpt2", {"a", "<|start_header_id|>"}), "llama-3",
       "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user"
       "<|end_header_id|>\n\nU<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>"
       "<|start_header_id|>user<|end_header_id|>\n\nV<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
       "\n\n"},
      {"llama", vocabulary_of("llama", {"a"}), "llama-2",
       "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A </s><s>[INST] V [/INST]"},
      {"glm4", vocabulary_of("gpt2", {"a"}), "glm4",
       "[gMASK]<sop><|system|>\nS<|user|>\nU<|assistant|>\nA<|user|>\nV<|assistant|>\n"},
      {"chatglm", vocabulary_of("llama", {"a"}), "chatglm3",
       "[gMASK]sop<|system|>\n S<|user|>\n U<|assistant|>\n A<|user|>\n V<|assistant|>"},
  };
  for (const FallbackCase& test : cases) {
    const FallbackTemplate fallback = fallback_chat_template(test.architecture, test.vocabulary);
    EXPECT_EQ(fallback.name, test.family) << test.architecture;
    EXPECT_EQ(render(fallback.source, context), test.expected) << test.architecture;
  }
}

TEST(ChatTemplate, FallbacksAreChosenByTurnMarksThenByArchitectureAndKindOfVocabulary) {
  const auto name = [](const char* architecture, const Vocabulary& vocabulary) {
    return fallback_chat_template(architecture, vocabulary).name;
  };
  EXPECT_EQ(name("llama", vocabulary_of("gpt2", {"<|im_start|>"})), "chatml");  // SmolLM2
  EXPECT_EQ(name("llama", vocabulary_of("llama", {"<|im_start|>"})), "chatml");
  EXPECT_EQ(name("llama", vocabulary_of("gpt2", {"a"})), "chatml");
  EXPECT_EQ(name("qwen3", vocabulary_of("gpt2", {"a"})), "chatml");
  EXPECT_EQ(name("chatglm", vocabulary_of("gpt2", {"a"})), "glm4");  // GLM-4-9B
  EXPECT_EQ(name("glm4moe", vocabulary_of("gpt2", {"a"})), "glm4");
  EXPECT_EQ(name("unknown", vocabulary_of("llama", {"a"})), "chatml");
}

TEST(ChatTemplate, TheGlmFallbackPlacesImagesInTheOrderGiven) {
  const Json context = {
      {"messages",
       {{{"role", "user"}, {"content", {{{"type", "image"}}, {{"type", "text"}, {"text", "hello"}}}}}}},
      {"add_generation_prompt", true}};
  EXPECT_EQ(render(fallback_chat_template("glm4v", vocabulary_of("gpt2", {"a"})).source, context),
            "[gMASK]<sop><|user|>\n<|begin_of_image|><|image|><|end_of_image|>hello<|assistant|>\n");
}

}  // namespace
}  // namespace oag
