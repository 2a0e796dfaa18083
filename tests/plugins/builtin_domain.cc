// A plugin that wants to be ai.onnx.
#include "openautoglm/plugin.h"

namespace {

class Nothing : public oag::plugin::Kernel {
 public:
  void compute(oag::plugin::KernelContext&) const override {}
};

}  // namespace

REGISTER_OPERATOR(Relu).Domain("ai.onnx").Input("X", "").Output("Y", "").SetKernelFn([] {
  return new Nothing();
});
