#include "engine/passes/pass.h"

#include "engine/ops/verify.h"

namespace oag {

#define OAG_PASS(pass) extern const Pass pass;
#include "engine/passes/pass_list.inc"
#undef OAG_PASS

std::span<const Pass* const> all_passes() {
  static constexpr const Pass* kPasses[] = {
#define OAG_PASS(pass) &pass,
#include "engine/passes/pass_list.inc"
#undef OAG_PASS
  };
  return kPasses;
}

void run_passes(Graph& graph, const PassContext& context) {
  infer_types(graph, context.registry);
  for (const Pass* pass : all_passes()) {
    if (pass->per_target && context.target == nullptr) continue;
    if (pass->run(graph, context)) infer_types(graph, context.registry);
  }
}

}  // namespace oag
