// Every stored operator case, on every instruction set of this processor, through the whole path that a model
// takes: passes, kernel choice, memory plan, executor. The expected outputs are those of ONNX's own reference
// evaluator.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "api/backends.h"
#include "base/error.h"
#include "engine/backends/cpu/isa.h"
#include "engine/session/session.h"
#include "tests/op_cases.h"

namespace oag {
namespace {

using testing::Knowledge;
using testing::OpCase;

// Vectorised kernels sum in another order and use polynomials for exp; the cases were made for exact
// references.
constexpr double kRelative = 1e-5;
constexpr double kAbsolute = 1e-6;

std::shared_ptr<Runtime> runtime_for(const std::string& isa) {
  static std::map<std::string, std::shared_ptr<Runtime>> runtimes;
  auto& runtime = runtimes[isa];
  if (!runtime) runtime = std::make_shared<Runtime>(RuntimeOptions{default_backends(), "cpu:" + isa, 2});
  return runtime;
}

std::string run_case(const OpCase& op_case, Knowledge knowledge, const std::string& isa) {
  Graph graph = testing::build_graph(op_case, knowledge);
  RunBindings bindings;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    const ValueId id = graph.nodes[0].inputs[i];
    const bool is_input = std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
    if (id != kNoValue && is_input) bindings.inputs.push_back(*op_case.inputs[i]);
  }
  const Session session(runtime_for(isa), std::move(graph));
  std::vector<Tensor> outputs;
  // Twice: the second run takes the first one's plan and buffers.
  for (int round = 0; round < 2; ++round) {
    if (session.run(bindings, RunControl(), outputs) != RunState::kDone) return "the run did not end";
    for (size_t o = 0; o < op_case.outputs.size(); ++o) {
      std::string difference =
          testing::compare_tensors(outputs[o], op_case.outputs[o], std::max(op_case.rtol, kRelative),
                                   std::max(op_case.atol, kAbsolute));
      if (!difference.empty()) return fmt::format("run {}, output {}: {}", round, o, difference);
    }
  }
  return "";
}

class Operators : public ::testing::TestWithParam<std::tuple<std::string, std::filesystem::path>> {};

TEST_P(Operators, AgreeWithTheReferenceEvaluator) {
  const auto& [isa, file] = GetParam();
  for (const OpCase& op_case : testing::load_op_cases(file)) {
    for (const Knowledge knowledge : {Knowledge::kDims, Knowledge::kSymbols, Knowledge::kContent}) {
      std::string problem;
      try {
        problem = run_case(op_case, knowledge, isa);
      } catch (const Error& error) {
        problem = error.what();
      }
      EXPECT_EQ(problem, "") << op_case.op << " " << op_case.name << ", knowledge "
                             << static_cast<int>(knowledge);
    }
  }
}

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const cpu::Isa isa : cpu::available_isas()) names.emplace_back(cpu::isa_name(isa));
  return names;
}

// Cases made for this project, and ONNX's own node tests.
std::vector<std::filesystem::path> case_files() {
  std::vector<std::filesystem::path> files = testing::op_case_files("op_cases");
  const std::vector<std::filesystem::path> suite = testing::op_case_files("op_suite");
  files.insert(files.end(), suite.begin(), suite.end());
  return files;
}

std::string case_name(const ::testing::TestParamInfo<Operators::ParamType>& info) {
  const auto& [isa, file] = info.param;
  return isa + "_" + file.parent_path().filename().string() + "_" + file.stem().string();
}

INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, Operators,
                         ::testing::Combine(::testing::ValuesIn(isa_names()),
                                            ::testing::ValuesIn(case_files())),
                         case_name);

}  // namespace
}  // namespace oag
