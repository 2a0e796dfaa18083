// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

enum class Reduction { kNone, kSum, kMean };

template <typename Context>
Reduction read_reduction(const Context& context) {
  const std::string reduction = context.node().string_attribute("reduction", "mean");
  if (reduction == "none") return Reduction::kNone;
  if (reduction == "sum") return Reduction::kSum;
  if (reduction == "mean") return Reduction::kMean;
  context.refuse("reduction is \"{}\"; it must be none, sum or mean", reduction);
}

void infer_loss(InferenceContext& context) {
  const bool kept = read_reduction(context) == Reduction::kNone;
  if (context.has_shape(0) && context.shape(0).size() < 2)
    context.refuse("scores {} must be [N, C, …]", to_string(context.shape(0)));
  context.set_output(0, context.dtype(0), kept ? context.type(1).shape : std::optional<Shape>(Shape{}));
  context.set_output(1, context.dtype(0), context.type(0).shape);
}

// Labels [N, …] checked against scores [N, C, …].
struct Labels {
  explicit Labels(const KernelContext& context)
      : lanes(context.input(0).dims(), 1), values(read_integers(context.input(1))) {
    const Tensor& scores = context.input(0);
    Dims wanted = scores.dims();
    wanted.erase(wanted.begin() + 1);
    const int64_t classes = scores.dim(1);
    if (context.input(1).dims() != wanted)
      context.refuse("labels {} must be {} for scores {}", to_string(context.input(1).dims()),
                     to_string(wanted), to_string(scores.dims()));
    if (context.has_input(2) && context.input(2).dims() != Dims{classes})
      context.refuse("weight {} must be [{}]", to_string(context.input(2).dims()), classes);
    weights.assign(static_cast<size_t>(classes), 1.0);
    if (context.has_input(2)) load_elements<double>(context.input(2), 0, 1, weights);
    if (context.node().has_attribute("ignore_index")) ignored = context.node().int_attribute("ignore_index");
    for (const int64_t label : values) {
      if (label != ignored && (label < 0 || label >= classes))
        context.refuse("label {} is outside the {} classes", label, classes);
    }
  }

  double weight(size_t lane) const {
    return values[lane] == ignored ? 0.0 : weights[static_cast<size_t>(values[lane])];
  }

  Lanes lanes;
  std::vector<int64_t> values;  // by lane
  std::vector<double> weights;
  std::optional<int64_t> ignored;
};

void check_rank(const KernelContext& context) {
  if (context.input(0).rank() < 2)
    context.refuse("scores {} must be [N, C, …]", to_string(context.input(0).dims()));
}

// Stores what is asked for of losses [lanes], which have their weights in them.
void store_losses(const KernelContext& context, const Labels& labels, std::span<const double> losses) {
  const Reduction reduction = read_reduction(context);
  const DType dtype = context.input(0).dtype();
  if (reduction == Reduction::kNone) {
    store_elements<double>(context.allocate_output(0, dtype, context.input(1).dims()), 0, 1, losses);
    return;
  }
  double sum = 0, weight = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    sum += losses[i];
    weight += labels.weight(i);
  }
  if (reduction == Reduction::kMean) sum /= weight;
  store_elements<double>(context.allocate_output(0, dtype, {}), 0, 1, {&sum, 1});
}

void likelihood_reference(KernelContext& context) {
  check_rank(context);
  const Labels labels(context);
  std::vector<double> losses(labels.values.size(), 0.0);
  for_pieces(context.env(), labels.lanes.count, 1024, 4, [&](int64_t first, int64_t count) {
    for (int64_t lane = first; lane < first + count; ++lane) {
      const auto i = static_cast<size_t>(lane);
      if (labels.values[i] == labels.ignored) continue;
      double score = 0;
      load_elements<double>(context.input(0), labels.lanes.start(lane) + labels.values[i] * labels.lanes.step,
                            1, {&score, 1});
      losses[i] = -score * labels.weight(i);
    }
  });
  store_losses(context, labels, losses);
}

void cross_entropy_reference(KernelContext& context) {
  check_rank(context);
  const Labels labels(context);
  const Tensor& scores = context.input(0);
  if (context.wants_output(1)) context.allocate_output(1, scores.dtype(), scores.dims());
  std::vector<double> losses(labels.values.size(), 0.0);
  const Lanes& lanes = labels.lanes;
  context.env().parallel_for(
      scores.count() == 0 ? 0 : lanes.count, 20 * lanes.length, [&](int64_t lane, int) {
        std::vector<double> values(static_cast<size_t>(lanes.length));
        load_elements<double>(scores, lanes.start(lane), lanes.step, values);
        const double top = *std::max_element(values.begin(), values.end());
        double total = 0;
        for (const double value : values) total += std::exp(value - top);
        for (double& value : values) value -= top + std::log(total);
        if (context.wants_output(1))
          store_elements<double>(context.output(1), lanes.start(lane), lanes.step, values);
        const auto i = static_cast<size_t>(lane);
        if (labels.values[i] != labels.ignored)
          losses[i] = -values[static_cast<size_t>(labels.values[i])] * labels.weight(i);
      });
  store_losses(context, labels, losses);
}

constexpr DTypeSet kLabelTypes = {DType::kI32, DType::kI64};
constexpr FixedList<AttributeSpec, 24> kLossAttributes = {{"ignore_index", AttributeKind::kInt},
                                                          {"reduction", AttributeKind::kString}};

}  // namespace

// -weight[label] · input[n, label, …] for each label of target [N, …] but ignore_index, then their sum, or
// (mean) that over the sum of the weights.
extern constinit const OpSchema kNegativeLogLikelihoodLoss = {
    .domain = "",
    .op = "NegativeLogLikelihoodLoss",
    .since_version = 22,
    .inputs = {{"input", "T", kFloatTypes},
               {"target", "Tind", kLabelTypes},
               {"weight", "T", kFloatTypes, true}},
    .outputs = {{"loss", "T", kFloatTypes}},
    .attributes = kLossAttributes,
    .infer = infer_loss,
    .reference = likelihood_reference,
};

// The same of log softmax of the scores along dim 1, which is the second output.
extern constinit const OpSchema kSoftmaxCrossEntropyLoss = {
    .domain = "",
    .op = "SoftmaxCrossEntropyLoss",
    .since_version = 13,
    .inputs = {{"scores", "T", kFloatTypes},
               {"labels", "Tind", kLabelTypes},
               {"weights", "T", kFloatTypes, true}},
    .outputs = {{"output", "T", kFloatTypes}, {"log_prob", "T", kFloatTypes, true}},
    .attributes = kLossAttributes,
    .infer = infer_loss,
    .reference = cross_entropy_reference,
};

}  // namespace oag
