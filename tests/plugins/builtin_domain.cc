// A plugin that wants to be ai.onnx.
#include "openautoglm/plugin.h"

namespace {

class Nothing : public openautoglm::plugin::Kernel {
 public:
  void compute(openautoglm::plugin::KernelContext&) const override {}
};

}  // namespace

REGISTER_OPERATOR(Relu).Domain("ai.onnx").Input("X", "").Output("Y", "").SetKernelFn([] {
  return new Nothing();
});
