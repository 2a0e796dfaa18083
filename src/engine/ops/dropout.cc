// Dropout: in training, elements left out at random.
#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/random_stream.h"
#include "engine/ops/schema.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

void infer_dropout(InferenceContext& context) {
  context.set_output(0, context.dtype(0), context.type(0).shape);
  context.set_output(1, DType::kBool, context.type(0).shape);
}

double scalar(const KernelContext& context, size_t input, double fallback) {
  if (!context.has_input(input)) return fallback;
  if (context.input(input).count() != 1)
    context.refuse("input {} is {}; it must be one value", input, to_string(context.input(input).dims()));
  double value = 0;
  load_elements<double>(context.input(input), 0, 1, {&value, 1});
  return value;
}

// The same numbers for the same seed, always; other ones each time without.
RandomStream make_stream(const Node& node) {
  if (node.has_attribute("seed")) return RandomStream(static_cast<uint64_t>(node.int_attribute("seed")));
  std::random_device device;
  return RandomStream(device() | static_cast<uint64_t>(device()) << 32);
}

void dropout_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const double ratio = scalar(context, 1, 0.5);
  const bool training = scalar(context, 2, 0) != 0;
  if (!(ratio >= 0 && ratio < 1)) context.refuse("ratio is {}; it must be in [0, 1)", ratio);
  std::span<uint8_t> mask;
  if (context.wants_output(1)) mask = context.allocate_output(1, DType::kBool, x.dims()).values<uint8_t>();
  if (!training || ratio == 0) {
    std::fill(mask.begin(), mask.end(), 1);
    return context.view_output(0, x, x.dims());
  }
  const RandomStream stream = make_stream(context.node());
  const Tensor& y = context.allocate_output(0, x.dtype(), x.dims());
  for_pieces(context.env(), x.count(), 4096, 4, [&](int64_t first, int64_t count) {
    std::vector<double> values(static_cast<size_t>(count));
    load_elements<double>(x, first, 1, values);
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t at = static_cast<size_t>(first) + i;
      const bool kept = stream.uniform(at) >= ratio;
      values[i] = kept ? values[i] / (1 - ratio) : 0;
      if (!mask.empty()) mask[at] = kept ? 1 : 0;
    }
    store_elements<double>(y, first, 1, values);
  });
}

constexpr DTypeSet kDropoutTypes =
    kFloatTypes | DTypeSet{DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ};

}  // namespace

// data, or with training_mode: each element 0 with probability ratio (0.5), else 1 / (1 - ratio) of itself,
// and where that was so.
extern constinit const OpSchema kDropout = {
    .domain = "",
    .op = "Dropout",
    .since_version = 22,
    .inputs = {{"data", "T", kDropoutTypes},
               {"ratio", "T1", kDropoutTypes, true},
               {"training_mode", "T2", {DType::kBool}, true}},
    .outputs = {{"output", "T", kDropoutTypes}, {"mask", "T2", {DType::kBool}, true}},
    .attributes = {{"seed", AttributeKind::kInt}},
    .infer = infer_dropout,
    .reference = dropout_reference,
    .deterministic = false,
};

}  // namespace oag
