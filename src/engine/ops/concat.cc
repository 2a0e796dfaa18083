// Concat and Split: arrays joined and cut along one axis.
#include <algorithm>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

void infer_concat(InferenceContext& context) {
  const DType dtype = context.dtype(0);
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_shape(i)) return context.set_output(0, dtype, std::nullopt);
  }
  Shape out = context.shape(0);
  const auto axis =
      static_cast<size_t>(normalize_axis(context, context.node().int_attribute("axis"), out.size()));
  for (size_t i = 1; i < context.input_count(); ++i) {
    const Shape& next = context.shape(i);
    bool fits = next.size() == out.size();
    for (size_t d = 0; fits && d < out.size(); ++d) {
      if (d == axis) continue;
      fits = !out[d].is_constant() || !next[d].is_constant() || out[d] == next[d];
      if (next[d].is_constant()) out[d] = next[d];
    }
    if (!fits) {
      context.refuse("input {} of shape {} does not fit {} along axis {}", i, to_string(next),
                     to_string(context.shape(0)), axis);
    }
    out[axis] = out[axis] + next[axis];
  }
  context.set_output(0, dtype, std::move(out));
}

void concat_reference(KernelContext& context) {
  Dims dims = context.input(0).dims();
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis"), dims.size());
  for (size_t i = 1; i < context.input_count(); ++i) {
    Dims next = context.input(i).dims();
    const int64_t length = next.size() == dims.size() ? next[axis] : 0;
    if (next.size() == dims.size()) next[axis] = dims[axis];
    if (next != dims) {
      context.refuse("input {} of shape {} does not fit {} along axis {}", i,
                     to_string(context.input(i).dims()), to_string(context.input(0).dims()), axis);
    }
    dims[axis] += length;
  }
  const Tensor& out = context.allocate_output(0, context.input(0).dtype(), dims);
  const Strides strides = dense_strides(dims);
  int64_t at = 0;
  for (size_t i = 0; i < context.input_count(); ++i) {
    place_strided(context.env(), out, at * strides[axis], strides, context.input(i));
    at += context.input(i).dim(axis);
  }
}

// Parts of equal length, as far as they go: ceil(length / parts) each, the last ones less.
Dim equal_part(const Dim& length, int64_t parts, int64_t i) {
  const Dim part = ceil_div(length, parts);
  if (i == 0 || part * Dim(parts) == length) return part;
  const Dim rest = length - Dim(i) * part;
  return parts == 2 ? rest : min(part, max(0, rest));
}

// Checks that inputs and attributes say how many parts there are.
template <typename Context>
void check_parts(const Context& context, bool given, size_t given_count) {
  const auto outputs = static_cast<int64_t>(context.output_count());
  if (given && context.node().has_attribute("num_outputs")) context.refuse("has both split and num_outputs");
  const int64_t parts =
      given ? static_cast<int64_t>(given_count) : context.node().int_attribute("num_outputs", outputs);
  if (parts != outputs) context.refuse("splits into {} parts but has {} outputs", parts, outputs);
}

void infer_split(InferenceContext& context) {
  const auto given = context.constant_ints(1);
  if (given || !context.has_input(1)) check_parts(context, given.has_value(), given ? given->size() : 0);
  const auto parts = static_cast<int64_t>(context.output_count());
  if (!context.has_shape(0)) {
    for (int64_t i = 0; i < parts; ++i)
      context.set_output(static_cast<size_t>(i), context.dtype(0), std::nullopt);
    return;
  }
  Shape out = context.shape(0);
  const auto axis =
      static_cast<size_t>(normalize_axis(context, context.node().int_attribute("axis", 0), out.size()));
  const Dim length = out[axis];
  int64_t sum = 0;
  for (int64_t i = 0; i < parts; ++i) {
    if (given) {
      const int64_t part = (*given)[static_cast<size_t>(i)];
      if (part < 0 || __builtin_add_overflow(sum, part, &sum))
        context.refuse("split {} has a bad part", to_string(*given));
      out[axis] = part;
    } else if (context.has_input(1)) {
      out[axis] = context.fresh_dim("part" + std::to_string(i));
    } else {
      out[axis] = equal_part(length, parts, i);
    }
    context.set_output(static_cast<size_t>(i), context.dtype(0), out);
  }
  if (given && length.is_constant() && length.constant() != sum) {
    context.refuse("split {} does not add up to the {} of axis {}", to_string(*given), length.to_string(),
                   axis);
  }
}

void split_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", 0), in.rank());
  const auto outputs = static_cast<int64_t>(context.output_count());
  Dims parts;
  if (context.has_input(1)) {
    parts = read_integers(context.input(1));
  } else {
    const int64_t part = (in.dim(axis) + outputs - 1) / outputs;
    for (int64_t i = 0; i < outputs; ++i)
      parts.push_back(std::clamp<int64_t>(in.dim(axis) - i * part, 0, part));
  }
  check_parts(context, context.has_input(1), parts.size());
  int64_t sum = 0;
  for (const int64_t part : parts) {
    if (part < 0 || __builtin_add_overflow(sum, part, &sum))
      context.refuse("split {} has a bad part", to_string(parts));
  }
  if (sum != in.dim(axis))
    context.refuse("split {} does not add up to dim {} of {}", to_string(parts), axis, to_string(in.dims()));
  const Strides strides = dense_strides(in.dims());
  int64_t at = 0;
  Dims dims = in.dims();
  for (size_t i = 0; i < parts.size(); at += parts[i], ++i) {
    if (!context.wants_output(i)) continue;
    dims[axis] = parts[i];
    copy_strided(context.env(), context.allocate_output(i, in.dtype(), dims), in, at * strides[axis],
                 strides);
  }
}

}  // namespace

// Inputs that agree in all dims but `axis`, one after the other along it.
extern constinit const OpSchema kConcat = {
    .domain = "",
    .op = "Concat",
    .since_version = 13,
    .inputs = {{"inputs", "T", kMovableTypes, false, true}},
    .outputs = {{"concat_result", "T", kMovableTypes}},
    .attributes = {{"axis", AttributeKind::kInt, true}},
    .infer = infer_concat,
    .reference = concat_reference,
};

// Parts along `axis` of the lengths that split [n] i64 gives, or num_outputs parts of equal length, the last
// ones less.
extern constinit const OpSchema kSplit = {
    .domain = "",
    .op = "Split",
    .since_version = 18,
    .inputs = {{"input", "T", kMovableTypes}, {"split", "", {DType::kI64}, true}},
    .outputs = {{"outputs", "T", kMovableTypes, false, true}},
    .attributes = {{"axis", AttributeKind::kInt}, {"num_outputs", AttributeKind::kInt}},
    .infer = infer_split,
    .reference = split_reference,
};

}  // namespace oag
