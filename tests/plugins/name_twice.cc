// A plugin that registers one name twice.
#include "openautoglm/plugin.h"

namespace {

class Nothing : public openautoglm::plugin::Kernel {
 public:
  void compute(openautoglm::plugin::KernelContext&) const override {}
};

openautoglm::plugin::Operator& describe(openautoglm::plugin::Operator& op) {
  return op.Domain("test").Input("X", "").Output("Y", "").SetKernelFn([] { return new Nothing(); });
}

openautoglm::plugin::Operator first("Same"), second("Same");
const openautoglm::plugin::Registration registered_first = describe(first);
const openautoglm::plugin::Registration registered_second = describe(second);

}  // namespace
