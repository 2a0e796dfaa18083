#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "llm/bundle/bundle.h"

namespace oag::test {

// The model that tests/data/smollm2 speaks of, or nothing: it is not in the tree. OAG_TEST_MODEL names it.
inline const char* smollm2_path() {
  return std::getenv("OAG_TEST_MODEL");
}

inline const ModelBundle& smollm2() {
  static const ModelBundle bundle = load_bundle(smollm2_path());
  return bundle;
}

inline std::filesystem::path smollm2_data(const std::string& name) {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "smollm2" / name;
}

inline Json load_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

}  // namespace oag::test

// First statement of a test or SetUp that needs the model.
#define OAG_NEED_SMOLLM2() \
  if (::oag::test::smollm2_path() == nullptr) GTEST_SKIP() << "OAG_TEST_MODEL names no SmolLM2 file"
