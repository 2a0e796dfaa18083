// The layers of a DecoderGraph that are mixtures of experts. Routing: GLM-4.5 (Zeng et al. 2025) after
// DeepSeek-V3 (DeepSeek-AI 2024), section 2.1.
#include <limits>
#include <vector>

#include "llm/models/decoder_graph.h"

namespace oag {

ValueId DecoderGraph::scalar(std::string_view name, float value) {
  return constant(name, Tensor::of<float>(DType::kF32, {1}, {&value, 1}));
}

// Of the `count` largest values along the last axis: the values (output 0) or their places (1).
ValueId DecoderGraph::top(ValueId x, int64_t count, size_t output) {
  const ValueId wanted = ints("top." + std::to_string(count), {count});
  return graph_.add_node("", "TopK", {x, wanted}, {}, 2).outputs[output];
}

// Scores [T, experts] with -inf for experts outside a token's best groups. A group is as good as its two best
// experts together.
ValueId DecoderGraph::keep_best_groups(ValueId scores) {
  const int64_t groups = config_.experts.groups, each = config_.experts.count / groups;
  const ValueId by_group = reshape(scores, {-1, groups, each}), last = ints("axis.last", {-1});
  const ValueId group_scores =
      graph_.add("", "ReduceSum", {top(by_group, 2, 0), last}, {{"keepdims", int64_t{0}}});
  const ValueId chosen =
      graph_.add("", "Unsqueeze", {top(group_scores, config_.experts.groups_used, 1), ints("axis.1", {1})});
  std::vector<int64_t> numbers;
  for (int64_t group = 0; group < groups; ++group) numbers.push_back(group);
  const ValueId all = constant("group_numbers", Tensor::of<int64_t>(DType::kI64, {groups, 1}, numbers));
  // [T, groups, chosen], then whether any is equal.
  const ValueId equal =
      graph_.add("", "Cast", {graph_.add("", "Equal", {all, chosen})}, {{"to", int64_t{1}}});
  const ValueId any = graph_.add("", "ReduceMax", {equal, last}, {{"keepdims", int64_t{1}}});
  const ValueId is_kept = graph_.add("", "Cast", {any}, {{"to", int64_t{9}}});
  const ValueId nothing = scalar("no_score", -std::numeric_limits<float>::infinity());
  return reshape(graph_.add("", "Where", {is_kept, by_group, nothing}), {-1, config_.experts.count});
}

// Experts are chosen by sigmoid scores plus a correction of each, and weighed by the scores alone.
DecoderGraph::Routing DecoderGraph::route(int64_t layer, ValueId x) {
  const ExpertConfig& experts = config_.experts;
  const ValueId logits =
      linear(x, layer_tensor("blk", layer, "ffn_gate_inp"), experts.count, config_.hidden_size);
  const ValueId scores = graph_.add("", "Sigmoid", {logits});
  ValueId choice = scores;
  const std::string correction = layer_tensor("blk", layer, "exp_probs_b.bias");
  if (auto stored = weights_.find(correction, {experts.count}))
    choice = add(scores, vector(correction, *std::move(stored)));
  if (experts.groups > 1) choice = keep_best_groups(choice);
  const ValueId chosen = top(choice, experts.used, 1);
  ValueId weights = graph_.add("", "GatherElements", {scores, chosen}, {{"axis", int64_t{1}}});
  if (experts.normed) {
    const ValueId sum =
        graph_.add("", "ReduceSum", {weights, ints("axis.last", {-1})}, {{"keepdims", int64_t{1}}});
    weights = graph_.add("", "Div", {weights, add(sum, scalar("least_sum", 1e-20f))});
  }
  if (experts.scale != 1)
    weights = graph_.add("", "Mul", {weights, scalar("expert_scale", static_cast<float>(experts.scale))});
  return {chosen, weights};
}

ValueId DecoderGraph::expert_linear(ValueId x, ValueId experts, const std::string& tensor, int64_t outputs,
                                    int64_t inputs) {
  std::vector<ValueId> operands = {x, experts};
  int64_t expert = 0;
  for (Tensor& matrix : weights_.get_stack(tensor, config_.experts.count, {outputs, inputs}))
    operands.push_back(constant(tensor + "." + std::to_string(expert++), std::move(matrix)));
  return graph_.add("oag", "ExpertLinear", std::move(operands), {}, tensor);
}

ValueId DecoderGraph::expert_feed_forward(int64_t layer, ValueId x) {
  const ExpertConfig& config = config_.experts;
  const int64_t hidden = config_.hidden_size;
  const Routing routing = route(layer, x);
  const auto product = [&](ValueId rows, const char* name, int64_t outputs, int64_t inputs) {
    return expert_linear(rows, routing.experts, layer_tensor("blk", layer, name), outputs, inputs);
  };
  const ValueId gate = product(x, "ffn_gate_exps", config.ffn_size, hidden);
  const ValueId up = product(x, "ffn_up_exps", config.ffn_size, hidden);
  const ValueId down = product(gated(gate, up), "ffn_down_exps", hidden, config.ffn_size);
  const ValueId weights = reshape(routing.weights, {-1, 1, config.used});
  const ValueId sum = reshape(graph_.add("", "MatMul", {weights, down}), {-1, hidden});
  if (config.shared == 0) return sum;
  return add(sum, gated_feed_forward(layer, x, config.shared * config.ffn_size, "_shexp"));
}

}  // namespace oag
