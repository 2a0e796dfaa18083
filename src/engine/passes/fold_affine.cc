// BatchNormalization, and Mul, Div, Add and Sub by a constant for each channel, behind a Conv, ConvTranspose
// or Gemm with constant weights -> other weights and another bias. Sums are made in double and rounded once.
#include <algorithm>
#include <cmath>

#include "engine/passes/pass.h"
#include "engine/passes/value_uses.h"

namespace oag {
namespace {

// scale · x + shift, with a value for each channel (dim 1).
struct Affine {
  std::vector<double> scale, shift;

  bool finite() const {
    const auto all_finite = [](const std::vector<double>& values) {
      return std::ranges::all_of(values, [](double v) { return std::isfinite(static_cast<float>(v)); });
    };
    return all_finite(scale) && all_finite(shift);
  }
  void then(const Affine& next) {
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] *= next.scale[c];
      shift[c] = shift[c] * next.scale[c] + next.shift[c];
    }
  }
};

const Tensor* f32_constant(const Graph& graph, ValueId value) {
  if (value == kNoValue) return nullptr;
  const auto& constant = graph.value(value).constant;
  return constant && constant->dtype() == DType::kF32 ? &*constant : nullptr;
}

// A constant that broadcasts along every dim but the channels' of an array of `rank` dims: its value for each
// channel.
std::optional<std::vector<double>> by_channel(const Graph& graph, ValueId value, size_t rank,
                                              size_t channels) {
  const Tensor* constant = f32_constant(graph, value);
  if (constant == nullptr || constant->rank() > rank) return std::nullopt;
  const auto values = constant->values<float>();
  if (values.size() == 1) return std::vector<double>(channels, double{values[0]});
  const size_t behind = rank - 2;  // dims behind the channels
  if (values.size() != channels || constant->rank() <= behind ||
      constant->dim(constant->rank() - 1 - behind) != constant->count())
    return std::nullopt;
  return std::vector<double>(values.begin(), values.end());
}

std::optional<Affine> of_batch_normalization(const Graph& graph, const Node& node, size_t channels) {
  if (node.int_attribute("training_mode", 0) != 0 || node.inputs.size() != 5) return std::nullopt;
  if (std::ranges::any_of(node.outputs.begin() + 1, node.outputs.end(),
                          [](ValueId id) { return id != kNoValue; }))
    return std::nullopt;
  const Tensor* inputs[4];
  for (size_t i = 0; i < 4; ++i) {
    inputs[i] = f32_constant(graph, node.inputs[i + 1]);
    if (inputs[i] == nullptr || inputs[i]->dims() != Dims{static_cast<int64_t>(channels)})
      return std::nullopt;
  }
  const double epsilon = double{node.float_attribute("epsilon", 1e-5f)};
  Affine affine;
  for (size_t c = 0; c < channels; ++c) {
    const auto of = [&](size_t i) { return double{inputs[i]->values<float>()[c]}; };
    affine.scale.push_back(of(0) / std::sqrt(of(3) + epsilon));
    affine.shift.push_back(of(1) - of(2) * affine.scale[c]);
  }
  return affine;
}

// What `node` does to its input x of `rank` dims, where that is an affine function of each channel.
std::optional<Affine> affine_of(const Graph& graph, const Node& node, ValueId x, size_t rank,
                                size_t channels) {
  if (!node.domain.empty()) return std::nullopt;
  const bool first = node.inputs[0] == x;
  if (node.op == "BatchNormalization")
    return first ? of_batch_normalization(graph, node, channels) : std::nullopt;
  const bool is_sum = node.op == "Add" || node.op == "Sub";
  if (!is_sum && node.op != "Mul" && node.op != "Div") return std::nullopt;
  auto values = by_channel(graph, node.inputs[first ? 1 : 0], rank, channels);
  if (!values || (node.op == "Div" && !first)) return std::nullopt;
  const std::vector<double> ones(channels, 1.0), zeros(channels, 0.0);
  if (node.op == "Sub" && !first) return Affine{std::vector<double>(channels, -1.0), *values};
  for (double& value : *values) {
    if (node.op == "Sub") value = -value;
    if (node.op == "Div") value = 1 / value;
  }
  return is_sum ? Affine{ones, *values} : Affine{*values, zeros};
}

// A node whose weights and bias can take an affine function of its output's channels.
class Product {
 public:
  Product(Graph& graph, Node& node) : graph_(graph), node_(node) {
    if (!node.domain.empty() || node.inputs.size() < 2) return;
    const bool is_gemm = node.op == "Gemm";
    if (!is_gemm && node.op != "Conv" && node.op != "ConvTranspose") return;
    const Tensor* w = f32_constant(graph, node.inputs[1]);
    if (w == nullptr || w->count() == 0 || w->rank() < 2 || (is_gemm && w->rank() != 2)) return;
    rank_ = w->rank();
    if (is_gemm) {
      const bool turned = node.int_attribute("transB", 0) != 0;
      channels_ = w->dim(turned ? 0 : 1);
      inner_ = turned ? w->dim(1) : 1;
    } else if (node.op == "Conv") {
      channels_ = w->dim(0);
      inner_ = w->count() / channels_;
    } else {
      groups_ = node.int_attribute("group", 1);
      if (groups_ < 1 || w->dim(0) % groups_ != 0) return;
      channels_ = w->dim(1) * groups_;
      inner_ = w->count() / w->dim(0) / w->dim(1);
    }
    usable_ = read_bias();
  }

  bool usable() const { return usable_; }
  size_t rank() const { return rank_; }
  size_t channels() const { return static_cast<size_t>(channels_); }

  void apply(const Affine& affine) {
    const bool scales = std::ranges::any_of(affine.scale, [](double v) { return v != 1; });
    if (scales) node_.inputs[1] = graph_.add_constant("", scaled(affine));
    Tensor bias = Tensor::host(DType::kF32, {channels_});
    for (size_t c = 0; c < channels(); ++c)
      bias.values<float>()[c] = static_cast<float>(bias_[c] * affine.scale[c] + affine.shift[c]);
    node_.inputs.resize(3, kNoValue);
    node_.inputs[2] = graph_.add_constant("", std::move(bias));
    if (node_.op == "Gemm") node_.attributes.erase("beta");
  }

 private:
  // The bias as a value for each channel; false when it is none.
  bool read_bias() {
    bias_.assign(channels(), 0.0);
    if (node_.inputs.size() < 3 || node_.inputs[2] == kNoValue) return true;
    const bool is_gemm = node_.op == "Gemm";
    const auto given = by_channel(graph_, node_.inputs[2], 2, channels());
    if (!given || (!is_gemm && graph_.value(node_.inputs[2]).constant->dims() != Dims{channels_}))
      return false;
    const double beta = is_gemm ? double{node_.float_attribute("beta", 1.0f)} : 1.0;
    for (size_t c = 0; c < channels(); ++c) bias_[c] = beta == 0 ? 0 : beta * (*given)[c];
    return true;
  }

  size_t channel_of(int64_t i, const Tensor& w) const {
    if (node_.op != "ConvTranspose") return static_cast<size_t>(i / inner_ % channels_);
    const int64_t of_group = w.dim(1), group = i / inner_ / of_group / (w.dim(0) / groups_);
    return static_cast<size_t>(group * of_group + i / inner_ % of_group);
  }
  Tensor scaled(const Affine& affine) const {
    const Tensor& w = *graph_.value(node_.inputs[1]).constant;
    Tensor result = Tensor::host(DType::kF32, w.dims());
    for (int64_t i = 0; i < w.count(); ++i) {
      const auto at = static_cast<size_t>(i);
      result.values<float>()[at] =
          static_cast<float>(double{w.values<float>()[at]} * affine.scale[channel_of(i, w)]);
    }
    return result;
  }

  Graph& graph_;
  Node& node_;
  bool usable_ = false;
  size_t rank_ = 0;
  int64_t channels_ = 0, inner_ = 1, groups_ = 1;
  std::vector<double> bias_;
};

bool fold_affine(Graph& graph, const PassContext&) {
  const ValueUses uses(graph);
  std::vector<bool> gone(graph.nodes.size(), false);
  bool changed = false;
  for (Node& node : graph.nodes) {
    Product product(graph, node);
    if (!product.usable()) continue;
    Affine all = {std::vector<double>(product.channels(), 1.0), std::vector<double>(product.channels(), 0.0)};
    bool found = false;
    for (int user = uses.only_user(node.outputs[0]); user >= 0; user = uses.only_user(node.outputs[0])) {
      const Node& next = graph.nodes[static_cast<size_t>(user)];
      const auto affine = affine_of(graph, next, node.outputs[0], product.rank(), product.channels());
      if (!affine) break;
      Affine joined = all;
      joined.then(*affine);
      if (!joined.finite()) break;
      all = std::move(joined);
      node.outputs[0] = next.outputs[0];
      gone[static_cast<size_t>(user)] = found = true;
    }
    if (found) product.apply(all);
    changed = changed || found;
  }
  if (changed) erase_nodes(graph, gone);
  return changed;
}

}  // namespace

extern constinit const Pass kFoldAffine = {"fold_affine", fold_affine};

}  // namespace oag
