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

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << text << "\" lacks \"" << part << "\"";
}

// Compiles and runs one node of domain "test" on four floats.
std::string run_failure(const std::string& plugin, const std::string& op, size_t outputs = 1) {
  OperatorRegistry registry = OperatorRegistry::builtin();
  load_plugin(OAG_PLUGIN_DIR "/" + plugin, registry);
  Graph graph;
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  graph.outputs = graph.add_node("test", op, {x}, {}, outputs, "n").outputs;
  CompileOptions options;
  options.registry = &registry;
  return failure_of([&] {
    const Session session(std::make_shared<Runtime>(RuntimeOptions{default_backends(), "", 4}), graph,
                          options);
    std::vector<Tensor> made;
    session.run({{Tensor::of<float>(DType::kF32, {4}, std::vector<float>(4))}, {}}, RunControl(), made);
  });
}

void expect_run_failure(const std::string& plugin, const std::string& op, const std::string& part,
                        size_t outputs = 1) {
  const std::string failure = run_failure(plugin, op, outputs);
  expect_contains(failure, "node n (test." + op + "): " + plugin + ": ");
  expect_contains(failure, part);
  EXPECT_EQ(failure.find('\n'), std::string::npos) << failure;
}

TEST(LoadPlugin, RefusesWhatIsNoPlugin) {
  expect_contains(load_failure("absent"), "there is no such file");
  expect_contains(load_failure("no_entry"), "exports no oag_plugin_entry");
  expect_contains(load_failure("wrong_abi"), "ABI version 99, this engine takes 1");
  expect_contains(load_failure("refuses"), "refuses this engine");
  expect_contains(load_failure("no_kernel"), "operator Elsewhere: has no kernel for the device cpu");
}

TEST(LoadPlugin, RefusesNames) {
  expect_contains(load_failure("builtin_domain"), "the engine's own");
  expect_contains(load_failure("name_twice"), "registers operator Same of domain \"test\" twice");
}

TEST(LoadPlugin, RefusesOperatorsThatAreThere) {
  OperatorRegistry registry = OperatorRegistry::builtin();
  load_plugin(OAG_PLUGIN_DIR "/bad_operators.so", registry);
  expect_contains(failure_of([&] { load_plugin(OAG_PLUGIN_DIR "/bad_operators.so", registry); }),
                  "is there already");
}

TEST(LoadPlugin, BadOperatorsEndTheRunWithALine) {
  const std::pair<const char*, const char*> expected[] = {
      {"Throws", "its kernel failed: the kernel is unhappy"},
      {"ThrowsBytes", "its kernel failed: "},
      {"ThrowsInTile", "something that is no std::exception"},
      {"TakesWorkspace", "bytes of workspace"},
      {"TakesMuchWorkspace", "asks for 70368744177664 bytes of workspace"},
      {"TakesWorkspaceInTile", "takes workspace from within parallel_for"},
      {"NestsParallelFor", "calls parallel_for from within parallel_for"},
      {"GivesWrongDims", "the dims [1, 2, 3], its shape function said [4]"},
      {"GivesWrongType", "makes output Y of i32, expected f32"},
      {"GivesHugeDims", "asks for 17592186044416 bytes for output Y"},
      {"GivesOverflowingDims", "more than 2^63 elements"},
      {"GivesOtherColumns", "the dims [3, 5], its shape function said [?, 4]"},
      {"WritesBehind", "wrote behind the memory of output Y, [4]"},
      {"WritesBefore", "wrote before the memory of output Y, [4]"},
      {"WritesBehindWorkspace", "wrote behind its workspace"},
      {"MakesTwice", "makes output Y a second time"},
      {"AsksForLeftOut", "asks for output 1, which the node lacks"},
      {"Forgets", "made no output Y"},
      {"AsksForUnknownDims", "it has to allocate it"},
      {"ReadsTooMuch", "reads input 7"},
      {"ReadsTooMuchInTiles", "reads input "},
      {"ReadsOtherType", "of element type 1 (of ONNX's TensorProto) is used as another one"},
      {"ReadsAbsentAttribute", "there is no attribute axis"},
      {"IsNotPrepared", "its kernel cannot be made: not prepared"},
      {"HasNoKernelObject", "its kernel function returned null"},
      {"ShapeThrows", "its shape function failed: no shape today"},
      {"ShapeIsNegative", "a dim of -4"},
      {"ShapeIsOfOtherType", "output Y is i32, which its registration excludes"},
      {"ShapeHasManyDims", "65 dims, 64 are the most"},
      {"ShapeOfAbsentInput", "asked for input 3, which the node lacks"},
      {"ShapeOfAbsentOutput", "sets output 4"},
      {"ShapeDividesByZero", "divides a dim by 0"},
  };
  for (const auto& [op, part] : expected) expect_run_failure("bad_operators.so", op, part);
  expect_run_failure("bad_operators.so", "ContradictsItself", "gives output Z the dims [3]", 2);
}

TEST(LoadPlugin, ShapesThatRunsContradictEndTheRun) {
  expect_contains(
      run_failure("bad_operators.so", "ShapeBecomesNegative"),
      "node n (test.ShapeBecomesNegative): its output %n would be [-1] in this run, of the shape [");
  expect_run_failure("bad_operators.so", "ShapeChanges", "contradict what its shape function said");
}

TEST(LoadPlugin, ExceptionsThatCrossTheCEdgeEndTheRun) {
  expect_run_failure("throws_through_c.so", "ThrowsThroughC", "its kernel failed: over the edge");
  expect_run_failure("throws_through_c.so", "ThrowsThroughCInTile", "from a tile");
}

}  // namespace
}  // namespace oag
