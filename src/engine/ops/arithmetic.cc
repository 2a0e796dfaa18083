// Binary arithmetic with broadcasting: Add Sub Mul Div.
#include "engine/ops/elementwise.h"

namespace oag {
namespace {

// Integers wrap around: sums and products of int64_t are made as unsigned ones, which have the same bits.
struct Add {
  double operator()(double a, double b) const { return a + b; }
  template <typename Integer>
  Integer operator()(Integer a, Integer b) const {
    return static_cast<Integer>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};

struct Sub {
  double operator()(double a, double b) const { return a - b; }
  template <typename Integer>
  Integer operator()(Integer a, Integer b) const {
    return static_cast<Integer>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  }
};

struct Mul {
  double operator()(double a, double b) const { return a * b; }
  template <typename Integer>
  Integer operator()(Integer a, Integer b) const {
    return static_cast<Integer>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};

// Integers truncate towards zero; the smallest by -1 wraps to itself. A divisor of 0 is refused beforehand.
struct Div {
  double operator()(double a, double b) const { return a / b; }
  int64_t operator()(int64_t a, int64_t b) const { return b == -1 ? Sub()(int64_t{0}, a) : a / b; }
  uint64_t operator()(uint64_t a, uint64_t b) const { return a / b; }
};

void div_reference(KernelContext& context) {
  refuse_integer_zeros(context, 1);
  numeric_binary<Div>(context);
}

constexpr OpSchema binary(std::string_view op, KernelFunction reference) {
  return {.domain = "", .op = op, .since_version = 14,
          .inputs = {{"A", "T", kNumericTypes}, {"B", "T", kNumericTypes}}, .outputs = {{"C", "T", kNumericTypes}},
          .attributes = {}, .infer = infer_broadcast, .reference = reference};
}

}  // namespace

// C = A ∘ B over the broadcast of both, in their element type.
extern constinit const OpSchema kAdd = binary("Add", numeric_binary<Add>);
extern constinit const OpSchema kSub = binary("Sub", numeric_binary<Sub>);
extern constinit const OpSchema kMul = binary("Mul", numeric_binary<Mul>);
extern constinit const OpSchema kDiv = binary("Div", div_reference);

}  // namespace oag
