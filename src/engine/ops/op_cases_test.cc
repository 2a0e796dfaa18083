// Every operator against the outputs of ONNX's reference evaluator, under each degree of knowledge a shape
// rule may have.
#include "tests/op_cases.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "engine/ops/serial_env.h"

namespace oag::testing {
namespace {

const char* knowledge_name(Knowledge knowledge) {
  switch (knowledge) {
    case Knowledge::kDims: return "dims known";
    case Knowledge::kContent: return "content known";
    case Knowledge::kSymbols: return "dims symbolic";
    case Knowledge::kNothing: return "nothing known";
  }
  return "";
}

class OpCasesTest : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(OpCasesTest, ReferenceKernelAndShapeRuleAgreeWithOnnx) {
  const std::vector<OpCase> cases = load_op_cases(GetParam());
  ASSERT_FALSE(cases.empty());
  for (const OpCase& op_case : cases) {
    const OpSchema* schema = OperatorRegistry::builtin().find("", op_case.op);
    ASSERT_NE(schema, nullptr) << op_case.op;
    ASSERT_NE(schema->reference, nullptr) << op_case.op;
    for (const Knowledge knowledge :
         {Knowledge::kDims, Knowledge::kContent, Knowledge::kSymbols, Knowledge::kNothing}) {
      SerialEnv env;
      try {
        EXPECT_EQ(check_kernel(op_case, knowledge, schema->reference, env), "")
            << op_case.op << " " << op_case.name << ", " << knowledge_name(knowledge);
      } catch (const Error& error) {
        ADD_FAILURE() << op_case.op << " " << op_case.name << ", " << knowledge_name(knowledge) << ": "
                      << error.what();
      }
    }
  }
}

std::string test_name(const ::testing::TestParamInfo<std::filesystem::path>& info) {
  return info.param.stem().string();
}

INSTANTIATE_TEST_SUITE_P(Evaluator, OpCasesTest, ::testing::ValuesIn(op_case_files("op_cases")), test_name);
INSTANTIATE_TEST_SUITE_P(NodeSuite, OpCasesTest, ::testing::ValuesIn(op_case_files("op_suite")), test_name);

}  // namespace
}  // namespace oag::testing
