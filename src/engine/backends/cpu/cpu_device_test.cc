#include "engine/backends/cpu/cpu_device.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oag::cpu {
namespace {

// Sets OAG_CPU_ISA, or unsets it, for as long as it lives.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    if (const char* before = std::getenv("OAG_CPU_ISA")) before_ = before;
    set(name);
  }
  ~ForcedIsa() { set(before_ ? before_->c_str() : nullptr); }

 private:
  static void set(const char* name) {
    if (name != nullptr) {
      ::setenv("OAG_CPU_ISA", name, 1);
    } else {
      ::unsetenv("OAG_CPU_ISA");
    }
  }
  std::optional<std::string> before_;
};

TEST(SelfTest, RunsOnceForEachInstructionSetThatIsListed) {
  const ForcedIsa none(nullptr);
  std::vector<Isa> tested;
  const DeviceProperties properties = describe_processor([&](Isa isa) -> std::string_view {
    tested.push_back(isa);
    return "";
  });
  EXPECT_EQ(tested, available_isas());
  EXPECT_EQ(properties.unusable, "");
  EXPECT_EQ(properties.name, "oag/cpu:" + std::string(isa_name(available_isas().back())));
}

TEST(SelfTest, IsListedWhenTheInstructionSetThatIsForcedFails) {
  const ForcedIsa baseline("baseline");
  const DeviceProperties properties = describe_processor(
      [](Isa isa) -> std::string_view { return isa == Isa::kBaseline ? "exponentials" : ""; });
  EXPECT_EQ(properties.name, "oag/cpu");
  EXPECT_NE(properties.unusable.find("OAG_CPU_ISA"), std::string::npos) << properties.unusable;
  ASSERT_EQ(properties.variant_states.size(), compiled_isas().size());
  EXPECT_EQ(properties.variant_states.front().wrong, "exponentials");
  for (const VariantState& state : properties.variant_states) EXPECT_FALSE(state.used) << state.name;
}

TEST(SelfTest, IsListedWhenEveryInstructionSetFails) {
  const ForcedIsa none(nullptr);
  testing::internal::CaptureStderr();  // the warnings of those passed over
  const DeviceProperties properties = describe_processor([](Isa) -> std::string_view { return "norms"; });
  testing::internal::GetCapturedStderr();
  EXPECT_NE(properties.unusable.find("norms"), std::string::npos) << properties.unusable;
  for (const VariantState& state : properties.variant_states) {
    EXPECT_FALSE(state.used) << state.name;
    EXPECT_EQ(state.wrong, state.supported ? "norms" : "") << state.name;
  }
}

TEST(SelfTest, IsListedWhenOagCpuIsaNamesNothing) {
  const ForcedIsa unknown("sse9");
  const std::vector<DeviceProperties> found = kCpuBackend.discover();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].unusable.find("sse9"), std::string::npos) << found[0].unusable;
}

}  // namespace
}  // namespace oag::cpu
