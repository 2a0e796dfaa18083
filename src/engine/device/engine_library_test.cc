#include "engine/device/engine_library.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"

namespace oag {
namespace {

constexpr std::string_view kNames[] = {"libno_such_engine.so.1"};
constexpr std::string_view kInPackages[] = {"no_such_engine/libno_such_engine.so.*"};
constexpr EngineLibrarySearch kSearch = {"engine", "OAG_NO_SUCH_ENGINE", kNames, kInPackages, "install it"};

std::string refusal() {
  try {
    load_engine_library(kSearch);
    return "it was found";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    return error.what();
  }
}

TEST(EngineLibrary, AnAbsentOneIsNotAvailableAndSaysWhatToDo) {
  ::unsetenv("OAG_NO_SUCH_ENGINE");
  EXPECT_EQ(refusal(),
            "engine: not available because its library libno_such_engine.so.1 is neither among the system's "
            "libraries nor in the packages of Python; install it");
}

TEST(EngineLibrary, AWrongPathIsNamed) {
  ::setenv("OAG_NO_SUCH_ENGINE", "/no/such/file.so", 1);
  const std::string text = refusal();
  ::unsetenv("OAG_NO_SUCH_ENGINE");
  EXPECT_EQ(
      text.find("engine: not available because /no/such/file.so, which OAG_NO_SUCH_ENGINE names, cannot "
                "be loaded: "),
      0u)
      << text;
  EXPECT_TRUE(text.ends_with("; install it")) << text;
}

TEST(EngineLibrary, ALibraryWithoutTheEntryIsNamed) {
  constexpr std::string_view kLibc[] = {"libc.so.6"};
  const EngineLibrary library = load_engine_library({"engine", "OAG_NO_SUCH_ENGINE", kLibc, {}, ""});
  EXPECT_NE(engine_entry(library, "engine", "malloc"), nullptr);
  EXPECT_THROW(engine_entry(library, "engine", "no_such_entry"), Error);
}

}  // namespace
}  // namespace oag
