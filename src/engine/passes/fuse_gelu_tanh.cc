// x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2 -> Gelu(x), approximate = "tanh", whatever the order of
// factors and with powers as products or as Pow. f32 alone: in narrower types the steps between round.
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "engine/passes/pass.h"

namespace oag {
namespace {

bool is_near(double value, double wanted) {
  return std::abs(value - wanted) <= 1e-4 * wanted;
}

// A product: a number, and values, of which each stands there as often as it is a factor.
struct Product {
  double number = 1;
  std::vector<ValueId> values;

  bool is_power(ValueId x, int64_t exponent) const {
    return std::ranges::count(values, x) == exponent && values.size() == static_cast<size_t>(exponent);
  }
};

class GeluFinder {
 public:
  explicit GeluFinder(const Graph& graph) : graph_(graph), producers_(graph.producers()) {}

  // The x whose Gelu the node's output is; kNoValue when it is none.
  ValueId find(const Node& root) const {
    Product whole;
    multiply_out(root.outputs[0], kNoValue, 0, whole);
    for (const ValueId value : whole.values) {
      const Node* tanh = maker(other_summand(value, 1), "Tanh");
      const ValueId x = tanh == nullptr ? kNoValue : argument(tanh->inputs[0]);
      if (x == kNoValue || !has_type_of(x, root.outputs[0])) continue;
      Product factors;
      multiply_out(root.outputs[0], x, 0, factors);
      const bool right = factors.values.size() == 2 && std::ranges::count(factors.values, x) == 1 &&
                         std::ranges::count(factors.values, value) == 1;
      if (right && is_near(factors.number, 0.5)) return x;
    }
    return kNoValue;
  }

 private:
  static constexpr int kDeepest = 6;

  const Node* maker(ValueId value, std::string_view op) const {
    const int producer = value == kNoValue ? -1 : producers_[static_cast<size_t>(value)];
    if (producer < 0) return nullptr;
    const Node& node = graph_.nodes[static_cast<size_t>(producer)];
    return node.domain.empty() && node.op == op ? &node : nullptr;
  }

  std::optional<double> number(ValueId value) const {
    const auto& constant = graph_.value(value).constant;
    if (!constant || constant->dtype() != DType::kF32 || constant->count() != 1) return std::nullopt;
    return double{constant->values<float>()[0]};
  }

  bool has_type_of(ValueId x, ValueId y) const {
    const ValueType& type = graph_.value(x).type;
    return type.kind == TypeKind::kTensor && type.dtype == DType::kF32 && type.shape &&
           type.shape == graph_.value(y).type.shape;
  }

  // What is added to `wanted` to make the value.
  ValueId other_summand(ValueId value, double wanted) const {
    const Node* sum = maker(value, "Add");
    for (size_t side = 0; sum != nullptr && side < 2; ++side) {
      if (number(sum->inputs[side]) == wanted) return sum->inputs[1 - side];
    }
    return kNoValue;
  }

  // `stop` is a factor as it is, whatever makes it.
  void multiply_out(ValueId value, ValueId stop, int depth, Product& product) const {
    if (const auto constant = number(value)) {
      product.number *= *constant;
      return;
    }
    const Node* mul = value == stop || depth == kDeepest ? nullptr : maker(value, "Mul");
    if (mul != nullptr) {
      for (const ValueId factor : mul->inputs) multiply_out(factor, stop, depth + 1, product);
      return;
    }
    const Node* pow = value == stop ? nullptr : maker(value, "Pow");
    const double exponent = pow == nullptr ? 0 : number(pow->inputs[1]).value_or(0);
    if (exponent == 2 || exponent == 3) {
      product.values.insert(product.values.end(), static_cast<size_t>(exponent), pow->inputs[0]);
    } else {
      product.values.push_back(value);
    }
  }

  // The x of u = √(2/π) · (x + 0.044715 x³), or with x before the parenthesis.
  ValueId argument(ValueId u) const {
    constexpr double kCubic = 0.044715;
    Product outer;
    multiply_out(u, kNoValue, 0, outer);
    if (!is_near(outer.number, 0.7978845608)) return kNoValue;
    for (const ValueId value : outer.values) {
      const Node* sum = maker(value, "Add");
      for (size_t side = 0; sum != nullptr && side < 2; ++side) {
        const ValueId x =
            outer.values.size() == 1 ? sum->inputs[side] : outer.values[outer.values[0] == value ? 1 : 0];
        const bool before = outer.values.size() == 2 && number(sum->inputs[side]) == 1.0;
        if (!before && outer.values.size() != 1) continue;
        Product power;
        multiply_out(sum->inputs[1 - side], x, 0, power);
        if (is_near(power.number, kCubic) && power.is_power(x, before ? 2 : 3)) return x;
      }
    }
    return kNoValue;
  }

  const Graph& graph_;
  std::vector<int> producers_;
};

bool fuse_gelu_tanh(Graph& graph, const PassContext&) {
  const GeluFinder finder(graph);
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (!node.domain.empty() || node.op != "Mul") continue;
    const ValueId x = finder.find(node);
    if (x == kNoValue) continue;
    node.op = "Gelu";
    node.inputs = {x};
    node.attributes = {{"approximate", std::string("tanh")}};
    changed = true;
  }
  return changed;
}

}  // namespace

extern constinit const Pass kFuseGeluTanh = {"fuse_gelu_tanh", fuse_gelu_tanh};

}  // namespace oag
