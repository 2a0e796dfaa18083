#include "engine/backends/cpu/conv_finish.h"

#include <limits>

namespace oag::cpu {

ConvFinish::ConvFinish(const KernelContext& context, const MicroKernels& micro)
    : micro_(micro), y_(context.output(0).values<float>().data()) {
  const Node& node = context.node();
  if (node.op != "FusedConv") return;
  if (context.has_input(3)) {
    if (context.input(3).dims() != context.output(0).dims())
      context.refuse("z {} must have y's dims, {}", to_string(context.input(3).dims()),
                     to_string(context.output(0).dims()));
    z_ = context.input(3).values<float>().data();
  }
  scale_ = node.float_attribute("scale", 1.0f);
  shift_ = node.float_attribute("shift", 0.0f);
  scales_ = node.has_attribute("scale") || node.has_attribute("shift");
  choose(context, micro);
}

void ConvFinish::choose(const MicroKernels& micro, ElementOp op, float a, float b) {
  activation_ = Activation::kElement;
  element_ = micro.element[static_cast<int>(op)];
  a_ = a;
  b_ = b;
}

void ConvFinish::choose(const KernelContext& context, const MicroKernels& micro) {
  const std::string op = context.node().string_attribute("activation", "");
  const std::vector<float> params = context.node().floats_attribute("activation_params");
  const auto param = [&](size_t i, float fallback) { return i < params.size() ? params[i] : fallback; };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (op == "Relu") choose(micro, ElementOp::kClip, 0, kInfinity);
  if (op == "Clip") choose(micro, ElementOp::kClip, param(0, -kInfinity), param(1, kInfinity));
  if (op == "LeakyRelu") choose(micro, ElementOp::kLeakyRelu, param(0, 0.01f), 0);
  if (op == "HardSigmoid") choose(micro, ElementOp::kHardSigmoid, param(0, 0.2f), param(1, 0.5f));
  if (op == "HardSwish") choose(micro, ElementOp::kHardSwish, 0, 0);
  if (op == "Sigmoid") plain_ = micro.sigmoid;
  if (op == "Swish") plain_ = micro.swish;
  if (op == "Gelu") plain_ = micro.gelu;
  if (plain_ != nullptr) activation_ = Activation::kPlain;
}

void ConvFinish::apply(float* y, int64_t count) const {
  if (z_ != nullptr)
    micro_.binary[static_cast<int>(BinaryOp::kAdd)](y, false, z_ + (y - y_), false, count, y);
  if (activation_ == Activation::kElement) element_(y, count, a_, b_, y);
  if (activation_ == Activation::kPlain) plain_(y, count, y);
  if (scales_) micro_.element[static_cast<int>(ElementOp::kAffine)](y, count, scale_, shift_, y);
}

}  // namespace oag::cpu
