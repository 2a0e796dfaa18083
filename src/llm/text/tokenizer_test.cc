#include "llm/text/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <initializer_list>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "tests/support/tokenizer_fixture.h"

namespace oag {
namespace {

using testing::load_tokenizer_fixture;
using testing::TokenizerCase;
using testing::TokenizerFixture;
using testing::TokenizerSuite;

std::string data_path(const std::string& name) {
  return std::string(OAG_SOURCE_DIR) + "/tests/data/tokenizer/" + name + ".json";
}

std::string show(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 80)) {
    const auto byte = static_cast<uint8_t>(c);
    out += byte >= 32 && byte < 127 ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return out;
}

void expect_cases(const Tokenizer& tokenizer, const TokenizerSuite& suite) {
  for (const TokenizerCase& one : suite.cases) {
    const EncodeOptions options{.parse_special = suite.parse_special, .add_special = false};
    EXPECT_EQ(tokenizer.encode(one.text, options), one.ids) << suite.pre << ": " << show(one.text);
    EXPECT_EQ(tokenizer.decode(one.ids, false), one.decoded) << suite.pre << ": " << show(one.text);
  }
}

std::shared_ptr<const Tokenizer> tokenizer_of(const std::string& fixture_name) {
  const TokenizerFixture fixture = load_tokenizer_fixture(data_path(fixture_name));
  return Tokenizer::create(fixture.vocabulary_of(fixture.suites[0]));
}

class TokenizerGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerGolden, GivesTheIdsAndTextOfTheOracle) {
  const TokenizerFixture fixture = load_tokenizer_fixture(data_path(GetParam()));
  ASSERT_FALSE(fixture.suites.empty());
  for (const TokenizerSuite& suite : fixture.suites) {
    ASSERT_GT(suite.cases.size(), 100u);
    expect_cases(*Tokenizer::create(fixture.vocabulary_of(suite)), suite);
  }
}

TEST_P(TokenizerGolden, StreamsTheSameTextAsDecodeWithoutSplittingCharacters) {
  const TokenizerFixture fixture = load_tokenizer_fixture(data_path(GetParam()));
  const TokenizerSuite& suite = fixture.suites[0];
  const auto tokenizer = Tokenizer::create(fixture.vocabulary_of(suite));
  for (const TokenizerCase& one : suite.cases) {
    StreamDecoder stream(tokenizer, {.skip_special = false, .at_text_start = true});
    std::string text;
    for (const TokenId id : one.ids) {
      const std::string part = stream.push(id);
      EXPECT_TRUE(is_valid_utf8(part)) << show(one.text);
      text += part;
    }
    text += stream.flush();
    EXPECT_EQ(text, one.decoded) << show(one.text);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, TokenizerGolden,
                         ::testing::Values("llama", "qwen2", "glm4v", "spm", "spm_trained"));

TEST(Tokenizer, MatchesControlTokensOnlyWithParseSpecial) {
  const auto tokenizer = tokenizer_of("glm4v");
  const TokenId user = *tokenizer->find("<|user|>");
  const TokenId think = *tokenizer->find("<think>");
  const auto parsed = tokenizer->encode("<|user|><think>");
  EXPECT_EQ(parsed, (std::vector<TokenId>{user, think}));
  const auto plain = tokenizer->encode("<|user|><think>", {.parse_special = false, .add_special = true});
  EXPECT_EQ(std::count(plain.begin(), plain.end(), user), 0);
  EXPECT_EQ(plain.back(), think);
  EXPECT_EQ(tokenizer->decode(plain), "<|user|><think>");
}

TEST(Tokenizer, PrintsControlTokensOnlyWhenAsked) {
  const auto tokenizer = tokenizer_of("glm4v");
  const std::vector<TokenId> ids = tokenizer->encode("a<|user|>b<think>");
  EXPECT_EQ(tokenizer->decode(ids), "ab<think>");
  EXPECT_EQ(tokenizer->decode(ids, false), "a<|user|>b<think>");
  EXPECT_EQ(tokenizer->token_bytes(*tokenizer->find("<|user|>")), "");
  EXPECT_EQ(tokenizer->token_bytes(*tokenizer->find("<|user|>"), true), "<|user|>");
}

TEST(Tokenizer, KnowsTheEndTokensOfEachFamily) {
  const auto glm = tokenizer_of("glm4v");
  for (const char* text : {"<|endoftext|>", "<|user|>", "<|observation|>"})
    EXPECT_TRUE(glm->is_end(*glm->find(text)));
  // User-defined in this vocabulary, so only a configuration can name it as an end.
  EXPECT_FALSE(glm->is_end(*glm->find("</answer>")));
  EXPECT_FALSE(glm->is_end(*glm->find("<|assistant|>")));

  const auto qwen = tokenizer_of("qwen2");
  EXPECT_TRUE(qwen->is_end(*qwen->find("<|im_end|>")));
  EXPECT_TRUE(qwen->is_end(*qwen->find("<|endoftext|>")));
  EXPECT_FALSE(qwen->is_end(*qwen->find("<|im_start|>")));

  Vocabulary vocabulary = glm->vocabulary();
  const TokenId answer = *glm->find("</answer>");
  vocabulary.more_end_ids = {answer, answer};
  const auto with_config = Tokenizer::create(vocabulary);
  EXPECT_TRUE(with_config->is_end(answer));
  EXPECT_EQ(with_config->end_ids().size(), glm->end_ids().size() + 1);

  vocabulary.types[static_cast<size_t>(answer)] = TokenType::kControl;
  vocabulary.more_end_ids.clear();
  EXPECT_TRUE(Tokenizer::create(vocabulary)->is_end(answer));
}

TEST(Tokenizer, AddsBosAndEosAsTheVocabularyAsks) {
  Vocabulary vocabulary = tokenizer_of("spm")->vocabulary();
  vocabulary.add_eos = true;
  const auto tokenizer = Tokenizer::create(vocabulary);
  EXPECT_EQ(tokenizer->encode(""), (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(tokenizer->encode("", {.parse_special = true, .add_special = false}), std::vector<TokenId>{});
  vocabulary.add_bos = false;
  vocabulary.add_eos = false;
  EXPECT_EQ(Tokenizer::create(vocabulary)->encode(""), std::vector<TokenId>{});

  Vocabulary llama3 = tokenizer_of("llama")->vocabulary();
  llama3.pre = "llama-bpe";
  llama3.bos = 1;
  llama3.add_bos.reset();
  EXPECT_EQ(Tokenizer::create(llama3)->encode("").size(), 1u);
  llama3.pre = "smollm";
  EXPECT_EQ(Tokenizer::create(llama3)->encode("").size(), 0u);
}

TEST(Tokenizer, SentencePiecePutsASpaceBeforeEveryStretchOfText) {
  const auto tokenizer = tokenizer_of("spm");
  const TokenId space = *tokenizer->find("\xE2\x96\x81");
  const auto ids = tokenizer->encode("</s>xx</s>", {.parse_special = true, .add_special = false});
  const TokenId x = *tokenizer->find("x");
  EXPECT_EQ(ids, (std::vector<TokenId>{2, space, x, x, 2}));
  EXPECT_EQ(tokenizer->decode(ids), "xx");
  EXPECT_EQ(tokenizer->decode(ids, false), "</s> xx</s>");
  // Tokens that continue a prompt keep their space.
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(space) + stream.push(x), " x");
}

// Ids of llama.cpp (llama_tokenize, llama-cpp-python 0.3.36) on the same vocabularies.
TEST(Tokenizer, TreatsSurrogatesAndBrokenBytesLikeLlamaCpp) {
  const EncodeOptions plain{.parse_special = true, .add_special = false};
  const auto byte_level = tokenizer_of("llama");
  EXPECT_EQ(byte_level->encode("\xED\xA0\xBD\xED\xB9\x82", plain),
            (std::vector<TokenId>{172, 257, 124, 172, 120, 227}));
  EXPECT_EQ(byte_level->encode("x\xED\xA0\x80y", plain), (std::vector<TokenId>{90, 172, 257, 225, 91}));
  EXPECT_EQ(byte_level->encode("\xC0\x80", plain), (std::vector<TokenId>{191}));
  EXPECT_EQ(byte_level->encode("\xF0\x80\x80\x80", plain), (std::vector<TokenId>{191}));

  Vocabulary vocabulary = tokenizer_of("spm")->vocabulary();
  vocabulary.add_space_prefix = false;
  const auto sentencepiece = Tokenizer::create(vocabulary);
  EXPECT_EQ(sentencepiece->encode("x\xC3", plain), (std::vector<TokenId>{313, 198}));
  EXPECT_EQ(sentencepiece->encode("\xC3(", plain), (std::vector<TokenId>{198, 43}));
  EXPECT_EQ(sentencepiece->encode("\xE4xx", plain), (std::vector<TokenId>{231, 123, 123}));
  EXPECT_EQ(sentencepiece->encode("\xF0\x9Fx", plain), (std::vector<TokenId>{243, 162, 123}));
  EXPECT_EQ(sentencepiece->encode("\xF5\x80\x80\x80", plain), (std::vector<TokenId>{248, 131, 131, 131}));
  EXPECT_EQ(sentencepiece->encode("\x80", plain), (std::vector<TokenId>{131}));
  EXPECT_EQ(sentencepiece->encode("\xFF\x80", plain), (std::vector<TokenId>{258, 131}));
}

TEST(Tokenizer, SentencePieceFallsBackToTheUnknownTokenWithoutByteTokens) {
  Vocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.tokens = {"<unk>", "\xE2\x96\x81", "a", "aa"};
  vocabulary.types = {TokenType::kUnknown, TokenType::kNormal, TokenType::kNormal, TokenType::kNormal};
  vocabulary.scores = {0, -2, -3, -1};
  vocabulary.unknown = 0;
  EXPECT_EQ(Tokenizer::create(vocabulary)->encode("aaa\xC3\xA9"), (std::vector<TokenId>{1, 3, 2, 0}));
  vocabulary.unknown.reset();
  EXPECT_EQ(Tokenizer::create(vocabulary)->encode("aaa\xC3\xA9"), (std::vector<TokenId>{1, 3, 2}));
}

TEST(Tokenizer, GivesOutAMergeResultThatIsNoTokenAsItsBytes) {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  vocabulary.tokens = {"a", "b", "c", "abc"};
  vocabulary.merges = {"a b", "ab c"};
  const auto tokenizer = Tokenizer::create(vocabulary);
  EXPECT_EQ(tokenizer->encode("abc"), (std::vector<TokenId>{3}));
  EXPECT_EQ(tokenizer->encode("ab"), (std::vector<TokenId>{0, 1}));
  EXPECT_EQ(tokenizer->encode("a?b"), (std::vector<TokenId>{0, 1})) << "a byte without a token is left out";
}

TEST(Tokenizer, TextNeverBecomesAControlTokenByMerging) {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "llama-bpe";
  vocabulary.tokens = {"a", "b", "ab"};
  vocabulary.types = {TokenType::kNormal, TokenType::kNormal, TokenType::kControl};
  vocabulary.merges = {"a b"};
  const auto tokenizer = Tokenizer::create(vocabulary);
  EXPECT_EQ(tokenizer->encode("ab", {.parse_special = false, .add_special = false}),
            (std::vector<TokenId>{0, 1}));
  EXPECT_EQ(tokenizer->encode("ab"), (std::vector<TokenId>{2}));
}

TEST(Tokenizer, TakesTheLongestSpecialTokenAtEachPlace) {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  vocabulary.tokens = {"<", "a", ">", "<a", "<a>", "a><", "\xFF"};
  vocabulary.types.assign(7, TokenType::kNormal);
  for (size_t i = 3; i < 7; ++i) vocabulary.types[i] = TokenType::kUserDefined;
  const auto tokenizer = Tokenizer::create(vocabulary);
  EXPECT_EQ(tokenizer->encode("<a>a><<a"), (std::vector<TokenId>{4, 5, 3}));
  EXPECT_EQ(tokenizer->encode("<<a\xFF"), (std::vector<TokenId>{0, 3, 6}));
}

TEST(Tokenizer, AUserDefinedTokenThatLooksLikeAByteDoesNotReplaceIt) {
  Vocabulary vocabulary = tokenizer_of("glm4v")->vocabulary();
  vocabulary.tokens.emplace_back("\u00E9");  // also how the GPT-2 alphabet writes the byte E9
  vocabulary.types.push_back(TokenType::kUserDefined);
  const auto tokenizer = Tokenizer::create(vocabulary);
  const std::string text = "\u9269 caf\u00E9";  // E9 89 A9, and a character that is the user's token
  const std::vector<TokenId> ids = tokenizer->encode(text);
  EXPECT_EQ(tokenizer->decode(ids), text);
  EXPECT_EQ(ids.back(), static_cast<TokenId>(vocabulary.tokens.size()) - 1);
}

TEST(Tokenizer, EncodesAMegabyteWordInLessThanQuadraticTime) {
  std::mt19937 rng(7);
  std::string random_word;
  for (int i = 0; i < 1 << 20; ++i) random_word += static_cast<char>('a' + rng() % 6);
  const std::string one_letter(1 << 17, 'a');
  const std::string spaces(1 << 17, ' ');
  std::string marks = "a";
  for (int i = 0; i < 1 << 16; ++i) marks += i % 2 ? "\xCC\x81" : "\xCC\xA3";
  for (const char* name : {"qwen2", "glm4v", "spm"}) {
    const auto tokenizer = tokenizer_of(name);
    for (const std::string_view text :
         std::initializer_list<std::string_view>{random_word, one_letter, spaces, marks}) {
      const auto begin = std::chrono::steady_clock::now();
      const auto ids = tokenizer->encode(text);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      EXPECT_LT(took.count(), 15.0) << name;  // about 0.1 s each when nothing else runs
      EXPECT_EQ(normalize_nfc(tokenizer->decode(ids)), normalize_nfc(text)) << name;
    }
  }
}

TEST(Tokenizer, GivesTheSameIdsFromManyThreads) {
  const auto tokenizer = tokenizer_of("glm4v");
  const TokenizerFixture fixture = load_tokenizer_fixture(data_path("glm4v"));
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (const TokenizerCase& one : fixture.suites[0].cases)
        count += tokenizer->encode(one.text) != one.ids;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(Tokenizer, RefusesIdsThatAreOutOfRange) {
  const auto tokenizer = tokenizer_of("llama");
  for (const TokenId id : {-1, 512, INT32_MAX, INT32_MIN}) {
    EXPECT_THROW(tokenizer->token_bytes(id), Error);
    EXPECT_THROW(tokenizer->decode(std::vector<TokenId>{id}), Error);
  }
}

TEST(StreamDecoder, HoldsBackAnUnfinishedCharacterAndReplacesABrokenOne) {
  Vocabulary vocabulary = tokenizer_of("spm")->vocabulary();
  const auto tokenizer = Tokenizer::create(vocabulary);
  const auto byte = [&](int value) { return *tokenizer->find(fmt::format("<0x{:02X}>", value)); };
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(byte(0xF0)), "");
  EXPECT_EQ(stream.push(byte(0x9F)), "");
  EXPECT_EQ(stream.push(byte(0x99)), "");
  EXPECT_EQ(stream.push(byte(0x82)), "\xF0\x9F\x99\x82");
  EXPECT_EQ(stream.push(byte(0xE4)), "");
  EXPECT_EQ(stream.push(*tokenizer->find("x")), "\xEF\xBF\xBDx");
  EXPECT_EQ(stream.push(byte(0xC3)), "");
  EXPECT_EQ(stream.flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.flush(), "");
}

}  // namespace
}  // namespace oag
