// Elements chosen by what they hold or by conditions: NonZero Compress Unique.
#include <algorithm>
#include <cmath>
#include <complex>
#include <numeric>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr DTypeSet kAnyTypes = kPlainTypes | kComplexTypes | DTypeSet{DType::kString};

// All elements as something that compares: calls visitor(vector) with doubles, integers, complex numbers or
// strings.
template <typename Visitor>
void visit_values(const Tensor& tensor, Visitor&& visitor) {
  const auto count = static_cast<size_t>(tensor.count());
  if (tensor.dtype() == DType::kString) {
    const auto texts = tensor.values<std::string>();
    visitor(std::vector<std::string>(texts.begin(), texts.end()));
  } else if (tensor.dtype() == DType::kC64) {
    const auto numbers = tensor.values<std::complex<float>>();
    visitor(std::vector<std::complex<double>>(numbers.begin(), numbers.end()));
  } else if (tensor.dtype() == DType::kC128) {
    const auto numbers = tensor.values<std::complex<double>>();
    visitor(std::vector<std::complex<double>>(numbers.begin(), numbers.end()));
  } else {
    visit_wide(tensor.dtype(), [&](auto wide) {
      std::vector<decltype(wide)> values(count);
      load_elements<decltype(wide)>(tensor, 0, 1, values);
      visitor(std::move(values));
    });
  }
}

void infer_non_zero(InferenceContext& context) {
  const Dim rank =
      context.has_shape(0) ? Dim(static_cast<int64_t>(context.shape(0).size())) : context.fresh_dim("rank");
  context.set_output(0, DType::kI64, Shape{rank, context.fresh_dim("count")});
}

void non_zero_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  std::vector<int64_t> places;
  visit_values(in, [&](const auto& values) {
    using Element = typename std::decay_t<decltype(values)>::value_type;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] != Element{}) places.push_back(static_cast<int64_t>(i));
    }
  });
  const auto found = static_cast<int64_t>(places.size());
  const Tensor& out = context.allocate_output(0, DType::kI64, {static_cast<int64_t>(in.rank()), found});
  const Strides strides = dense_strides(in.dims());
  for (size_t d = 0; d < in.rank(); ++d) {
    for (size_t i = 0; i < places.size(); ++i)
      out.values<int64_t>()[d * places.size() + i] = places[i] / strides[d] % in.dim(d);
  }
}

void infer_compress(InferenceContext& context) {
  if (!context.node().has_attribute("axis"))
    return context.set_output(0, context.dtype(0), Shape{context.fresh_dim("kept")});
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  Shape out = context.shape(0);
  out[static_cast<size_t>(normalize_axis(context, context.node().int_attribute("axis"), out.size()))] =
      context.fresh_dim("kept");
  context.set_output(0, context.dtype(0), std::move(out));
}

// The slices at `places` along `axis` of data.
void copy_slices(KernelContext& context, const Tensor& data, size_t axis,
                 const std::vector<int64_t>& places) {
  Dims dims = data.dims();
  dims[axis] = static_cast<int64_t>(places.size());
  const Tensor& out = context.allocate_output(0, data.dtype(), dims);
  if (out.count() == 0) return;
  const int64_t size = dense_strides(dims)[axis], slices = dims[axis], length = data.dim(axis);
  context.env().parallel_for(out.count() / size, size, [&](int64_t i, int) {
    const int64_t from = i / slices * length + places[static_cast<size_t>(i % slices)];
    copy_run(out, i * size, 1, data, from * size, 1, size);
  });
}

void compress_reference(KernelContext& context) {
  const Tensor& condition = context.input(1);
  const bool flat = !context.node().has_attribute("axis");
  const Tensor data = flat ? context.input(0).reshaped({context.input(0).count()}) : context.input(0);
  const size_t axis = flat ? 0 : normalize_axis(context, context.node().int_attribute("axis"), data.rank());
  if (condition.rank() != 1)
    context.refuse("condition must have rank 1, it is {}", to_string(condition.dims()));
  std::vector<int64_t> places;
  for (int64_t i = 0; i < condition.count(); ++i) {
    if (condition.values<uint8_t>()[static_cast<size_t>(i)] == 0) continue;
    if (i >= data.dim(axis)) context.refuse("condition picks slice {} of {}", i, data.dim(axis));
    places.push_back(i);
  }
  copy_slices(context, data, axis, places);
}

// Numbers by value, NaN last; complex ones by their real part first.
template <typename Element>
bool comes_before(const Element& a, const Element& b) {
  if constexpr (std::is_same_v<Element, std::complex<double>>) {
    if (comes_before(a.real(), b.real())) return true;
    return !comes_before(b.real(), a.real()) && comes_before(a.imag(), b.imag());
  } else if constexpr (std::is_same_v<Element, double>) {
    return std::isnan(b) ? !std::isnan(a) : a < b;
  } else {
    return a < b;
  }
}

// For each element how many different ones come before it.
std::vector<int64_t> element_ranks(const Tensor& tensor) {
  std::vector<int64_t> ranks(static_cast<size_t>(tensor.count()));
  visit_values(tensor, [&](const auto& values) {
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return comes_before(values[a], values[b]); });
    int64_t rank = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && comes_before(values[order[i - 1]], values[order[i]])) ++rank;
      ranks[order[i]] = rank;
    }
  });
  return ranks;
}

// Equal slices of an array along an axis, as groups.
struct Groups {
  std::vector<int64_t> first;   // of each group, its first slice
  std::vector<int64_t> counts;  // of each group, its slices
  std::vector<int64_t> member;  // of each slice, its group
};

Groups group_slices(const Tensor& data, size_t axis, bool sorted) {
  const std::vector<int64_t> ranks = element_ranks(data);
  const Lanes lanes(data.dims(), axis);
  const auto compare = [&](int64_t a, int64_t b) {  // below 0: slice a comes first
    for (int64_t lane = 0; lane < lanes.count; ++lane) {
      const int64_t start = lanes.start(lane);
      const int64_t x = ranks[static_cast<size_t>(start + a * lanes.step)],
                    y = ranks[static_cast<size_t>(start + b * lanes.step)];
      if (x != y) return x < y ? -1 : 1;
    }
    return 0;
  };
  std::vector<int64_t> order(static_cast<size_t>(lanes.length));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const int sign = compare(a, b);
    return sign != 0 ? sign < 0 : a < b;
  });
  Groups groups;
  groups.member.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || compare(order[i - 1], order[i]) != 0) {
      groups.first.push_back(order[i]);
      groups.counts.push_back(0);
    }
    ++groups.counts.back();
    groups.member[static_cast<size_t>(order[i])] = static_cast<int64_t>(groups.first.size()) - 1;
  }
  if (sorted) return groups;
  std::vector<size_t> by_place(groups.first.size());
  std::iota(by_place.begin(), by_place.end(), size_t{0});
  std::sort(by_place.begin(), by_place.end(),
            [&](size_t a, size_t b) { return groups.first[a] < groups.first[b]; });
  Groups placed = groups;
  std::vector<int64_t> renamed(by_place.size());
  for (size_t i = 0; i < by_place.size(); ++i) {
    placed.first[i] = groups.first[by_place[i]];
    placed.counts[i] = groups.counts[by_place[i]];
    renamed[by_place[i]] = static_cast<int64_t>(i);
  }
  for (int64_t& group : placed.member) group = renamed[static_cast<size_t>(group)];
  return placed;
}

void infer_unique(InferenceContext& context) {
  const Dim count = context.fresh_dim("unique");
  std::optional<Shape> out = Shape{count};
  Dim slices = context.fresh_dim("slices");
  if (context.node().has_attribute("axis")) {
    if (context.has_shape(0)) {
      out = context.shape(0);
      Dim& dim = (*out)[static_cast<size_t>(
          normalize_axis(context, context.node().int_attribute("axis"), out->size()))];
      slices = dim;
      dim = count;
    } else {
      out.reset();
    }
  } else if (context.has_shape(0)) {
    slices = element_count(context.shape(0));
  }
  context.set_output(0, context.dtype(0), std::move(out));
  context.set_output(1, DType::kI64, Shape{count});
  context.set_output(2, DType::kI64, Shape{slices});
  context.set_output(3, DType::kI64, Shape{count});
}

void unique_reference(KernelContext& context) {
  const bool flat = !context.node().has_attribute("axis");
  const Tensor data = flat ? context.input(0).reshaped({context.input(0).count()}) : context.input(0);
  const size_t axis = flat ? 0 : normalize_axis(context, context.node().int_attribute("axis"), data.rank());
  const Groups groups = group_slices(data, axis, context.node().int_attribute("sorted", 1) != 0);
  if (context.wants_output(0)) copy_slices(context, data, axis, groups.first);
  const std::vector<int64_t>* lists[] = {&groups.first, &groups.member, &groups.counts};
  for (size_t i = 0; i < 3; ++i) {
    if (!context.wants_output(i + 1)) continue;
    const Tensor& out = context.allocate_output(i + 1, DType::kI64, {static_cast<int64_t>(lists[i]->size())});
    std::copy(lists[i]->begin(), lists[i]->end(), out.values<int64_t>().begin());
  }
}

}  // namespace

// The indices [rank, n] of the elements that are not 0 (false, the empty string), in row-major order.
extern constinit const OpSchema kNonZero = {
    .domain = "",
    .op = "NonZero",
    .since_version = 13,
    .inputs = {{"X", "T", kAnyTypes}},
    .outputs = {{"Y", "", {DType::kI64}}},
    .attributes = {},
    .infer = infer_non_zero,
    .reference = non_zero_reference,
};

// The slices along `axis`, or elements of the flat input, where condition [n] holds; n may be less than there
// are.
extern constinit const OpSchema kCompress = {
    .domain = "",
    .op = "Compress",
    .since_version = 28,
    .inputs = {{"input", "T", kAnyTypes}, {"condition", "T1", {DType::kBool}}},
    .outputs = {{"output", "T", kAnyTypes}},
    .attributes = {{"axis", AttributeKind::kInt}},
    .infer = infer_compress,
    .reference = compress_reference,
};

// The different slices along `axis`, or elements of the flat input, in order or (sorted = 0) as they first
// occur; for each its first place, for each slice of X its place in Y, for each of Y how often it occurs.
// NaNs count as equal.
extern constinit const OpSchema kUnique = {
    .domain = "",
    .op = "Unique",
    .since_version = 28,
    .inputs = {{"X", "T", kAnyTypes}},
    .outputs = {{"Y", "T", kAnyTypes},
                {"indices", "", {DType::kI64}, true},
                {"inverse_indices", "", {DType::kI64}, true},
                {"counts", "", {DType::kI64}, true}},
    .attributes = {{"axis", AttributeKind::kInt}, {"sorted", AttributeKind::kInt}},
    .infer = infer_unique,
    .reference = unique_reference,
};

}  // namespace oag
