// Transpose and Expand: the same elements along other strides.
#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

// The permutation, checked; dims reversed when the attribute is absent.
template <typename Context>
std::vector<size_t> permutation(const Context& context, size_t rank) {
  const auto wanted = context.node().ints_attribute("perm");
  std::vector<size_t> perm(rank);
  if (!context.node().has_attribute("perm")) {
    std::iota(perm.rbegin(), perm.rend(), size_t{0});
    return perm;
  }
  std::vector<bool> seen(rank, false);
  for (size_t d = 0; d < wanted.size(); ++d) {
    const int64_t from = wanted[d];
    if (wanted.size() != rank || from < 0 || from >= static_cast<int64_t>(rank) ||
        seen[static_cast<size_t>(from)]) {
      context.refuse("perm {} is no permutation of {} dims", to_string(wanted), rank);
    }
    seen[static_cast<size_t>(from)] = true;
    perm[d] = static_cast<size_t>(from);
  }
  if (wanted.size() != rank) context.refuse("perm {} is no permutation of {} dims", to_string(wanted), rank);
  return perm;
}

void infer_transpose(InferenceContext& context) {
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  Shape out;
  for (const size_t from : permutation(context, context.shape(0).size()))
    out.push_back(context.shape(0)[from]);
  context.set_output(0, context.dtype(0), std::move(out));
}

void transpose_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  const Strides dense = dense_strides(data.dims());
  Dims dims;
  Strides strides;
  for (const size_t from : permutation(context, data.rank())) {
    dims.push_back(data.dim(from));
    strides.push_back(dense[from]);
  }
  copy_strided(context.env(), context.allocate_output(0, data.dtype(), dims), data, 0, strides);
}

void infer_expand(InferenceContext& context) {
  const DType dtype = context.dtype(0);
  if (!context.has_shape(0)) return context.set_output(0, dtype, std::nullopt);
  if (const auto wanted = context.constant_ints(1)) {
    for (const int64_t dim : *wanted) {
      if (dim < 0) context.refuse("shape {} has a negative dim", to_string(*wanted));
    }
    return context.set_output(0, dtype, broadcast_shapes(context, context.shape(0), to_shape(*wanted)));
  }
  if (!context.has_shape(1) || context.shape(1).size() != 1 || !context.shape(1)[0].is_constant()) {
    return context.set_output(0, dtype, std::nullopt);
  }
  const auto rank = static_cast<int64_t>(context.shape(0).size());
  context.set_output(0, dtype, context.fresh_shape(std::max(rank, context.shape(1)[0].constant())));
}

void expand_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Dims dims = broadcast_dims(context, in.dims(), read_integers(context.input(1)));
  copy_strided(context.env(), context.allocate_output(0, in.dtype(), dims), in, 0,
               broadcast_strides(in.dims(), dims));
}

}  // namespace

// Dim d of the output is dim perm[d] of data; without perm the dims are reversed.
extern constinit const OpSchema kTranspose = {
    .domain = "",
    .op = "Transpose",
    .since_version = 25,
    .inputs = {{"data", "T", kViewableTypes}},
    .outputs = {{"transposed", "T", kViewableTypes}},
    .attributes = {{"perm", AttributeKind::kInts}},
    .infer = infer_transpose,
    .reference = transpose_reference,
};

// The input broadcast with an array of dims `shape` [n] i64.
extern constinit const OpSchema kExpand = {
    .domain = "",
    .op = "Expand",
    .since_version = 13,
    .inputs = {{"input", "T", kMovableTypes}, {"shape", "", {DType::kI64}}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {},
    .infer = infer_expand,
    .reference = expand_reference,
};

}  // namespace oag
