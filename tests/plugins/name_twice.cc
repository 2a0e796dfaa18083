// A plugin that registers one name twice.
#include "openautoglm/plugin.h"

namespace {

class Nothing : public oag::plugin::Kernel {
 public:
  void compute(oag::plugin::KernelContext&) const override {}
};

oag::plugin::Operator& describe(oag::plugin::Operator& op) {
  return op.Domain("test").Input("X", "").Output("Y", "").SetKernelFn([] { return new Nothing(); });
}

oag::plugin::Operator first("Same"), second("Same");
const oag::plugin::Registration registered_first = describe(first);
const oag::plugin::Registration registered_second = describe(second);

}  // namespace
