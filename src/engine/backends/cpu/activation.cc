// f32 functions of one element, and oag.SwiGLU.
// Swish, Sigmoid, Exp, Erf and SwiGLU are vectorised, within 5 ulp of the exact value, and Gelu, within 4 ulp
// of max(|x|, 1); Relu, LeakyRelu, Clip, HardSigmoid and HardSwish too, with one rounding or two. The others
// are the C library's, which is within 1 ulp for any finite argument, or made of its functions, within 4 ulp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/backends/cpu/cpu_kernel.h"

namespace oag::cpu {
namespace {

constexpr int64_t kPiece = 4096;  // elements of a tile

Refusal accept_f32(const KernelQuery& query) {
  return query.dtype(0) == DType::kF32 ? Refusal{} : "input is not f32";
}

// y[i] = function(x[i]) in pieces; function(x, count, y) works on a run of elements.
template <typename Function>
void map_pieces(const KernelContext& context, int64_t ns_per_element, Function function) {
  const Tensor& x = context.input(0);
  const float* from = x.values<float>().data();
  float* to = context.allocate_output(0, DType::kF32, x.dims()).values<float>().data();
  const int64_t pieces = (x.count() + kPiece - 1) / kPiece;
  context.env().parallel_for(pieces, kPiece * ns_per_element, [&](int64_t i, int) {
    function(from + i * kPiece, std::min(kPiece, x.count() - i * kPiece), to + i * kPiece);
  });
}

template <float (*kFunction)(float)>
void run_scalar(const KernelContext& context, const MicroKernels&) {
  map_pieces(context, 10,
             [](const float* x, int64_t count, float* y) { std::transform(x, x + count, y, kFunction); });
}

float tanh_of(float x) {
  return std::tanh(x);
}
float cos_of(float x) {
  return std::cos(x);
}
float sin_of(float x) {
  return std::sin(x);
}
float log_of(float x) {
  return std::log(x);
}
float floor_of(float x) {
  return std::floor(x);
}
float ceil_of(float x) {
  return std::ceil(x);
}
float round_of(float x) {  // halves to even
  return std::nearbyint(x);
}
float softplus_of(float x) {  // without overflow
  return std::max(x, 0.0f) + std::log1p(std::exp(-std::fabs(x)));
}
float mish_of(float x) {
  return x * std::tanh(softplus_of(x));
}

// function of each element, which the compiler makes vectors of.
template <typename Function>
void map_elements(const KernelContext& context, Function function) {
  map_pieces(context, 1, [&](const float* x, int64_t count, float* y) {
    for (int64_t i = 0; i < count; ++i) y[i] = function(x[i]);
  });
}

// One of the inner loops by ElementOp.
void map_op(const KernelContext& context, const MicroKernels& micro, ElementOp op, float a, float b) {
  const MicroKernels::Element element = micro.element[static_cast<int>(op)];
  map_pieces(context, op == ElementOp::kErf ? 2 : 1,
             [=](const float* x, int64_t count, float* y) { element(x, count, a, b, y); });
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void run_relu(const KernelContext& context, const MicroKernels& micro) {
  map_op(context, micro, ElementOp::kClip, 0, kInfinity);
}
void run_clip(const KernelContext& context, const MicroKernels& micro) {
  const auto bound = [&](size_t i, float none) {
    if (!context.has_input(i)) return none;
    if (context.input(i).count() != 1)
      context.refuse("input {} must hold one value, it is {}", i, to_string(context.input(i).dims()));
    return context.input(i).values<float>()[0];
  };
  map_op(context, micro, ElementOp::kClip, bound(1, -kInfinity), bound(2, kInfinity));
}
void run_leaky_relu(const KernelContext& context, const MicroKernels& micro) {
  map_op(context, micro, ElementOp::kLeakyRelu, context.node().float_attribute("alpha", 0.01f), 0);
}
void run_hard_sigmoid(const KernelContext& context, const MicroKernels& micro) {
  map_op(context, micro, ElementOp::kHardSigmoid, context.node().float_attribute("alpha", 0.2f),
         context.node().float_attribute("beta", 0.5f));
}
void run_hard_swish(const KernelContext& context, const MicroKernels& micro) {
  map_op(context, micro, ElementOp::kHardSwish, 0, 0);
}
void run_erf(const KernelContext& context, const MicroKernels& micro) {
  map_op(context, micro, ElementOp::kErf, 0, 0);
}
void run_sqrt(const KernelContext& context, const MicroKernels&) {
  map_elements(context, [](float x) { return std::sqrt(x); });
}
void run_neg(const KernelContext& context, const MicroKernels&) {
  map_elements(context, [](float x) { return -x; });
}
void run_abs(const KernelContext& context, const MicroKernels&) {
  map_elements(context, [](float x) { return std::fabs(x); });
}
void run_reciprocal(const KernelContext& context, const MicroKernels&) {
  map_elements(context, [](float x) { return 1.0f / x; });
}

// Functions that have attributes.
template <typename Function>
void map_scalar(const KernelContext& context, Function function) {
  map_pieces(context, 20,
             [&](const float* x, int64_t count, float* y) { std::transform(x, x + count, y, function); });
}
void run_elu(const KernelContext& context, const MicroKernels&) {
  const float alpha = context.node().float_attribute("alpha", 1.0f);
  map_scalar(context, [alpha](float x) { return x < 0.0f ? alpha * std::expm1(x) : x; });
}
void run_selu(const KernelContext& context, const MicroKernels&) {
  const float alpha = context.node().float_attribute("alpha", 1.67326319217681884765625f);
  const float gamma = context.node().float_attribute("gamma", 1.05070102214813232421875f);
  map_scalar(context, [=](float x) { return gamma * (x > 0.0f ? x : alpha * std::expm1(x)); });
}
void run_celu(const KernelContext& context, const MicroKernels&) {
  const float alpha = context.node().float_attribute("alpha", 1.0f);
  map_scalar(context, [alpha](float x) { return x < 0.0f ? alpha * std::expm1(x / alpha) : x; });
}

void run_exp(const KernelContext& context, const MicroKernels& micro) {
  map_pieces(context, 1, micro.exp);
}
void run_sigmoid(const KernelContext& context, const MicroKernels& micro) {
  map_pieces(context, 1, micro.sigmoid);
}

Refusal accept_swish(const KernelQuery& query) {
  if (query.node.float_attribute("alpha", 1.0f) != 1.0f) return "alpha is not 1";
  return accept_f32(query);
}
void run_swish(const KernelContext& context, const MicroKernels& micro) {
  map_pieces(context, 1, micro.swish);
}

void run_gelu(const KernelContext& context, const MicroKernels& micro) {
  const bool by_tanh = context.node().string_attribute("approximate", "none") == "tanh";
  map_pieces(context, 2, by_tanh ? micro.gelu_tanh : micro.gelu);
}

void run_swiglu(const KernelContext& context, const MicroKernels& micro) {
  const float* up = context.input(1).values<float>().data();
  const float* gate = context.input(0).values<float>().data();
  map_pieces(context, 2,
             [&](const float* x, int64_t count, float* y) { micro.swiglu(x, up + (x - gate), count, y); });
}

}  // namespace

extern constinit const KernelImpl kExp = {"", "Exp", "exp", accept_f32, make_kernel<run_exp>};
extern constinit const KernelImpl kSigmoid = {"", "Sigmoid", "sigmoid", accept_f32, make_kernel<run_sigmoid>};
extern constinit const KernelImpl kSwish = {"", "Swish", "swish", accept_swish, make_kernel<run_swish>};
extern constinit const KernelImpl kGelu = {"", "Gelu", "gelu", accept_f32, make_kernel<run_gelu>};
extern constinit const KernelImpl kTanh = {"", "Tanh", "tanh", accept_f32, make_kernel<run_scalar<tanh_of>>};
extern constinit const KernelImpl kCos = {"", "Cos", "cos", accept_f32, make_kernel<run_scalar<cos_of>>};
extern constinit const KernelImpl kSin = {"", "Sin", "sin", accept_f32, make_kernel<run_scalar<sin_of>>};
extern constinit const KernelImpl kRelu = {"", "Relu", "relu", accept_f32, make_kernel<run_relu>};
extern constinit const KernelImpl kLeakyRelu = {"", "LeakyRelu", "leaky_relu", accept_f32,
                                                make_kernel<run_leaky_relu>};
extern constinit const KernelImpl kHardSigmoid = {"", "HardSigmoid", "hard_sigmoid", accept_f32,
                                                  make_kernel<run_hard_sigmoid>};
extern constinit const KernelImpl kHardSwish = {"", "HardSwish", "hard_swish", accept_f32,
                                                make_kernel<run_hard_swish>};
extern constinit const KernelImpl kSqrt = {"", "Sqrt", "sqrt", accept_f32, make_kernel<run_sqrt>};
extern constinit const KernelImpl kNeg = {"", "Neg", "neg", accept_f32, make_kernel<run_neg>};
extern constinit const KernelImpl kAbs = {"", "Abs", "abs", accept_f32, make_kernel<run_abs>};
extern constinit const KernelImpl kReciprocal = {"", "Reciprocal", "reciprocal", accept_f32,
                                                 make_kernel<run_reciprocal>};
extern constinit const KernelImpl kErf = {"", "Erf", "erf", accept_f32, make_kernel<run_erf>};
extern constinit const KernelImpl kClip = {"", "Clip", "clip", accept_f32, make_kernel<run_clip>};
extern constinit const KernelImpl kElu = {"", "Elu", "elu", accept_f32, make_kernel<run_elu>};
extern constinit const KernelImpl kSelu = {"", "Selu", "selu", accept_f32, make_kernel<run_selu>};
extern constinit const KernelImpl kCelu = {"", "Celu", "celu", accept_f32, make_kernel<run_celu>};
extern constinit const KernelImpl kLog = {"", "Log", "log", accept_f32, make_kernel<run_scalar<log_of>>};
extern constinit const KernelImpl kFloor = {"", "Floor", "floor", accept_f32,
                                            make_kernel<run_scalar<floor_of>>};
extern constinit const KernelImpl kCeil = {"", "Ceil", "ceil", accept_f32, make_kernel<run_scalar<ceil_of>>};
extern constinit const KernelImpl kRound = {"", "Round", "round", accept_f32,
                                            make_kernel<run_scalar<round_of>>};
extern constinit const KernelImpl kSoftplus = {"", "Softplus", "softplus", accept_f32,
                                               make_kernel<run_scalar<softplus_of>>};
extern constinit const KernelImpl kMish = {"", "Mish", "mish", accept_f32, make_kernel<run_scalar<mish_of>>};
extern constinit const KernelImpl kSwiGLU = {"oag", "SwiGLU", "swiglu", accept_f32, make_kernel<run_swiglu>};

}  // namespace oag::cpu
