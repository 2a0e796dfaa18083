#include "engine/plugins/load_plugin.h"

#include <gtest/gtest.h>

#include "api/backends.h"
#include "base/error.h"
#include "engine/session/session.h"

namespace oag {
namespace {

// What loading or running fails with; empty where it does not.
template <typename F>
std::string failure_of(F&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string load_failure(const std::string& name) {
  OperatorRegistry registry = OperatorRegistry::builtin();
  const size_t before = registry.all().size();
  const std::string failure = failure_of([&] { load_plugin(OAG_PLUGIN_DIR "/" + name + ".so", registry); });
  EXPECT_EQ(registry.all().size(), before) << name;
  return failure;
}

// Compiles and runs one node of domain "test" on four floats.
std::string run_failure(const std::string& op) {
  OperatorRegistry registry = OperatorRegistry::builtin();
  load_plugin(OAG_PLUGIN_DIR "/bad_operators.so", registry);
  Graph graph;
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  graph.outputs = {graph.add("test", op, {x}, {}, "n")};
  CompileOptions options;
  options.registry = &registry;
  return failure_of([&] {
    const Session session(std::make_shared<Runtime>(RuntimeOptions{default_backends()}), graph, options);
    std::vector<Tensor> outputs;
    session.run({{Tensor::of<float>(DType::kF32, {4}, std::vector<float>(4))}, {}}, RunControl(), outputs);
  });
}

TEST(LoadPlugin, RefusesWhatIsNoPlugin) {
  EXPECT_NE(load_failure("absent").find("there is no such plugin"), std::string::npos);
  EXPECT_NE(load_failure("no_entry").find("exports no oag_plugin_entry"), std::string::npos);
  EXPECT_NE(load_failure("wrong_abi").find("ABI version 99, this engine takes 1"), std::string::npos);
}

TEST(LoadPlugin, RefusesNames) {
  EXPECT_NE(load_failure("builtin_domain").find("the engine's own"), std::string::npos);
  EXPECT_NE(load_failure("name_twice").find("registers operator Same of domain \"test\" twice"),
            std::string::npos);
}

TEST(LoadPlugin, RefusesOperatorsThatAreThere) {
  OperatorRegistry registry = OperatorRegistry::builtin();
  load_plugin(OAG_PLUGIN_DIR "/bad_operators.so", registry);
  EXPECT_NE(
      failure_of([&] { load_plugin(OAG_PLUGIN_DIR "/bad_operators.so", registry); }).find("is there already"),
      std::string::npos);
}

TEST(LoadPlugin, BadOperatorsEndTheRunWithALine) {
  const std::pair<const char*, const char*> expected[] = {
      {"Throws", "its kernel failed: the kernel is unhappy"},
      {"ThrowsInTile", "something that is no std::exception"},
      {"TakesWorkspace", "bytes of workspace"},
      {"TakesMuchWorkspace", "asks for 70368744177664 bytes of workspace"},
      {"GivesWrongDims", "the dims [1, 2, 3], its shape function said [4]"},
      {"GivesWrongType", "makes output 0 of 1 of i32, expected f32"},
      {"WritesBehind", "wrote behind the memory of output 0 of 1, [4]"},
      {"WritesBehindWorkspace", "wrote behind its workspace"},
      {"Forgets", "made no output 0 of 1"},
      {"ReadsTooMuch", "reads input 7"},
      {"ShapeThrows", "its shape function failed: no shape today"},
      {"ShapeIsNegative", "a dim of -4"},
  };
  for (const auto& [op, part] : expected) {
    const std::string failure = run_failure(op);
    EXPECT_NE(failure.find(part), std::string::npos) << op << ": " << failure;
    EXPECT_NE(failure.find(std::string("node n (test.") + op + "): bad_operators.so: "), std::string::npos)
        << failure;
    EXPECT_EQ(failure.find('\n'), std::string::npos) << failure;
  }
}

}  // namespace
}  // namespace oag
