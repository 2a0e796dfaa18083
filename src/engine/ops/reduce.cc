// Reductions over some or all dims: ReduceSum Mean Max Min Prod L1 L2 SumSquare LogSum LogSumExp.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

// Which dims are reduced: those `axes` name, all of them when it is empty and noop_with_empty_axes is not
// set.
template <typename Context>
std::vector<bool> reduced_dims(const Context& context, const std::vector<int64_t>& axes, size_t rank) {
  const bool all = axes.empty() && context.node().int_attribute("noop_with_empty_axes", 0) == 0;
  std::vector<bool> reduced(rank, all);
  for (const int64_t axis : axes) reduced[static_cast<size_t>(normalize_axis(context, axis, rank))] = true;
  return reduced;
}

template <typename DimList>
DimList reduce_shape(const DimList& dims, const std::vector<bool>& reduced, bool keep) {
  DimList out;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (!reduced[d]) {
      out.push_back(dims[d]);
    } else if (keep) {
      out.push_back(1);
    }
  }
  return out;
}

void infer_reduce(InferenceContext& context) {
  const bool keep = context.node().int_attribute("keepdims", 1) != 0;
  const auto axes = context.has_input(1) ? context.constant_ints(1) : std::vector<int64_t>();
  if (!context.has_shape(0) || (!axes && !keep)) return context.set_output(0, context.dtype(0), std::nullopt);
  Shape out = context.shape(0);
  if (axes) {
    out = reduce_shape(out, reduced_dims(context, *axes, out.size()), keep);
  } else {
    for (size_t d = 0; d < out.size(); ++d) out[d] = context.fresh_dim("d" + std::to_string(d));
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

// Each reducer computes in Wide (of the element type unless it names another) and is fed in pieces.
template <typename Wide>
class SumReducer {
 public:
  void add(std::span<const Wide> values) {
    for (const Wide value : values) {
      if constexpr (std::is_integral_v<Wide>) {
        sum_ = static_cast<Wide>(static_cast<uint64_t>(sum_) + static_cast<uint64_t>(value));
      } else {
        sum_ += value;
      }
    }
  }
  Wide result(int64_t, DType) const { return sum_; }

 private:
  Wide sum_ = 0;
};

template <typename Wide>
class MeanReducer : public SumReducer<Wide> {
 public:
  Wide result(int64_t count, DType dtype) const {
    const Wide sum = SumReducer<Wide>::result(count, dtype);
    if (count == 0) return std::numeric_limits<Wide>::quiet_NaN();  // 0 for integers
    return sum / static_cast<Wide>(count);
  }
};

template <typename Wide>
class ProductReducer {
 public:
  void add(std::span<const Wide> values) {
    for (const Wide value : values) {
      if constexpr (std::is_integral_v<Wide>) {
        product_ = static_cast<Wide>(static_cast<uint64_t>(product_) * static_cast<uint64_t>(value));
      } else {
        product_ *= value;
      }
    }
  }
  Wide result(int64_t, DType) const { return product_; }

 private:
  Wide product_ = 1;
};

// The extreme value of an element type, which Max (lowest) and Min (highest) give for no elements.
template <typename Wide>
Wide extreme(DType dtype, bool lowest) {
  if constexpr (std::is_floating_point_v<Wide>) {
    return lowest ? -std::numeric_limits<Wide>::infinity() : std::numeric_limits<Wide>::infinity();
  } else {
    const auto bits = static_cast<unsigned>(8 * dtype_info(dtype).block_bytes);
    const auto ones = static_cast<Wide>(~uint64_t{0} >> (64 - bits + (std::is_signed_v<Wide> ? 1 : 0)));
    if (dtype == DType::kBool) return lowest ? 0 : 1;
    return lowest ? static_cast<Wide>(std::is_signed_v<Wide> ? ~ones : 0) : ones;
  }
}

// NaN wins over everything.
template <typename Wide, bool kMax>
class ExtremeReducer {
 public:
  void add(std::span<const Wide> values) {
    for (const Wide value : values) {
      const bool better = kMax ? value > best_ : value < best_;
      if (empty_ || better || is_nan(value)) best_ = value;
      empty_ = false;
      if (is_nan(best_)) return;
    }
  }
  Wide result(int64_t, DType dtype) const { return empty_ ? extreme<Wide>(dtype, kMax) : best_; }

 private:
  Wide best_ = 0;
  bool empty_ = true;
};
template <typename Wide>
using MaxReducer = ExtremeReducer<Wide, true>;
template <typename Wide>
using MinReducer = ExtremeReducer<Wide, false>;

// Sums of f(x), in double also for integers, which are rounded towards zero at the end.
enum class Norm { kL1, kL2, kSquares, kLog };

template <Norm kNorm>
class NormReducer {
 public:
  void add(std::span<const double> values) {
    for (const double value : values) {
      if constexpr (kNorm == Norm::kL1) sum_ += std::abs(value);
      if constexpr (kNorm == Norm::kL2 || kNorm == Norm::kSquares) sum_ += value * value;
      if constexpr (kNorm == Norm::kLog) sum_ += value;
    }
  }
  double result(int64_t, DType) const {
    if constexpr (kNorm == Norm::kL2) return std::sqrt(sum_);
    if constexpr (kNorm == Norm::kLog) return std::log(sum_);
    return sum_;
  }

 private:
  double sum_ = 0;
};

// log Σ exp(x), relative to the largest value so far.
class LogSumExpReducer {
 public:
  void add(std::span<const double> values) {
    for (const double value : values) {
      if (value <= top_ || std::isnan(value)) {
        sum_ += value == top_ ? 1.0 : std::exp(value - top_);
      } else {
        sum_ = sum_ * std::exp(top_ - value) + 1.0;
        top_ = value;
      }
    }
  }
  double result(int64_t, DType) const { return sum_ == 0 ? top_ : top_ + std::log(sum_); }

 private:
  double top_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0;
};

template <typename Wide, typename Reducer>
void run_reduction(KernelContext& context) {
  const Tensor& in = context.input(0);
  const auto axes = context.has_input(1) ? read_integers(context.input(1)) : std::vector<int64_t>();
  const std::vector<bool> reduced = reduced_dims(context, axes, in.rank());
  const Dims kept_dims = reduce_shape(in.dims(), reduced, true);
  const bool keep = context.node().int_attribute("keepdims", 1) != 0;
  const Tensor& out = context.allocate_output(0, in.dtype(), reduce_shape(in.dims(), reduced, keep));

  const Strides dense = dense_strides(in.dims());
  Dims inner_dims;
  Strides inner;
  for (size_t d = 0; d < in.rank(); ++d) {
    if (!reduced[d]) continue;
    inner_dims.push_back(in.dim(d));
    inner.push_back(dense[d]);
  }
  const int64_t count = element_count(inner_dims);
  const StridedWalk walk(inner_dims, std::vector<Strides>{inner});
  context.env().parallel_for(out.count(), 2 * count, [&](int64_t i, int) {
    int64_t start = 0, rest = i;
    for (size_t d = in.rank(); d-- > 0; rest /= kept_dims[d])
      start += rest % kept_dims[d] * (reduced[d] ? 0 : dense[d]);
    Reducer reducer;
    walk.run_serial([&](std::span<const int64_t> at, int64_t size) {
      std::array<Wide, StridedWalk::kPiece> values;
      const auto piece = std::span(values).first(static_cast<size_t>(size));
      load_elements<Wide>(in, start + at[0], walk.step(0), piece);
      reducer.add(piece);
    });
    const Wide result = reducer.result(count, in.dtype());
    store_elements<Wide>(out, i, 1, {&result, 1});
  });
}

template <template <typename> typename Reducer>
void reduce_reference(KernelContext& context) {
  visit_wide(context.input(0).dtype(),
             [&](auto wide) { run_reduction<decltype(wide), Reducer<decltype(wide)>>(context); });
}

template <typename Reducer>
void reduce_in_double(KernelContext& context) {
  run_reduction<double, Reducer>(context);
}

constexpr DTypeSet kReducedTypes = kFloatTypes | DTypeSet{DType::kI32, DType::kI64, DType::kU32, DType::kU64};
constexpr DTypeSet kOrderedTypes = kReducedTypes | DTypeSet{DType::kI8, DType::kU8, DType::kBool};

constexpr OpSchema reduction(std::string_view op, int since_version, DTypeSet dtypes,
                             KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = since_version,
          .inputs = {{"data", "T", dtypes}, {"axes", "", {DType::kI64}, true}},
          .outputs = {{"reduced", "T", dtypes}},
          .attributes = {{"keepdims", AttributeKind::kInt}, {"noop_with_empty_axes", AttributeKind::kInt}},
          .infer = infer_reduce,
          .reference = reference};
}

}  // namespace

// data reduced over the dims that axes [n] i64 name (default: all), which stay as dims of 1 unless keepdims
// is 0. With noop_with_empty_axes and no axes each element is reduced by itself.
extern constinit const OpSchema kReduceSum =
    reduction("ReduceSum", 13, kReducedTypes, reduce_reference<SumReducer>);
extern constinit const OpSchema kReduceMean =
    reduction("ReduceMean", 18, kReducedTypes, reduce_reference<MeanReducer>);
extern constinit const OpSchema kReduceProd =
    reduction("ReduceProd", 18, kReducedTypes, reduce_reference<ProductReducer>);
extern constinit const OpSchema kReduceMax =
    reduction("ReduceMax", 20, kOrderedTypes, reduce_reference<MaxReducer>);
extern constinit const OpSchema kReduceMin =
    reduction("ReduceMin", 20, kOrderedTypes, reduce_reference<MinReducer>);
extern constinit const OpSchema kReduceL1 =
    reduction("ReduceL1", 18, kReducedTypes, reduce_in_double<NormReducer<Norm::kL1>>);
extern constinit const OpSchema kReduceL2 =
    reduction("ReduceL2", 18, kReducedTypes, reduce_in_double<NormReducer<Norm::kL2>>);
extern constinit const OpSchema kReduceSumSquare =
    reduction("ReduceSumSquare", 18, kReducedTypes, reduce_in_double<NormReducer<Norm::kSquares>>);
extern constinit const OpSchema kReduceLogSum =
    reduction("ReduceLogSum", 28, kFloatTypes, reduce_in_double<NormReducer<Norm::kLog>>);
extern constinit const OpSchema kReduceLogSumExp =
    reduction("ReduceLogSumExp", 28, kFloatTypes, reduce_in_double<LogSumExpReducer>);

}  // namespace oag
