// CustomGelu: x * Phi(x), exact or by tanh, as ai.onnx's Gelu has it. The smallest operator that is of use.
#include <openautoglm/plugin.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace {

using openautoglm::plugin::DType;

float exact(float x) {
  return 0.5F * x * (1 + std::erf(x * (std::numbers::sqrt2_v<float> / 2)));
}

float by_tanh(float x) {
  const float inner = 0.7978845608F * (x + 0.044715F * x * x * x);  // sqrt(2 / pi)
  return 0.5F * x * (1 + std::tanh(inner));
}

class CustomGeluKernel : public openautoglm::plugin::Kernel {
 public:
  void prepare(const openautoglm::plugin::Node& node) override {
    const std::string approximate = node.string_attribute("approximate");
    if (approximate != "none" && approximate != "tanh")
      throw std::invalid_argument("approximate is \"" + approximate + "\", expected none or tanh");
    gelu_ = approximate == "tanh" ? by_tanh : exact;
  }

  void compute(openautoglm::plugin::KernelContext& context) const override {
    const auto x = context.input(0).values<float>();
    const auto y = context.output(0).values<float>();
    constexpr size_t kTile = 4096;
    const auto tiles = static_cast<int64_t>((x.size() + kTile - 1) / kTile);
    context.parallel_for(tiles, kTile * 5, [&](int64_t tile, int) {
      const size_t begin = static_cast<size_t>(tile) * kTile;
      const size_t end = std::min(begin + kTile, x.size());
      for (size_t i = begin; i < end; ++i) y[i] = gelu_(x[i]);
    });
  }

 private:
  float (*gelu_)(float) = exact;
};

}  // namespace

REGISTER_OPERATOR(CustomGelu)
    .Domain("com.example")
    .Input("X", "Input tensor")
    .Output("Y", "Output tensor")
    .Attr("approximate", "none: by erf; tanh: the cheaper formula", "none")
    .TypeConstraint("T", {DType::kFloat})
    .ShapeFn(openautoglm::plugin::same_as_first_input)
    .SetKernelFn([] { return new CustomGeluKernel(); });
