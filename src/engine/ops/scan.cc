// CumSum, CumProd and Trilu.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "engine/ops/elementwise.h"

namespace oag {
namespace {

void infer_cumulative(InferenceContext& context) {
  const auto axis = context.constant_ints(1);
  if (axis && axis->size() != 1) context.refuse("axis must be one number");
  if (axis && context.has_shape(0)) normalize_axis(context, (*axis)[0], context.shape(0).size());
  infer_same_type(context);
}

struct Plus {
  static constexpr int kStart = 0;
  double operator()(double a, double b) const { return a + b; }
  uint64_t operator()(uint64_t a, uint64_t b) const { return a + b; }
};

struct Times {
  static constexpr int kStart = 1;
  double operator()(double a, double b) const { return a * b; }
  uint64_t operator()(uint64_t a, uint64_t b) const { return a * b; }
};

// A lane's values each become what they and those before add up or multiply to; integers wrap around.
template <typename Op, typename Wide>
void accumulate(std::vector<Wide>& values, bool exclusive) {
  using Unsigned = std::conditional_t<std::is_integral_v<Wide>, uint64_t, double>;
  auto total = static_cast<Unsigned>(Op::kStart);
  for (Wide& value : values) {
    const Unsigned before = total;
    total = Op()(total, static_cast<Unsigned>(value));
    value = static_cast<Wide>(exclusive ? before : total);
  }
}

template <typename Op>
void cumulative_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const auto axes = read_integers(context.input(1));
  if (axes.size() != 1) context.refuse("axis must be one number");
  const size_t axis = normalize_axis(context, axes[0], in.rank());
  const bool exclusive = context.node().int_attribute("exclusive", 0) != 0;
  const bool reverse = context.node().int_attribute("reverse", 0) != 0;
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  if (out.count() == 0) return;
  const Lanes lanes(in.dims(), axis);
  visit_wide(in.dtype(), [&](auto wide) {
    context.env().parallel_for(lanes.count, 4 * lanes.length, [&](int64_t lane, int) {
      std::vector<decltype(wide)> values(static_cast<size_t>(lanes.length));
      load_elements<decltype(wide)>(in, lanes.start(lane), lanes.step, values);
      if (reverse) std::reverse(values.begin(), values.end());
      accumulate<Op>(values, exclusive);
      if (reverse) std::reverse(values.begin(), values.end());
      store_elements<decltype(wide)>(out, lanes.start(lane), lanes.step, values);
    });
  });
}

void infer_trilu(InferenceContext& context) {
  if (context.has_shape(0) && context.shape(0).size() < 2) {
    context.refuse("input {} must have rank 2 or more", to_string(context.shape(0)));
  }
  infer_same_type(context);
}

void trilu_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  if (in.rank() < 2) context.refuse("input {} must have rank 2 or more", to_string(in.dims()));
  const bool upper = context.node().int_attribute("upper", 1) != 0;
  const int64_t rows = in.dim(in.rank() - 2), columns = in.dim(in.rank() - 1);
  int64_t k = 0;
  if (context.has_input(1)) {
    const auto diagonal = read_integers(context.input(1));
    if (diagonal.size() != 1) context.refuse("k must be one number");
    k = std::clamp(diagonal[0], -rows - 1, columns + 1);
  }
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  if (out.count() == 0) return;
  context.env().parallel_for(in.count() / columns, columns, [&](int64_t row, int) {
    // Columns [begin, end) are kept.
    const int64_t diagonal = row % rows + k;
    const int64_t begin = upper ? std::clamp<int64_t>(diagonal, 0, columns) : 0;
    const int64_t end = upper ? columns : std::clamp<int64_t>(diagonal + 1, 0, columns);
    const Tensor zero = zero_element(in.dtype());
    copy_run(out, row * columns, 1, zero, 0, 0, begin);
    copy_run(out, row * columns + begin, 1, in, row * columns + begin, 1, end - begin);
    copy_run(out, row * columns + end, 1, zero, 0, 0, columns - end);
  });
}

constexpr DTypeSet kSummedTypes = kFloatTypes | DTypeSet{DType::kI32, DType::kI64, DType::kU32, DType::kU64};

constexpr OpSchema cumulative(std::string_view op, int since_version, KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = since_version,
          .inputs = {{"x", "T", kSummedTypes}, {"axis", "T2", {DType::kI32, DType::kI64}}},
          .outputs = {{"y", "T", kSummedTypes}},
          .attributes = {{"exclusive", AttributeKind::kInt}, {"reverse", AttributeKind::kInt}},
          .infer = infer_cumulative,
          .reference = reference};
}

}  // namespace

// Sums and products of all elements up to each one along `axis`, a scalar i32 or i64; without itself when
// exclusive, from the end when reverse.
extern constinit const OpSchema kCumSum = cumulative("CumSum", 14, cumulative_reference<Plus>);
extern constinit const OpSchema kCumProd = cumulative("CumProd", 26, cumulative_reference<Times>);

// The last two dims with what lies below (upper = 1) or above (0) their k-th diagonal set to 0; k is a scalar
// i64.
extern constinit const OpSchema kTrilu = {
    .domain = "",
    .op = "Trilu",
    .since_version = 14,
    .inputs = {{"input", "T", kMovableTypes}, {"k", "", {DType::kI64}, true}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {{"upper", AttributeKind::kInt}},
    .infer = infer_trilu,
    .reference = trilu_reference,
};

}  // namespace oag
