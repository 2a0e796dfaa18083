// Random values: RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/random_stream.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

// The same values for the same seed, always; other ones each time without.
RandomStream make_stream(const Node& node) {
  if (node.has_attribute("seed"))
    return RandomStream(std::bit_cast<uint32_t>(node.float_attribute("seed", 0)));
  std::random_device device;
  return RandomStream(uint64_t{device()} << 32 | device());
}

// Writes value(place) to every place of the output.
template <typename Value>
void fill_output(KernelContext& context, const Tensor& out, const Value& value) {
  const StridedWalk walk({out.count()}, std::vector<Strides>{{1}});
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    std::array<double, StridedWalk::kPiece> values;
    for (int64_t i = 0; i < count; ++i)
      values[static_cast<size_t>(i)] = value(static_cast<uint64_t>(at[0] + i));
    store_elements<double>(out, at[0], 1, std::span<const double>(values).first(static_cast<size_t>(count)));
  });
}

// The type that `dtype` names, else `fallback`.
DType output_type(const InferenceContext& context, DType fallback, DTypeSet allowed) {
  DType dtype = fallback;
  if (context.node().has_attribute("dtype")) {
    const int64_t code = context.node().int_attribute("dtype");
    dtype = dtype_from_onnx(code).value_or(DType::kUndefined);
    if (!allowed.contains(dtype)) context.refuse("dtype is {}, which the operator does not make", code);
  }
  if (!allowed.contains(dtype))
    context.refuse("cannot make {}; its dtype must name another type", dtype_name(dtype));
  return dtype;
}

DType output_type(const Node& node, DType fallback) {
  if (!node.has_attribute("dtype")) return fallback;
  return dtype_from_onnx(node.int_attribute("dtype")).value_or(fallback);
}

struct Normal {
  explicit Normal(const Node& node)
      : stream(make_stream(node)),
        mean(node.float_attribute("mean", 0)),
        scale(node.float_attribute("scale", 1)) {}
  double operator()(uint64_t place) const { return mean + scale * stream.normal(place); }
  RandomStream stream;
  double mean, scale;
};

struct Uniform {
  explicit Uniform(const Node& node)
      : stream(make_stream(node)),
        low(node.float_attribute("low", 0)),
        high(node.float_attribute("high", 1)) {}
  double operator()(uint64_t place) const { return low + (high - low) * stream.uniform(place); }
  RandomStream stream;
  double low, high;
};

void infer_of_shape(InferenceContext& context) {
  const Dims dims = context.node().ints_attribute("shape");
  for (const int64_t dim : dims) {
    if (dim < 0) context.refuse("shape {} has a negative dim", to_string(dims));
  }
  context.set_output(0, output_type(context, DType::kF32, kFloatTypes), to_shape(dims));
}

template <typename Value>
void of_shape_reference(KernelContext& context) {
  const Tensor& out = context.allocate_output(0, output_type(context.node(), DType::kF32),
                                              context.node().ints_attribute("shape"));
  fill_output(context, out, Value(context.node()));
}

void infer_like(InferenceContext& context) {
  context.set_output(0, output_type(context, context.dtype(0), kFloatTypes), context.type(0).shape);
}

template <typename Value>
void like_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, output_type(context.node(), in.dtype()), in.dims());
  fill_output(context, out, Value(context.node()));
}

void infer_bernoulli(InferenceContext& context) {
  context.set_output(0, output_type(context, context.dtype(0), kPlainTypes), context.type(0).shape);
}

void bernoulli_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Tensor& out = context.allocate_output(0, output_type(context.node(), in.dtype()), in.dims());
  const RandomStream stream = make_stream(context.node());
  fill_output(context, out, [&](uint64_t place) {
    double chance = 0;
    load_elements<double>(in, static_cast<int64_t>(place), 1, {&chance, 1});
    return stream.uniform(place) < chance ? 1.0 : 0.0;
  });
}

void infer_multinomial(InferenceContext& context) {
  const int64_t samples = context.node().int_attribute("sample_size", 1);
  if (samples < 0) context.refuse("sample_size is {}", samples);
  if (context.has_shape(0) && context.shape(0).size() != 2)
    context.refuse("input {} must be [batch, classes]", to_string(context.shape(0)));
  const Dim batch = context.has_shape(0) ? context.shape(0)[0] : context.fresh_dim("batch");
  context.set_output(0, output_type(context, DType::kI32, {DType::kI32, DType::kI64}), Shape{batch, samples});
}

// Running sums of the probabilities, up to a common factor; nothing when no class has any.
std::optional<std::vector<double>> running_sums(const Tensor& logs, int64_t start, int64_t classes) {
  std::vector<double> sums(static_cast<size_t>(classes));
  load_elements<double>(logs, start, 1, sums);
  if (sums.empty()) return std::nullopt;
  const double top = *std::max_element(sums.begin(), sums.end());
  double total = 0;
  for (double& sum : sums) sum = total += std::exp(sum - top);
  if (!(total > 0) || std::isinf(total)) return std::nullopt;
  return sums;
}

void multinomial_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  if (in.rank() != 2) context.refuse("input {} must be [batch, classes]", to_string(in.dims()));
  const int64_t samples = context.node().int_attribute("sample_size", 1), classes = in.dim(1);
  const Tensor& out =
      context.allocate_output(0, output_type(context.node(), DType::kI32), {in.dim(0), samples});
  const RandomStream stream = make_stream(context.node());
  for (int64_t row = 0; row < in.dim(0); ++row) {
    const auto sums = running_sums(in, row * classes, classes);
    if (!sums) context.refuse("row {} holds no logarithms of probabilities", row);
    context.env().parallel_for(samples, 20, [&](int64_t i, int) {
      const double at = stream.uniform(static_cast<uint64_t>(row * samples + i)) * sums->back();
      const auto found = std::upper_bound(sums->begin(), sums->end() - 1, at) - sums->begin();
      store_elements<int64_t>(out, row * samples + i, 1, std::array{static_cast<int64_t>(found)});
    });
  }
}

constexpr AttributeSpec kDType = {"dtype", AttributeKind::kInt}, kSeed = {"seed", AttributeKind::kFloat};

constexpr OpSchema of_shape(std::string_view op, std::string_view first, std::string_view second,
                            KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 22,
          .inputs = {},
          .outputs = {{"output", "T", kFloatTypes}},
          .attributes = {{"shape", AttributeKind::kInts, true},
                         kDType,
                         kSeed,
                         {first, AttributeKind::kFloat},
                         {second, AttributeKind::kFloat}},
          .infer = infer_of_shape,
          .reference = reference,
          .deterministic = false};
}

constexpr OpSchema like(std::string_view op, std::string_view first, std::string_view second,
                        KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 22,
          .inputs = {{"input", "T1", kMovableTypes}},
          .outputs = {{"output", "T2", kFloatTypes}},
          .attributes = {kDType, kSeed, {first, AttributeKind::kFloat}, {second, AttributeKind::kFloat}},
          .infer = infer_like,
          .reference = reference,
          .deterministic = false};
}

}  // namespace

// Normal values of `mean` (0) and standard deviation `scale` (1), uniform ones of [low, high) (0, 1), of an
// array of dims `shape` or of those of the input. The same `seed` gives the same values.
extern constinit const OpSchema kRandomNormal =
    of_shape("RandomNormal", "mean", "scale", of_shape_reference<Normal>);
extern constinit const OpSchema kRandomUniform =
    of_shape("RandomUniform", "low", "high", of_shape_reference<Uniform>);
extern constinit const OpSchema kRandomNormalLike =
    like("RandomNormalLike", "mean", "scale", like_reference<Normal>);
extern constinit const OpSchema kRandomUniformLike =
    like("RandomUniformLike", "low", "high", like_reference<Uniform>);

// 1 with the probability that the input gives, else 0.
extern constinit const OpSchema kBernoulli = {
    .domain = "",
    .op = "Bernoulli",
    .since_version = 22,
    .inputs = {{"input", "T1", kFloatTypes}},
    .outputs = {{"output", "T2", kPlainTypes}},
    .attributes = {kDType, kSeed},
    .infer = infer_bernoulli,
    .reference = bernoulli_reference,
    .deterministic = false,
};

// sample_size (1) classes for each row of input [batch, classes], which holds logarithms of unscaled
// probabilities.
extern constinit const OpSchema kMultinomial = {
    .domain = "",
    .op = "Multinomial",
    .since_version = 22,
    .inputs = {{"input", "T1", kFloatTypes}},
    .outputs = {{"output", "T2", {DType::kI32, DType::kI64}}},
    .attributes = {kDType, kSeed, {"sample_size", AttributeKind::kInt}},
    .infer = infer_multinomial,
    .reference = multinomial_reference,
    .deterministic = false,
};

}  // namespace oag
