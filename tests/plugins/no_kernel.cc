// A plugin whose operator runs on no device that the engine has.
#include "openautoglm/plugin.h"

namespace {

class Nothing : public openautoglm::plugin::Kernel {
 public:
  void compute(openautoglm::plugin::KernelContext&) const override {}
};

}  // namespace

REGISTER_OPERATOR(Elsewhere).Domain("test").Input("X", "").Output("Y", "").SetKernelFn(
    [] { return new Nothing(); }, "abacus");
