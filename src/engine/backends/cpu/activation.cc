// f32 functions of one element: Swish Sigmoid Gelu Tanh Exp Cos Sin Relu LeakyRelu HardSigmoid HardSwish Sqrt
// Neg, and oag.SwiGLU.
// Swish, Sigmoid, Exp and SwiGLU are vectorised, within 5 ulp of the exact value, and Gelu, within 4 ulp of
// max(|x|, 1); the others are the C library's, which is within 1 ulp for any finite argument.
#include <algorithm>
#include <cmath>

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

// function of each element, which the compiler makes vectors of.
template <typename Function>
void map_elements(const KernelContext& context, Function function) {
  map_pieces(context, 1, [&](const float* x, int64_t count, float* y) {
    for (int64_t i = 0; i < count; ++i) y[i] = function(x[i]);
  });
}

void run_relu(const KernelContext& context, const MicroKernels&) {
  map_elements(context, [](float x) { return x < 0.0f ? 0.0f : x; });
}
void run_leaky_relu(const KernelContext& context, const MicroKernels&) {
  const float alpha = context.node().float_attribute("alpha", 0.01f);
  map_elements(context, [alpha](float x) { return x < 0.0f ? alpha * x : x; });
}
void run_hard_sigmoid(const KernelContext& context, const MicroKernels&) {
  const float alpha = context.node().float_attribute("alpha", 0.2f);
  const float beta = context.node().float_attribute("beta", 0.5f);
  map_elements(context, [=](float x) { return std::clamp(alpha * x + beta, 0.0f, 1.0f); });
}
void run_hard_swish(const KernelContext& context, const MicroKernels&) {
  map_elements(context, [](float x) { return x * std::clamp(x * (1.0f / 6) + 0.5f, 0.0f, 1.0f); });
}
void run_sqrt(const KernelContext& context, const MicroKernels&) {
  map_elements(context, [](float x) { return std::sqrt(x); });
}
void run_neg(const KernelContext& context, const MicroKernels&) {
  map_elements(context, [](float x) { return -x; });
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
extern constinit const KernelImpl kSwiGLU = {"oag", "SwiGLU", "swiglu", accept_f32, make_kernel<run_swiglu>};

}  // namespace oag::cpu
