// What older exporters write for activations -> the activation:
//   x · Clip(x + 3, 0, 6) / 6, x · HardSigmoid(x, 1/6, 1/2) -> HardSwish(x)
//   x · Sigmoid(x)                                          -> Swish(x)
//   x · (Erf(x / √2) + 1) / 2                               -> Gelu(x)
// with factors in any order. f32 alone: in narrower types the steps between round.
#include <cmath>
#include <numbers>

#include "engine/passes/pass.h"
#include "engine/passes/value_uses.h"

namespace oag {
namespace {

bool is_near(double value, double wanted) {
  return std::abs(value - wanted) <= 2e-6 * std::abs(wanted);
}

class ActivationFinder {
 public:
  explicit ActivationFinder(const Graph& graph) : graph_(graph), uses_(graph) {}

  struct Found {
    const char* op = nullptr;
    ValueId x = kNoValue;
  };
  Found find(const Node& root) const {
    Factors factors;
    multiply_out(root, factors, 0);
    if (factors.count != 2) return {};
    for (size_t i = 0; i < 2; ++i) {
      const ValueId x = factors.values[i];
      if (!has_type_of(x, root.outputs[0])) continue;
      if (const char* op = activation(x, factors.values[1 - i], factors.number); op != nullptr)
        return {op, x};
    }
    return {};
  }

 private:
  // A product of values and of numbers.
  struct Factors {
    ValueId values[3];
    size_t count = 0;  // of values; above 2 there may be more
    double number = 1;

    void add(ValueId value) {
      if (count < 3) values[count++] = value;
    }
  };

  // The node that makes the value, if it is one of ai.onnx and nobody else uses the value.
  const Node* maker(ValueId value, std::string_view op) const {
    if (value == kNoValue || uses_.only_user(value) < 0 || uses_.producer(value) < 0) return nullptr;
    const Node& node = graph_.nodes[static_cast<size_t>(uses_.producer(value))];
    return node.domain.empty() && node.op == op ? &node : nullptr;
  }

  void multiply_out(const Node& node, Factors& factors, int depth) const {
    constexpr int kDeepest = 3;
    for (size_t side = 0; side < 2; ++side) {
      const ValueId value = node.inputs[side];
      const bool divides = node.op == "Div" && side == 1;
      if (const auto number = constant_number(graph_, value)) {
        factors.number *= divides ? 1 / double{*number} : double{*number};
        continue;
      }
      const Node* inner = maker(value, "Mul");
      if (inner == nullptr) inner = maker(value, "Div");
      if (divides) {
        factors.count = 3;  // no product
      } else if (inner != nullptr && depth < kDeepest) {
        multiply_out(*inner, factors, depth + 1);
      } else {
        factors.add(value);
      }
    }
  }

  bool has_type_of(ValueId x, ValueId y) const {
    const ValueType& type = graph_.value(x).type;
    return type.kind == TypeKind::kTensor && type.dtype == DType::kF32 && type.shape &&
           type.shape == graph_.value(y).type.shape;
  }

  // The other operand of a node that adds `number`, else kNoValue.
  ValueId summand(const Node* node, double number) const {
    for (size_t side = 0; node != nullptr && side < 2; ++side) {
      const auto constant = constant_number(graph_, node->inputs[side]);
      if (constant && double{*constant} == number) return node->inputs[1 - side];
    }
    return kNoValue;
  }

  // Which activation of x `number` · x · factor is.
  const char* activation(ValueId x, ValueId factor, double number) const {
    if (const Node* sigmoid = maker(factor, "Sigmoid"); sigmoid != nullptr)
      return sigmoid->inputs[0] == x && number == 1 ? "Swish" : nullptr;
    if (const Node* hard = maker(factor, "HardSigmoid"); hard != nullptr) {
      const bool right = is_near(double{hard->float_attribute("alpha", 0.2f)}, 1.0 / 6) &&
                         hard->float_attribute("beta", 0.5f) == 0.5f;
      return right && hard->inputs[0] == x && number == 1 ? "HardSwish" : nullptr;
    }
    if (const Node* clip = maker(factor, "Clip"); clip != nullptr)
      return is_near(number, 1.0 / 6) && is_shifted_clip(*clip, x) ? "HardSwish" : nullptr;
    const ValueId erf = summand(maker(factor, "Add"), 1);
    return is_near(number, 0.5) && is_erf(maker(erf, "Erf"), x) ? "Gelu" : nullptr;
  }

  bool is_shifted_clip(const Node& clip, ValueId x) const {
    if (clip.inputs.size() != 3) return false;
    const auto low = constant_number(graph_, clip.inputs[1]), high = constant_number(graph_, clip.inputs[2]);
    return low && high && *low == 0 && *high == 6 && summand(maker(clip.inputs[0], "Add"), 3) == x;
  }
  bool is_erf(const Node* erf, ValueId x) const {
    if (erf == nullptr) return false;
    const Node* scaled = maker(erf->inputs[0], "Div");
    if (scaled == nullptr) scaled = maker(erf->inputs[0], "Mul");
    if (scaled == nullptr) return false;
    Factors factors;
    multiply_out(*scaled, factors, 0);
    return factors.count == 1 && factors.values[0] == x && is_near(factors.number, 1 / std::numbers::sqrt2);
  }

  const Graph& graph_;
  ValueUses uses_;
};

bool fuse_activations(Graph& graph, const PassContext&) {
  const ActivationFinder finder(graph);
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (!node.domain.empty() || (node.op != "Mul" && node.op != "Div")) continue;
    const ActivationFinder::Found found = finder.find(node);
    if (found.op == nullptr) continue;
    node.op = found.op;
    node.inputs = {found.x};
    changed = true;
  }
  return changed;
}

}  // namespace

extern constinit const Pass kFuseActivations = {"fuse_activations", fuse_activations};

}  // namespace oag
