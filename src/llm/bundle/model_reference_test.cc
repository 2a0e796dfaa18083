#include "llm/bundle/model_reference.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace oag {
namespace {

TEST(ModelReferences, AnotherTableIsRefusedWithWhatIsExpected) {
  for (const char* text : {"[1, 2]", "{}", R"({"references": [{"name": "x"}]})", R"({"references": "x"})"}) {
    try {
      parse_model_references(Json::parse(text), "m.json");
      ADD_FAILURE() << text << " was read";
    } catch (const Error& error) {
      const std::string line = error.what();
      EXPECT_NE(line.find(R"(expected {"references": [{"name", "fingerprint", "source")"), std::string::npos)
          << line;
      EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    }
  }
}

TEST(ModelReferences, ATableIsRead) {
  const auto references = parse_model_references(Json::parse(R"({"references": [{"name": "n",
    "fingerprint": "f", "source": "s", "prompt_ids": [1, 2], "tolerance": 0.5,
    "best": [{"id": 3, "logit": 1.5}]}]})"),
                                                 "m.json");
  ASSERT_EQ(references.size(), 1u);
  EXPECT_EQ(references[0].prompt, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(references[0].best.at(0).id, 3);
}

}  // namespace
}  // namespace oag
