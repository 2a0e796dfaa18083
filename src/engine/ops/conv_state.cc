// CausalConvWithState: a convolution of each channel with its own past.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

enum ConvInput : size_t { kX, kWeight, kBias, kPast };

template <typename Context>
bool has_silu(const Context& context) {
  const std::string activation = context.node().string_attribute("activation", "none");
  if (activation == "none") return false;
  if (activation != "silu" && activation != "swish")
    context.refuse("activation is \"{}\"; it must be none, silu or swish", activation);
  return true;
}

void infer_causal_conv(InferenceContext& context) {
  has_silu(context);
  context.set_output(0, context.dtype(kX), context.type(kX).shape);
  std::optional<Shape> state;
  if (context.has_shape(kX) && context.shape(kX).size() != 3)
    context.refuse("input {} must be [batch, channels, length]", to_string(context.shape(kX)));
  if (context.has_input(kPast) && context.has_shape(kPast)) {
    state = context.shape(kPast);
  } else if (context.has_shape(kX) && context.has_shape(kWeight) && context.shape(kWeight).size() == 3) {
    state = {context.shape(kX)[0], context.shape(kX)[1], context.shape(kWeight)[2] - Dim(1)};
  }
  context.set_output(1, context.dtype(kX), std::move(state));
}

void causal_conv_reference(KernelContext& context) {
  const Tensor& x = context.input(kX);
  const Tensor& weight = context.input(kWeight);
  if (x.rank() != 3 || weight.rank() != 3 || weight.dim(0) != x.dim(1) || weight.dim(1) != 1 ||
      weight.dim(2) < 1)
    context.refuse("input {} and weight {} must be [batch, channels, length] and [channels, 1, k]",
                   to_string(x.dims()), to_string(weight.dims()));
  const int64_t channels = x.dim(1), length = x.dim(2), taps = weight.dim(2), kept = taps - 1;
  if (context.has_input(kBias) && context.input(kBias).dims() != Dims{channels})
    context.refuse("bias {} must be [{}]", to_string(context.input(kBias).dims()), channels);
  const Dims state = {x.dim(0), channels, kept};
  if (context.has_input(kPast) && context.input(kPast).dims() != state)
    context.refuse("past_state {} must be {}", to_string(context.input(kPast).dims()), to_string(state));
  const bool silu = has_silu(context);
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  if (context.wants_output(1)) context.allocate_output(1, x.dtype(), state);
  context.env().parallel_for(x.dim(0) * channels, length * taps, [&](int64_t i, int) {
    std::vector<double> values(static_cast<size_t>(kept + length), 0.0), weights(static_cast<size_t>(taps)),
        results(static_cast<size_t>(length));
    const auto past = std::span(values).first(static_cast<size_t>(kept));
    if (context.has_input(kPast)) load_elements<double>(context.input(kPast), i * kept, 1, past);
    load_elements<double>(x, i * length, 1, std::span(values).subspan(past.size()));
    load_elements<double>(weight, i % channels * taps, 1, weights);
    double bias = 0;
    if (context.has_input(kBias)) load_elements<double>(context.input(kBias), i % channels, 1, {&bias, 1});
    for (size_t t = 0; t < results.size(); ++t) {
      double sum = bias;
      for (size_t k = 0; k < weights.size(); ++k) sum += weights[k] * values[t + k];
      results[t] = silu ? sum / (1.0 + std::exp(-sum)) : sum;
    }
    store_elements<double>(y, i * length, 1, results);
    if (context.wants_output(1))
      store_elements<double>(context.output(1), i * kept, 1, std::span(values).last(past.size()));
  });
}

}  // namespace

// output[b, c, t] = activation(bias[c] + Σ_j weight[c, 0, j] · s[b, c, t + j]), where s is past_state [batch,
// channels, k - 1], zeros by default, followed by input [batch, channels, length]; present_state is the last
// k - 1 of s.
extern constinit const OpSchema kCausalConvWithState = {
    .domain = "",
    .op = "CausalConvWithState",
    .since_version = 27,
    .inputs = {{"input", "T", kFloatTypes},
               {"weight", "T", kFloatTypes},
               {"bias", "T", kFloatTypes, true},
               {"past_state", "T", kFloatTypes, true}},
    .outputs = {{"output", "T", kFloatTypes}, {"present_state", "T", kFloatTypes, true}},
    .attributes = {{"activation", AttributeKind::kString}},
    .infer = infer_causal_conv,
    .reference = causal_conv_reference,
};

}  // namespace oag
