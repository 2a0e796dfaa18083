// Softmax, LogSoftmax and Hardmax along one axis.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/half_steps.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

void infer_softmax(InferenceContext& context) {
  if (context.has_shape(0)) {
    normalize_axis(context, context.node().int_attribute("axis", -1), context.shape(0).size());
  }
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

// A lane of only -inf has no softmax: NaN, as the formula gives.
template <bool kLog>
void softmax_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", -1), in.rank());
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  if (out.count() == 0) return;
  const Lanes lanes(in.dims(), axis);
  context.env().parallel_for(lanes.count, 20 * lanes.length, [&](int64_t lane, int) {
    std::vector<double> values(static_cast<size_t>(lanes.length));
    load_elements<double>(in, lanes.start(lane), lanes.step, values);
    const double top = *std::max_element(values.begin(), values.end());
    const auto step = [&](double value) { return after_step(in.dtype(), value); };
    double total = 0;
    for (double& value : values) {
      value = step(value - top);
      total += step(std::exp(value));
    }
    total = step(kLog ? std::log(step(total)) : total);
    for (double& value : values) value = kLog ? value - total : step(std::exp(value)) / total;
    store_elements<double>(out, lanes.start(lane), lanes.step, values);
  });
}

// 1 where the first largest element is, NaN above all, 0 elsewhere.
void hardmax_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", -1), in.rank());
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  if (out.count() == 0) return;
  const Lanes lanes(in.dims(), axis);
  context.env().parallel_for(lanes.count, 2 * lanes.length, [&](int64_t lane, int) {
    std::vector<double> values(static_cast<size_t>(lanes.length));
    load_elements<double>(in, lanes.start(lane), lanes.step, values);
    size_t best = 0;
    for (size_t i = 1; i < values.size(); ++i) {
      if (values[i] > values[best] || (std::isnan(values[i]) && !std::isnan(values[best]))) best = i;
    }
    std::fill(values.begin(), values.end(), 0.0);
    values[best] = 1;
    store_elements<double>(out, lanes.start(lane), lanes.step, values);
  });
}

constexpr OpSchema softmax(std::string_view op, KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 13,
          .inputs = {{"input", "T", kFloatTypes}},
          .outputs = {{"output", "T", kFloatTypes}},
          .attributes = {{"axis", AttributeKind::kInt}},
          .infer = infer_softmax,
          .reference = reference};
}

}  // namespace

// exp(x) / Σ exp(x) along `axis` (-1), its logarithm, and what it would be if one element were infinitely
// larger.
extern constinit const OpSchema kSoftmax = softmax("Softmax", softmax_reference<false>);
extern constinit const OpSchema kLogSoftmax = softmax("LogSoftmax", softmax_reference<true>);
extern constinit const OpSchema kHardmax = softmax("Hardmax", hardmax_reference);

}  // namespace oag
