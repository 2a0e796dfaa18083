// Operators that only change dims: Reshape Unsqueeze Squeeze Flatten Identity. Their outputs are views.
#include <algorithm>
#include <vector>

#include "engine/ops/elementwise.h"

namespace oag {
namespace {

void set_view_of_rank(InferenceContext& context, int64_t rank) {
  context.set_output(0, context.dtype(0), context.fresh_shape(rank));
}

// The known rank of an output whose dims a run-time input gives: the length of that input.
void set_view_from_length(InferenceContext& context, size_t input) {
  if (!context.has_shape(input)) return context.set_output(0, context.dtype(0), std::nullopt);
  const Shape& shape = context.shape(input);
  if (shape.size() != 1) context.refuse("the wanted shape has rank {}; it must have rank 1", shape.size());
  if (!shape[0].is_constant()) return context.set_output(0, context.dtype(0), std::nullopt);
  set_view_of_rank(context, shape[0].constant());
}

void infer_reshape(InferenceContext& context) {
  const auto wanted = context.constant_ints(1);
  if (!wanted) return set_view_from_length(context, 1);
  const bool allow_zero = context.node().int_attribute("allowzero", 0) != 0;
  const bool copies = !allow_zero && std::find(wanted->begin(), wanted->end(), 0) != wanted->end();
  const bool infers = std::find(wanted->begin(), wanted->end(), -1) != wanted->end();
  if ((copies || infers) && !context.has_shape(0))
    return set_view_of_rank(context, static_cast<int64_t>(wanted->size()));

  Shape out;
  Dim have = 1, known = 1;  // without the copied dims, which are on both sides
  std::optional<size_t> inferred;
  for (size_t d = 0; d < wanted->size(); ++d) {
    const int64_t dim = (*wanted)[d];
    if (dim < -1 || (dim == -1 && inferred))
      context.refuse("shape {} has dims below 0 other than one -1", to_string(*wanted));
    if (dim == -1) inferred = d;
    const bool copied = dim == 0 && !allow_zero;
    if (copied && d >= context.shape(0).size()) {
      context.refuse("shape {} copies dim {} of data {}, which has none", to_string(*wanted), d,
                     to_string(context.shape(0)));
    }
    out.push_back(copied ? context.shape(0)[d] : dim == -1 ? Dim(1) : Dim(dim));
    if (!copied) known = known * out.back();
  }
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::move(out));
  const Shape& data = context.shape(0);
  for (size_t d = 0; d < data.size(); ++d) {
    if (allow_zero || d >= wanted->size() || (*wanted)[d] != 0) have = have * data[d];
  }
  if (inferred) {
    if (known == Dim(0)) context.refuse("shape {} infers a dim beside a 0", to_string(*wanted));
    out[*inferred] = floor_div(have, known);
    known = known * out[*inferred];
  }
  if (known.is_constant() && have.is_constant() && !(known == have)) {
    context.refuse("data {} cannot become {}: element counts differ", to_string(data), to_string(*wanted));
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

void reshape_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  const Dims wanted = read_integers(context.input(1));
  const bool allow_zero = context.node().int_attribute("allowzero", 0) != 0;
  const auto refuse = [&] {
    context.refuse("data {} cannot become {}", to_string(data.dims()), to_string(wanted));
  };
  Dims dims = wanted, rest;  // rest: the dims of data that are not copied
  std::optional<size_t> inferred;
  for (size_t d = 0; d < data.rank(); ++d) {
    if (allow_zero || d >= wanted.size() || wanted[d] != 0) rest.push_back(data.dim(d));
  }
  Dims known;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] < -1 || (dims[d] == -1 && inferred)) refuse();
    if (dims[d] == 0 && !allow_zero) {
      if (d >= data.rank()) refuse();
      dims[d] = data.dim(d);
    } else if (dims[d] == -1) {
      inferred = d;
    } else {
      known.push_back(dims[d]);
    }
  }
  const int64_t have = element_count(rest), divisor = element_count(known);
  if (inferred) {
    if (divisor == 0 || have % divisor != 0) refuse();
    dims[*inferred] = have / divisor;
  } else if (have != divisor) {
    refuse();
  }
  context.view_output(0, data, std::move(dims));
}

// The axes as a sorted list within [0, rank). Works for shape rules and kernels alike.
template <typename Context>
std::vector<size_t> sorted_axes(const Context& context, std::span<const int64_t> axes, size_t rank) {
  std::vector<size_t> sorted;
  for (const int64_t axis : axes) sorted.push_back(static_cast<size_t>(normalize_axis(context, axis, rank)));
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    context.refuse("axes name a dim twice");
  return sorted;
}

// Dims of Unsqueeze, of Dim or int64_t.
template <typename Context, typename DimList>
DimList unsqueezed(const Context& context, DimList dims, std::span<const int64_t> axes) {
  for (const size_t axis : sorted_axes(context, axes, dims.size() + axes.size())) {
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  }
  return dims;
}

template <typename DimList>
DimList without(const DimList& dims, std::span<const size_t> sorted_axes) {
  DimList rest;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (!std::binary_search(sorted_axes.begin(), sorted_axes.end(), d)) rest.push_back(dims[d]);
  }
  return rest;
}

void infer_unsqueeze(InferenceContext& context) {
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  if (const auto axes = context.constant_ints(1)) {
    return context.set_output(0, context.dtype(0), unsqueezed(context, context.shape(0), *axes));
  }
  if (context.has_shape(1) && context.shape(1).size() == 1 && context.shape(1)[0].is_constant()) {
    const int64_t added = std::clamp<int64_t>(context.shape(1)[0].constant(), 0, 1000);
    return set_view_of_rank(context, static_cast<int64_t>(context.shape(0).size()) + added);
  }
  context.set_output(0, context.dtype(0), std::nullopt);
}

void unsqueeze_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  context.view_output(0, data, unsqueezed(context, data.dims(), context.input(1).values<int64_t>()));
}

void infer_squeeze(InferenceContext& context) {
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  const Shape& shape = context.shape(0);
  if (context.has_input(1)) {
    const auto axes = context.constant_ints(1);
    if (!axes) return context.set_output(0, context.dtype(0), std::nullopt);
    const auto sorted = sorted_axes(context, *axes, shape.size());
    for (const size_t axis : sorted) {
      if (shape[axis].is_constant() && shape[axis].constant() != 1) {
        context.refuse("dim {} of {} is not 1 and cannot be squeezed", axis, to_string(shape));
      }
    }
    return context.set_output(0, context.dtype(0), without(shape, sorted));
  }
  Shape out;
  for (const Dim& dim : shape) {
    if (!dim.is_constant()) return context.set_output(0, context.dtype(0), std::nullopt);
    if (dim.constant() != 1) out.push_back(dim);
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

void squeeze_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  std::vector<size_t> sorted;
  if (context.has_input(1)) {
    sorted = sorted_axes(context, context.input(1).values<int64_t>(), data.rank());
  } else {
    for (size_t d = 0; d < data.rank(); ++d) {
      if (data.dim(d) == 1) sorted.push_back(d);
    }
  }
  for (const size_t axis : sorted) {
    if (data.dim(axis) != 1)
      context.refuse("dim {} of {} is not 1 and cannot be squeezed", axis, to_string(data.dims()));
  }
  context.view_output(0, data, without(data.dims(), sorted));
}

// Flatten's axis may be the rank itself.
template <typename Context>
int64_t flatten_axis(const Context& context, size_t rank) {
  const int64_t axis = context.node().int_attribute("axis", 1), signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis > signed_rank)
    context.refuse("axis {} is outside [-{}, {}]", axis, rank, rank);
  return axis < 0 ? axis + signed_rank : axis;
}

void infer_flatten(InferenceContext& context) {
  if (!context.has_shape(0)) return set_view_of_rank(context, 2);
  const Shape& shape = context.shape(0);
  const auto split = shape.begin() + flatten_axis(context, shape.size());
  context.set_output(
      0, context.dtype(0),
      Shape{element_count(Shape(shape.begin(), split)), element_count(Shape(split, shape.end()))});
}

void flatten_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  const auto split = data.dims().begin() + flatten_axis(context, data.rank());
  context.view_output(
      0, data,
      {element_count(Dims(data.dims().begin(), split)), element_count(Dims(split, data.dims().end()))});
}

void infer_identity(InferenceContext& context) {
  context.set_output_type(0, context.type(0));
}

void identity_reference(KernelContext& context) {
  context.view_output(0, context.input(0), context.input(0).dims());
}

constexpr DTypeSet kAxesType = {DType::kI64};

}  // namespace

// shape [rank] i64: 0 copies the dim of data (unless allowzero), one -1 takes what is left.
extern constinit const OpSchema kReshape = {
    .domain = "",
    .op = "Reshape",
    .since_version = 25,
    .inputs = {{"data", "T", kViewableTypes}, {"shape", "", kAxesType}},
    .outputs = {{"reshaped", "T", kViewableTypes}},
    .attributes = {{"allowzero", AttributeKind::kInt}},
    .infer = infer_reshape,
    .reference = reshape_reference,
    .aliases = {{0, 0, Alias::kView}},
};

// axes [n] i64 are the places of the new dims of 1 in the output.
extern constinit const OpSchema kUnsqueeze = {
    .domain = "",
    .op = "Unsqueeze",
    .since_version = 25,
    .inputs = {{"data", "T", kViewableTypes}, {"axes", "", kAxesType}},
    .outputs = {{"expanded", "T", kViewableTypes}},
    .attributes = {},
    .infer = infer_unsqueeze,
    .reference = unsqueeze_reference,
    .aliases = {{0, 0, Alias::kView}},
};

// Drops the dims of 1 that axes [n] i64 name; all of them without axes.
extern constinit const OpSchema kSqueeze = {
    .domain = "",
    .op = "Squeeze",
    .since_version = 25,
    .inputs = {{"data", "T", kViewableTypes}, {"axes", "", kAxesType, true}},
    .outputs = {{"squeezed", "T", kViewableTypes}},
    .attributes = {},
    .infer = infer_squeeze,
    .reference = squeeze_reference,
    .aliases = {{0, 0, Alias::kView}},
};

// [product of the dims before axis, product of the rest].
extern constinit const OpSchema kFlatten = {
    .domain = "",
    .op = "Flatten",
    .since_version = 25,
    .inputs = {{"input", "T", kViewableTypes}},
    .outputs = {{"output", "T", kViewableTypes}},
    .attributes = {{"axis", AttributeKind::kInt}},
    .infer = infer_flatten,
    .reference = flatten_reference,
    .aliases = {{0, 0, Alias::kView}},
};

extern constinit const OpSchema kIdentity = {
    .domain = "",
    .op = "Identity",
    .since_version = 25,
    .inputs = {{"input", "V", kViewableTypes, false, false, kAnyKind}},
    .outputs = {{"output", "V", kViewableTypes, false, false, kAnyKind}},
    .attributes = {},
    .infer = infer_identity,
    .reference = identity_reference,
    .aliases = {{0, 0, Alias::kView}},
};

}  // namespace oag
