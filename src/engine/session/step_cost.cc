#include "engine/session/step_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/ops/attention_sizes.h"
#include "engine/ops/paged_cache.h"

namespace oag {
namespace {

bool is_experts(const Node& node) {
  return node.domain == "oag" && node.op == "ExpertLinear";
}

bool is_attention(const Node& node) {
  return node.domain == "oag" && node.op == "PagedAttention";
}

bool is_streamed_attention(const Node& node) {
  return node.domain.empty() && node.op == "Attention";
}

double bytes_of(const Tensor& tensor) {
  return static_cast<double>(tensor.size_bytes());
}

// x, w, b, w, b, …
StepCost product_cost(const Step& step, const KernelContext& context) {
  StepCost cost;
  if (context.input(0).count() == 0) return cost;
  const auto packed = static_cast<double>(step.kernel->packed_bytes());
  cost.bytes = packed + bytes_of(context.input(0));
  for (size_t i = 1; i < context.input_count(); i += 2) {
    const Tensor &w = context.input(i), &y = context.output((i - 1) / 2);
    if (packed == 0) cost.bytes += bytes_of(w);
    if (context.has_input(i + 1)) cost.bytes += bytes_of(context.input(i + 1));
    cost.bytes += bytes_of(y);
    const double ops = 2 * static_cast<double>(y.count()) * static_cast<double>(w.dims().back());
    (is_block_format(w.dtype()) ? cost.int8_ops : cost.f32_ops) += ops;
  }
  return cost;
}

// x, w, b, ranked, …: rows of both kinds go through one matrix.
StepCost head_cost(const Step& step, const KernelContext& context) {
  const Tensor &w = context.input(1), &x = context.input(0), &ranked = context.input(3);
  StepCost cost;
  if (x.count() + ranked.count() == 0) return cost;
  const auto packed = static_cast<double>(step.kernel->packed_bytes());
  cost.bytes = (packed == 0 ? bytes_of(w) : packed) + bytes_of(x) + bytes_of(ranked);
  for (size_t i = 0; i < step.node->outputs.size(); ++i) cost.bytes += bytes_of(context.output(i));
  const double ops = 2 * static_cast<double>(x.count() + ranked.count()) * static_cast<double>(w.dim(0));
  (is_block_format(w.dtype()) ? cost.int8_ops : cost.f32_ops) += ops;
  return cost;
}

// x, experts, w, w, …: of the matrices those that a token chose are read.
StepCost experts_cost(const Step& step, const KernelContext& context) {
  constexpr size_t kFirstMatrix = 2;
  const Tensor &y = context.output(0), &w = context.input(kFirstMatrix);
  const auto experts = context.input(1).values<int64_t>();
  const std::set<int64_t> chosen(experts.begin(), experts.end());
  const auto packed = static_cast<double>(step.kernel->packed_bytes());
  const auto matrices = static_cast<double>(context.input_count() - kFirstMatrix);
  StepCost cost;
  cost.bytes = static_cast<double>(chosen.size()) * (packed == 0 ? bytes_of(w) : packed / matrices) +
               bytes_of(context.input(0)) + bytes_of(context.input(1)) + bytes_of(y);
  const double ops = 2 * static_cast<double>(y.count()) * static_cast<double>(w.dim(1));
  (is_block_format(w.dtype()) ? cost.int8_ops : cost.f32_ops) += ops;
  return cost;
}

// Reads each sequence's past once, however many of its tokens and heads look at it.
StepCost attention_cost(const KernelContext& context) {
  const PagedCache cache(context.input(3));
  const PagedBatch batch = PagedBatch::read(context);
  const bool causal = context.node().int_attribute("causal", 1) != 0;
  const int64_t window = context.node().int_attribute("window", 0);
  double positions = 0, seen = 0, stored = 0;
  for (const PagedBatch::Sequence& sequence : batch.sequences) {
    int64_t first = sequence.context;
    for (int64_t i = 0; i < sequence.new_tokens; ++i) {
      const int64_t position = sequence.first_position + i;
      const int64_t begin = window > 0 ? std::max<int64_t>(0, position + 1 - window) : 0;
      seen += static_cast<double>((causal ? position + 1 : sequence.context) - begin);
      first = std::min(first, begin);
    }
    positions += static_cast<double>(sequence.context - first);
    stored += static_cast<double>(sequence.new_tokens);
  }
  const Tensor& q = context.input(0);
  StepCost cost;
  const auto position_bytes =
      static_cast<double>(2 * cache.heads) * static_cast<double>(cache.row_size_bytes);
  cost.bytes = bytes_of(q) + bytes_of(context.input(1)) + bytes_of(context.input(2)) +
               bytes_of(context.output(0)) + position_bytes * (positions + stored);
  // Scores, then the weighted sum of values.
  cost.f32_ops = 2 * 2 * seen * static_cast<double>(q.dim(1) * q.dim(2));
  return cost;
}

// ONNX Attention: q, k, v, mask and the past are read once; of keys, those within bounds and window are
// multiplied, whatever a mask hides.
StepCost streamed_attention_cost(const KernelContext& context, StepCost cost) {
  const AttentionSizes sizes(context);
  const auto valid_input = static_cast<size_t>(AttentionInput::kValidKeys);
  const bool padded = valid_input < context.input_count() && context.has_input(valid_input);
  double seen = 0;
  for (int64_t b = 0; b < sizes.batch; ++b) {
    const int64_t keys =
        padded ? context.input(valid_input).values<int64_t>()[static_cast<size_t>(b)] : sizes.keys;
    for (int64_t i = 0; i < sizes.queries; ++i) {
      const int64_t place = i + (padded ? keys - sizes.queries : sizes.past);
      int64_t begin = 0, end = keys;
      if (sizes.causal) end = std::min(end, place + 1);
      if (sizes.right_window >= 0) end = std::min(end, place + sizes.right_window + 1);
      if (sizes.left_window >= 0) begin = std::max<int64_t>(begin, place - sizes.left_window);
      seen += static_cast<double>(std::max<int64_t>(0, end - begin));
    }
  }
  cost.f32_ops = 2 * seen * static_cast<double>(sizes.heads * (sizes.size + sizes.value_size));
  return cost;
}

}  // namespace

bool is_product(const Node& node) {
  return node.domain == "oag" && (node.op == "Linear" || node.op == "MultiLinear");
}

bool is_head(const Node& node) {
  return node.domain == "oag" && node.op == "RankedLinear";
}

StepCost& StepCost::operator+=(const StepCost& other) {
  bytes += other.bytes;
  f32_ops += other.f32_ops;
  int8_ops += other.int8_ops;
  return *this;
}

StepCost step_cost(const Step& step, const KernelContext& context) {
  if (is_product(*step.node)) return product_cost(step, context);
  if (is_head(*step.node)) return head_cost(step, context);
  if (is_experts(*step.node)) return experts_cost(step, context);
  if (is_attention(*step.node)) return attention_cost(context);
  StepCost cost;
  const bool lookup = step.node->op == "Gather" && step.node->domain.empty();
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i)) continue;
    const Tensor& input = context.input(i);
    double bytes = bytes_of(input);
    if (lookup && i == 0) {
      // Only the rows that are looked up are read.
      bytes *= static_cast<double>(context.output(0).count()) /
               static_cast<double>(std::max<int64_t>(1, input.count()));
    }
    cost.bytes += bytes;
  }
  for (size_t o = 0; o < context.output_count(); ++o) {
    if (context.wants_output(o) && context.output(o).defined()) cost.bytes += bytes_of(context.output(o));
  }
  if (is_streamed_attention(*step.node)) return streamed_attention_cost(context, cost);
  return cost;
}

StepKind step_kind(const Program& program, const Step& step) {
  const Graph& graph = program.graph;
  const Node& node = *step.node;
  StepKind kind{node.full_op(), step.kernel_name, "", ""};
  const auto shape_of = [&](ValueId id) { return id == kNoValue ? nullptr : &graph.value(id).type.shape; };
  const auto add_weights = [&](ValueId id) {
    const std::string name(dtype_name(graph.value(id).type.dtype));
    if (kind.weights.find(name) == std::string::npos)
      kind.weights += (kind.weights.empty() ? "" : "+") + name;
  };
  const auto last_dim = [&](ValueId id) {
    const auto* shape = shape_of(id);
    return shape != nullptr && *shape && !(*shape)->empty() ? (*shape)->back().to_string() : "?";
  };
  if (is_product(node)) {
    kind.shape = last_dim(node.inputs[0]) + ">";
    for (size_t i = 1; i < node.inputs.size(); i += 2) {
      add_weights(node.inputs[i]);
      kind.shape += (i > 1 ? "+" : "") + last_dim(node.outputs[(i - 1) / 2]);
    }
  } else if (is_head(node)) {
    add_weights(node.inputs[1]);
    kind.shape = last_dim(node.inputs[0]) + ">" + last_dim(node.outputs[0]);
  } else if (is_attention(node)) {
    add_weights(node.inputs[3]);
    const auto *q = shape_of(node.inputs[0]), *k = shape_of(node.inputs[1]);
    if (*q && *k) {
      kind.shape = fmt::format("{}:{}x{}", (**q)[1].to_string(), (**k)[1].to_string(), (**q)[2].to_string());
    }
  } else {
    if (node.op == "Gather" && node.domain.empty()) add_weights(node.inputs[0]);
    const auto* shape = node.outputs.empty() ? nullptr : shape_of(node.outputs[0]);
    if (shape != nullptr && *shape) kind.shape = to_string(**shape);
  }
  return kind;
}

}  // namespace oag
