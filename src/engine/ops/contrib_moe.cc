// MoE and QMoE of com.microsoft: each token through the best of several feed-forward layers.
#include "engine/ops/contrib_moe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "engine/ops/element.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

constexpr DTypeSet kRealTypes = {DType::kF32, DType::kF16, DType::kBF16};

// Between a layer's two products.
class ExpertActivation {
 public:
  explicit ExpertActivation(const auto& context)
      : name_(context.node().string_attribute("activation_type", "relu")),
        layout_(context.node().int_attribute("swiglu_fusion", 0)),
        alpha_(context.node().float_attribute("activation_alpha", 1)),
        beta_(context.node().float_attribute("activation_beta", 0)),
        limit_(context.node().float_attribute("swiglu_limit", std::numeric_limits<float>::infinity())),
        limits_result_(context.node().int_attribute("swiglu_limit_after_activation", 0) != 0) {
    if (name_ != "relu" && name_ != "gelu" && name_ != "silu" && name_ != "swiglu" && name_ != "identity")
      context.refuse("activation_type is {}; it must be relu, gelu, silu, swiglu or identity", name_);
    if (layout_ < 0 || layout_ > 2) context.refuse("swiglu_fusion is {}; it must be 0, 1 or 2", layout_);
  }

  // Whether the first weights hold rows of gates and of what they let through.
  bool is_fused() const { return name_ == "swiglu" && layout_ != 0; }
  bool needs_third() const { return name_ == "swiglu" && layout_ == 0; }

  // From the sums of the first weights and, where there are such, of the third ones, to the second's input.
  void apply(std::span<const double> first, std::span<const double> third, std::span<double> out) const {
    const size_t n = out.size();
    for (size_t i = 0; i < n; ++i) {
      if (is_fused()) {
        out[i] = layout_ == 1 ? gated(first[2 * i], first[2 * i + 1]) : gated(first[i], first[n + i]);
      } else if (name_ == "swiglu") {
        out[i] = gated(first[i], third[i]);
      } else {
        out[i] = activated(first[i]) * (third.empty() ? 1 : third[i]);
      }
    }
  }

 private:
  double gated(double gate, double value) const {
    if (!limits_result_) gate = std::min(gate, limit_);
    double open = gate / (1 + std::exp(-alpha_ * gate));
    if (limits_result_) open = std::min(open, limit_);
    return open * (std::clamp(value, -limit_, limit_) + beta_);
  }

  double activated(double x) const {
    if (name_ == "relu") return std::max(x, 0.0);
    if (name_ == "silu") return x / (1 + std::exp(-x));
    if (name_ == "identity") return x;
    constexpr double kCubic = 0.044715;
    const double inner = std::numbers::sqrt2 / std::sqrt(std::numbers::pi) * (x + kCubic * x * x * x);
    return 0.5 * x * (1 + std::tanh(inner));
  }

  std::string name_;
  int64_t layout_;
  double alpha_, beta_, limit_;
  bool limits_result_;
};

// The tokens that go through one expert, and the weights of what it gives.
struct Visitors {
  std::vector<int64_t> tokens;
  std::vector<double> shares;
};

// The k best experts of each token, of equal ones the later; their shares are the softmax of the scores of
// all, or the other input's values, maybe divided by their sum.
std::vector<Visitors> route(const KernelContext& context, int64_t tokens, int64_t experts, size_t weights) {
  const int64_t k = context.node().int_attribute("k", 1);
  if (k < 1 || k > experts) context.refuse("k is {} of {} experts", k, experts);
  const bool normalize = context.node().int_attribute("normalize_routing_weights", 0) != 0;
  std::vector<Visitors> visitors(static_cast<size_t>(experts));
  std::vector<double> scores(visitors.size()), shares(visitors.size());
  std::vector<size_t> order(visitors.size());
  for (int64_t t = 0; t < tokens; ++t) {
    load_elements<double>(context.input(1), t * experts, 1, scores);
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::sort(order, [&](size_t a, size_t b) {
      const double left = std::isnan(scores[a]) ? -std::numeric_limits<double>::infinity() : scores[a],
                   right = std::isnan(scores[b]) ? -std::numeric_limits<double>::infinity() : scores[b];
      return left != right ? left > right : a > b;
    });
    if (context.has_input(weights)) {
      load_elements<double>(context.input(weights), t * experts, 1, shares);
    } else {
      for (size_t e = 0; e < shares.size(); ++e) shares[e] = std::exp(scores[e] - scores[order[0]]);
    }
    const std::span<const size_t> best = std::span(order).first(static_cast<size_t>(k));
    double total = 0;
    if (normalize) {
      for (const size_t e : best) total += shares[e];
    } else {
      total = context.has_input(weights) ? 1 : std::accumulate(shares.begin(), shares.end(), 0.0);
    }
    for (const size_t e : best) {
      visitors[e].tokens.push_back(t);
      visitors[e].shares.push_back(shares[e] / total);
    }
  }
  return visitors;
}

// sums[token][row] = x[token] · row + bias of one expert, for the rows of its weights.
bool multiply(KernelContext& context, const ExpertWeights& weights, int64_t expert, const double* x,
              std::span<const int64_t> places, std::span<double> sums) {
  const auto width = static_cast<size_t>(weights.columns());
  const auto count = static_cast<int64_t>(places.size());
  return context.env().parallel_for(weights.rows(), weights.columns() * (count + 2), [&](int64_t r, int) {
    std::vector<double> row(width);
    weights.load(expert, r, row);
    const double bias = weights.bias(expert, r);
    for (int64_t t = 0; t < count; ++t) {
      const double* values = x + places[static_cast<size_t>(t)] * weights.columns();
      sums[static_cast<size_t>(t * weights.rows() + r)] =
          std::inner_product(row.begin(), row.end(), values, bias);
    }
  });
}

void run_experts(KernelContext& context, const ExpertWeights& first, const ExpertWeights& second,
                 const ExpertWeights* third, size_t router_weights) {
  const Tensor& in = context.input(0);
  const ExpertActivation activation(context);
  const int64_t width = in.dims().back(), inter = second.columns();
  const int64_t tokens = width == 0 ? 0 : in.count() / width, experts = first.experts();
  for (const size_t i : {size_t{1}, router_weights}) {
    if (context.has_input(i) && context.input(i).dims() != Dims{tokens, experts})
      context.refuse("input {} {} must be [{}, {}]", i, to_string(context.input(i).dims()), tokens, experts);
  }
  if (activation.needs_third() && third == nullptr)
    context.refuse("swiglu with swiglu_fusion 0 needs the weights fc3");
  if (activation.is_fused() && third != nullptr) context.refuse("fused weights leave nothing to fc3");
  if (first.columns() != width || second.rows() != width || second.experts() != experts ||
      first.rows() != inter * (activation.is_fused() ? 2 : 1) ||
      (third != nullptr &&
       (third->experts() != experts || third->rows() != inter || third->columns() != width)))
    context.refuse("weights of {} and {} do not fit each other and the input {}", to_string(first.dims()),
                   to_string(second.dims()), to_string(in.dims()));
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  const std::span<double> x = widened(context.env(), in);
  if (context.env().should_stop()) return;
  std::vector<double> sums(x.size(), 0.0);
  const std::vector<Visitors> visitors = route(context, tokens, experts, router_weights);
  for (int64_t e = 0; e < experts; ++e) {
    const Visitors& visiting = visitors[static_cast<size_t>(e)];
    const size_t count = visiting.tokens.size();
    if (count == 0) continue;
    const auto room = [&](int64_t each) { return std::vector<double>(count * static_cast<size_t>(each)); };
    std::vector<double> opened = room(first.rows()), hidden = room(inter), made = room(width),
                        other = third != nullptr ? room(inter) : std::vector<double>();
    if (!multiply(context, first, e, x.data(), visiting.tokens, opened)) return;
    if (third != nullptr && !multiply(context, *third, e, x.data(), visiting.tokens, other)) return;
    std::vector<int64_t> slots(count);
    std::iota(slots.begin(), slots.end(), int64_t{0});
    const auto n = static_cast<size_t>(inter);
    for (size_t t = 0; t < count; ++t) {
      const size_t opened_width = opened.size() / count;
      activation.apply(std::span(opened).subspan(t * opened_width, opened_width),
                       other.empty() ? std::span<double>() : std::span(other).subspan(t * n, n),
                       std::span(hidden).subspan(t * n, n));
    }
    if (!multiply(context, second, e, hidden.data(), slots, made)) return;
    const auto row = static_cast<size_t>(width);
    for (size_t t = 0; t < count; ++t) {
      for (size_t i = 0; i < row; ++i)
        sums[static_cast<size_t>(visiting.tokens[t]) * row + i] += visiting.shares[t] * made[t * row + i];
    }
  }
  store_elements<double>(out, 0, 1, sums);
}

void infer_experts(InferenceContext& context) {
  const ExpertActivation activation(context);
  if (context.node().int_attribute("use_sparse_mixer", 0) != 0)
    context.refuse("use_sparse_mixer is not supported");
  if (context.has_shape(0) && context.shape(0).size() != 2 && context.shape(0).size() != 3)
    context.refuse("input {} must have 2 or 3 dims", to_string(context.shape(0)));
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

void infer_quantized_experts(InferenceContext& context) {
  const std::string kind = context.node().string_attribute("quant_type", "int");
  if (kind != "int") context.refuse("quant_type is {}; int is supported", kind);
  if (context.node().int_attribute("weights_prepacked", 0) > 0)
    context.refuse("prepacked weights cannot be read");
  infer_experts(context);
}

// Experts' weights as they are.
class PlainExperts : public ExpertWeights {
 public:
  PlainExperts(const KernelContext& context, size_t weights, size_t biases)
      : ExpertWeights(context, weights, biases, 1) {}

  void load(int64_t expert, int64_t row, std::span<double> out) const override {
    load_elements<double>(tensor(), (expert * rows() + row) * columns(), 1, out);
  }
};

void experts_reference(KernelContext& context) {
  if (context.input(0).rank() != 2 && context.input(0).rank() != 3)
    context.refuse("input {} must have 2 or 3 dims", to_string(context.input(0).dims()));
  const PlainExperts first(context, 2, 3), second(context, 4, 5);
  std::optional<PlainExperts> third;
  if (context.has_input(6)) third.emplace(context, 6, 7);
  run_experts(context, first, second, third ? &*third : nullptr, context.input_count());
}

void quantized_experts_reference(KernelContext& context) {
  if (context.input(0).rank() != 2 && context.input(0).rank() != 3)
    context.refuse("input {} must have 2 or 3 dims", to_string(context.input(0).dims()));
  const PackedExperts first(context, {2, 3, 4, 11, "fc1_expert_weight_bits"}),
      second(context, {5, 6, 7, 12, "fc2_expert_weight_bits"});
  std::optional<PackedExperts> third;
  if (context.has_input(8)) third.emplace(context, PackedInputs{8, 9, 10, 13, "fc3_expert_weight_bits"});
  run_experts(context, first, second, third ? &*third : nullptr, 14);
}

}  // namespace

// Of the k best experts by router_probs, Σ share · (fc2 · activation(fc1 · x)). Of swiglu the first weights
// hold gates and values by turns (swiglu_fusion 1), one after the other (2), or fc3 has the values (0).
extern constinit const OpSchema kMicrosoftMoE = {
    .domain = "com.microsoft",
    .op = "MoE",
    .since_version = 1,
    .inputs = {{"input", "T", kRealTypes},
               {"router_probs", "T", kRealTypes},
               {"fc1_experts_weights", "T", kRealTypes},
               {"fc1_experts_bias", "T", kRealTypes, true},
               {"fc2_experts_weights", "T", kRealTypes},
               {"fc2_experts_bias", "T", kRealTypes, true},
               {"fc3_experts_weights", "T", kRealTypes, true},
               {"fc3_experts_bias", "T", kRealTypes, true}},
    .outputs = {{"output", "T", kRealTypes}},
    .attributes = {{"activation_alpha", AttributeKind::kFloat},
                   {"activation_beta", AttributeKind::kFloat},
                   {"activation_type", AttributeKind::kString},
                   {"k", AttributeKind::kInt},
                   {"normalize_routing_weights", AttributeKind::kInt},
                   {"swiglu_fusion", AttributeKind::kInt},
                   {"swiglu_limit", AttributeKind::kFloat},
                   {"swiglu_limit_after_activation", AttributeKind::kInt},
                   {"use_sparse_mixer", AttributeKind::kInt}},
    .infer = infer_experts,
    .reference = experts_reference,
};

// The same with weights of 2, 4 or 8 bits, (code - zero point) · scale by row, or by block_size columns of
// it.
extern constinit const OpSchema kMicrosoftQMoE = {
    .domain = "com.microsoft",
    .op = "QMoE",
    .since_version = 1,
    .inputs = {{"input", "T", kRealTypes},
               {"router_probs", "T", kRealTypes},
               {"fc1_experts_weights", "T1", {DType::kU8}},
               {"fc1_scales", "T2", kRealTypes},
               {"fc1_experts_bias", "T", kRealTypes, true},
               {"fc2_experts_weights", "T1", {DType::kU8}},
               {"fc2_scales", "T2", kRealTypes},
               {"fc2_experts_bias", "T", kRealTypes, true},
               {"fc3_experts_weights", "T1", {DType::kU8}, true},
               {"fc3_scales", "T2", kRealTypes, true},
               {"fc3_experts_bias", "T", kRealTypes, true},
               {"fc1_zero_points", "T1", {DType::kU8}, true},
               {"fc2_zero_points", "T1", {DType::kU8}, true},
               {"fc3_zero_points", "T1", {DType::kU8}, true},
               {"router_weights", "T", kRealTypes, true}},
    .outputs = {{"output", "T", kRealTypes}},
    .attributes = {{"accuracy_level", AttributeKind::kInt},
                   {"activation_alpha", AttributeKind::kFloat},
                   {"activation_beta", AttributeKind::kFloat},
                   {"activation_type", AttributeKind::kString},
                   {"block_size", AttributeKind::kInt},
                   {"expert_weight_bits", AttributeKind::kInt},
                   {"fc1_expert_weight_bits", AttributeKind::kInt},
                   {"fc2_expert_weight_bits", AttributeKind::kInt},
                   {"fc3_expert_weight_bits", AttributeKind::kInt},
                   {"k", AttributeKind::kInt},
                   {"normalize_routing_weights", AttributeKind::kInt},
                   {"quant_type", AttributeKind::kString},
                   {"swiglu_fusion", AttributeKind::kInt},
                   {"swiglu_limit", AttributeKind::kFloat},
                   {"swiglu_limit_after_activation", AttributeKind::kInt},
                   {"use_sparse_mixer", AttributeKind::kInt},
                   {"weights_prepacked", AttributeKind::kInt}},
    .infer = infer_quantized_experts,
    .reference = quantized_experts_reference,
};

}  // namespace oag
