// make_test_models FOLDER: writes the models that tests/e2e needs and that stand nowhere as files.
#include <fmt/core.h>

#include <exception>

#include "tests/glm4v_folder.h"
#include "tests/golden/made_models.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: make_test_models FOLDER\n");
    return 2;
  }
  try {
    const std::filesystem::path folder = argv[1];
    const auto fixture =
        oag::testing::load_tokenizer_fixture(std::string(OAG_SOURCE_DIR) + "/tests/data/tokenizer/spm.json");
    oag::test::write_sentencepiece_model(fixture.vocabulary_of(fixture.suites[0]),
                                         folder / "sentencepiece.gguf");
    oag::test::write_glm4v_folder(folder / "glm4v");
    oag::test::write_long_context_model(folder / "long_context.gguf");
  } catch (const std::exception& error) {
    fmt::print(stderr, "make_test_models: {}\n", error.what());
    return 1;
  }
  return 0;
}
