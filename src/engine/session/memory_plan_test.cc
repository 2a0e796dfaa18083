#include "engine/session/memory_plan.h"

#include <gtest/gtest.h>

#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

TEST(MemoryPlan, ValuesThatNeverLiveTogetherShareBytes) {
  Graph graph("chain");
  ValueId y = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  for (int i = 0; i < 20; ++i) y = graph.add("", "Neg", {y});
  graph.outputs.push_back(y);
  const auto runtime = test_runtime();
  CompileOptions options;
  options.devices.assign(runtime->devices().begin(), runtime->devices().end());
  const auto program = compile(std::move(graph), options);
  const MemoryPlan plan = plan_memory(*program, {{"N", 1000}});
  EXPECT_EQ(plan.arena_bytes, 2u * 4032);  // two values are alive at a time, each rounded up to 64 bytes
}

TEST(MemoryPlan, NoTwoLiveValuesOverlap) {
  const auto runtime = test_runtime();
  CompileOptions options;
  options.devices.assign(runtime->devices().begin(), runtime->devices().end());
  Graph graph("wide");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  std::vector<ValueId> live = {x};
  uint32_t random = 12345;
  for (int i = 0; i < 60; ++i) {
    random = random * 1664525 + 1013904223;
    live.push_back(graph.add("", "Add", {live[random % live.size()], live[(random >> 8) % live.size()]}));
    if (live.size() > 6) live.erase(live.begin() + 1 + static_cast<std::ptrdiff_t>((random >> 16) % 5));
  }
  ValueId sum = live[0];
  for (const ValueId value : live) sum = graph.add("", "Add", {sum, value});
  graph.outputs.push_back(sum);
  const auto program = compile(std::move(graph), options);
  const MemoryPlan plan = plan_memory(*program, {{"N", 77}});
  const auto last_use = [&](ValueId id) {
    size_t last = 0;
    for (size_t s = 0; s < program->steps.size(); ++s) {
      for (const ValueId input : program->steps[s].node->inputs) last = input == id ? s : last;
    }
    return last;
  };
  const int64_t size_bytes = 77 * 4;
  for (size_t a = 0; a < program->steps.size(); ++a) {
    for (size_t b = a + 1; b < program->steps.size(); ++b) {
      const ValueId va = program->steps[a].node->outputs[0], vb = program->steps[b].node->outputs[0];
      const int64_t oa = plan.offsets[static_cast<size_t>(va)], ob = plan.offsets[static_cast<size_t>(vb)];
      if (oa < 0 || ob < 0 || last_use(va) < b) continue;
      EXPECT_TRUE(oa + size_bytes <= ob || ob + size_bytes <= oa) << va << " and " << vb;
    }
  }
}

}  // namespace
}  // namespace oag
