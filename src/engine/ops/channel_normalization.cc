// BatchNormalization, InstanceNormalization and GroupNormalization of [N, C, spatial…].
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments_of(std::span<const double> values) {
  Moments moments;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) moments.mean += value;
  moments.mean /= count;
  for (const double value : values) moments.variance += (value - moments.mean) * (value - moments.mean);
  moments.variance /= count;
  return moments;
}

// Inputs from `first` to `last` have one value for each channel.
template <typename Context, typename DimList>
void check_channels(const Context& context, const DimList& x, size_t first, size_t last) {
  if (x.size() < 2) context.refuse("X {} must be [N, C, spatial …]", to_string(x));
  for (size_t i = first; i <= last; ++i) {
    bool fits = true;
    if constexpr (std::is_same_v<DimList, Dims>) {
      fits = context.input(i).dims() == Dims{x[1]};
    } else {
      fits = !context.has_shape(i) ||
             (context.shape(i).size() == 1 &&
              (!x[1].is_constant() || !context.shape(i)[0].is_constant() || x[1] == context.shape(i)[0]));
    }
    if (!fits) context.refuse("input {} must have one value for each channel of X {}", i, to_string(x));
  }
}

std::vector<double> channel_values(const KernelContext& context, size_t input) {
  std::vector<double> values(static_cast<size_t>(context.input(input).count()));
  load_elements<double>(context.input(input), 0, 1, values);
  return values;
}

// y = x · factor + shift on a plane of one channel.
void scale_plane(const Tensor& x, const Tensor& y, int64_t start, int64_t length, double mean, double factor,
                 double shift) {
  std::vector<double> plane(static_cast<size_t>(length));
  load_elements<double>(x, start, 1, plane);
  for (double& value : plane) value = (value - mean) * factor + shift;
  store_elements<double>(y, start, 1, plane);
}

// --- BatchNormalization

enum BatchInput : size_t { kX, kScale, kBias, kMean, kVariance };

void infer_batch(InferenceContext& context) {
  const bool training = context.node().int_attribute("training_mode", 0) != 0;
  for (size_t i = 1; i < context.output_count() && !training; ++i) {
    if (context.node().outputs[i] != kNoValue)
      context.refuse("has statistics as outputs, but training_mode is 0");
  }
  context.set_output(0, context.dtype(kX), context.type(kX).shape);
  std::optional<Shape> channels;
  if (context.has_shape(kX) && context.shape(kX).size() > 1) {
    check_channels(context, context.shape(kX), kScale, kVariance);
    channels = {context.shape(kX)[1]};
  }
  context.set_output(1, context.dtype(kMean), channels);
  context.set_output(2, context.dtype(kVariance), std::move(channels));
}

// Over all elements of each channel.
std::vector<Moments> batch_moments(const KernelContext& context, int64_t length) {
  const Tensor& x = context.input(kX);
  std::vector<Moments> moments(static_cast<size_t>(x.dim(1)));
  context.env().parallel_for(x.dim(1), 4 * x.dim(0) * length, [&](int64_t c, int) {
    std::vector<double> values(static_cast<size_t>(x.dim(0) * length));
    for (int64_t n = 0; n < x.dim(0); ++n)
      load_elements<double>(
          x, (n * x.dim(1) + c) * length, 1,
          std::span(values).subspan(static_cast<size_t>(n * length), static_cast<size_t>(length)));
    moments[static_cast<size_t>(c)] = moments_of(values);
  });
  return moments;
}

void store_running(const KernelContext& context, size_t output, size_t input, std::span<const double> now,
                   std::span<const double> seen) {
  if (!context.wants_output(output)) return;
  const double momentum = context.node().float_attribute("momentum", 0.9f);
  std::vector<double> running(now.size());
  for (size_t c = 0; c < now.size(); ++c) running[c] = now[c] * momentum + seen[c] * (1 - momentum);
  store_elements<double>(
      context.allocate_output(output, context.input(input).dtype(), context.input(input).dims()), 0, 1,
      running);
}

void batch_reference(KernelContext& context) {
  const Tensor& x = context.input(kX);
  // A batch of single values is one channel.
  if (x.rank() != 1) check_channels(context, x.dims(), kScale, kVariance);
  const int64_t channels = x.rank() == 1 ? 1 : x.dim(1);
  const int64_t length = channels == 0 || x.dim(0) == 0 ? 0 : x.count() / (x.dim(0) * channels);
  const auto scale = channel_values(context, kScale), bias = channel_values(context, kBias);
  auto mean = channel_values(context, kMean), variance = channel_values(context, kVariance);
  if (static_cast<int64_t>(std::min({scale.size(), bias.size(), mean.size(), variance.size()})) < channels)
    context.refuse("scale, bias, mean and variance must have {} values", channels);
  if (context.node().int_attribute("training_mode", 0) != 0) {
    if (x.rank() < 2) context.refuse("X {} must be [N, C, spatial …] in training", to_string(x.dims()));
    const std::vector<Moments> moments = batch_moments(context, length);
    std::vector<double> seen_mean, seen_variance;
    for (const Moments& channel : moments) {
      seen_mean.push_back(channel.mean);
      seen_variance.push_back(channel.variance);
    }
    store_running(context, 1, kMean, mean, seen_mean);
    store_running(context, 2, kVariance, variance, seen_variance);
    mean = std::move(seen_mean);
    variance = std::move(seen_variance);
  }
  const double epsilon = context.node().float_attribute("epsilon", 1e-5f);
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  if (y.count() == 0) return;
  context.env().parallel_for(x.dim(0) * channels, 2 * length, [&](int64_t i, int) {
    const auto c = static_cast<size_t>(i % channels);
    scale_plane(x, y, i * length, length, mean[c], scale[c] / std::sqrt(variance[c] + epsilon), bias[c]);
  });
}

// --- InstanceNormalization, GroupNormalization

void infer_affine(InferenceContext& context) {
  if (context.has_shape(0)) check_channels(context, context.shape(0), 1, 2);
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

// Groups of `members` channels are normalised together, then scaled and shifted channel by channel.
void normalise_groups(KernelContext& context, int64_t members) {
  const Tensor& x = context.input(0);
  const auto scale = channel_values(context, 1), bias = channel_values(context, 2);
  const double epsilon = context.node().float_attribute("epsilon", 1e-5f);
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  if (y.count() == 0) return;
  const int64_t channels = x.dim(1), length = x.count() / (x.dim(0) * channels), groups = channels / members;
  context.env().parallel_for(x.dim(0) * groups, 6 * members * length, [&](int64_t i, int) {
    std::vector<double> values(static_cast<size_t>(members * length));
    load_elements<double>(x, i * members * length, 1, values);
    const Moments moments = moments_of(values);
    const double inverse = 1.0 / std::sqrt(moments.variance + epsilon);
    for (int64_t m = 0; m < members; ++m) {
      const auto c = static_cast<size_t>(i % groups * members + m);
      for (double& value :
           std::span(values).subspan(static_cast<size_t>(m * length), static_cast<size_t>(length)))
        value = (value - moments.mean) * inverse * scale[c] + bias[c];
    }
    store_elements<double>(y, i * members * length, 1, values);
  });
}

void instance_reference(KernelContext& context) {
  check_channels(context, context.input(0).dims(), 1, 2);
  normalise_groups(context, 1);
}

void group_reference(KernelContext& context) {
  const Dims& x = context.input(0).dims();
  check_channels(context, x, 1, 2);
  const int64_t groups = context.node().int_attribute("num_groups");
  if (groups < 1 || x[1] % groups != 0) context.refuse("{} groups do not divide {} channels", groups, x[1]);
  normalise_groups(context, std::max<int64_t>(1, x[1] / groups));
}

constexpr AttributeSpec kEpsilon = {"epsilon", AttributeKind::kFloat};

}  // namespace

// Y = (X - mean) / sqrt(variance + epsilon) · scale + B for each channel, with the moments that are given, or
// with those of X (training_mode), which then move input_mean and input_var by 1 - momentum.
extern constinit const OpSchema kBatchNormalization = {
    .domain = "",
    .op = "BatchNormalization",
    .since_version = 15,
    .inputs = {{"X", "T", kFloatTypes},
               {"scale", "T1", kFloatTypes},
               {"B", "T1", kFloatTypes},
               {"input_mean", "T2", kFloatTypes},
               {"input_var", "T2", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes},
                {"running_mean", "T2", kFloatTypes, true},
                {"running_var", "T2", kFloatTypes, true}},
    .attributes = {kEpsilon, {"momentum", AttributeKind::kFloat}, {"training_mode", AttributeKind::kInt}},
    .infer = infer_batch,
    .reference = batch_reference,
};

// The same with the moments of each plane, and of each group of channels of an image.
extern constinit const OpSchema kInstanceNormalization = {
    .domain = "",
    .op = "InstanceNormalization",
    .since_version = 22,
    .inputs = {{"input", "T", kFloatTypes}, {"scale", "T", kFloatTypes}, {"B", "T", kFloatTypes}},
    .outputs = {{"output", "T", kFloatTypes}},
    .attributes = {kEpsilon},
    .infer = infer_affine,
    .reference = instance_reference,
};
extern constinit const OpSchema kGroupNormalization = {
    .domain = "",
    .op = "GroupNormalization",
    .since_version = 21,
    .inputs = {{"X", "T", kFloatTypes}, {"scale", "T", kFloatTypes}, {"bias", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {kEpsilon, {"num_groups", AttributeKind::kInt, true}, {"stash_type", AttributeKind::kInt}},
    .infer = infer_affine,
    .reference = group_reference,
};

}  // namespace oag
