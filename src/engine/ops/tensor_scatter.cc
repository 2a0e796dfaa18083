// TensorScatter: new rows written into a cache.
#include <algorithm>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

template <typename Context>
bool is_circular(const Context& context) {
  const std::string mode = context.node().string_attribute("mode", "linear");
  if (mode != "linear" && mode != "circular")
    context.refuse("mode is \"{}\"; it must be linear or circular", mode);
  return mode == "circular";
}

template <typename Context>
size_t sequence_axis(const Context& context, size_t rank) {
  const auto axis =
      static_cast<size_t>(normalize_axis(context, context.node().int_attribute("axis", -2), rank));
  if (axis == 0) context.refuse("axis is that of the batch");
  return axis;
}

void infer_tensor_scatter(InferenceContext& context) {
  is_circular(context);
  if (context.has_shape(0)) sequence_axis(context, context.shape(0).size());
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

// Where each sequence's first new row goes.
std::vector<int64_t> first_rows(const KernelContext& context, int64_t batch, int64_t fresh, int64_t length) {
  std::vector<int64_t> rows(static_cast<size_t>(batch), 0);
  if (context.has_input(2)) {
    if (context.input(2).dims() != Dims{batch})
      context.refuse("write_indices {} must be [{}]", to_string(context.input(2).dims()), batch);
    rows = read_integers(context.input(2));
  }
  for (const int64_t row : rows) {
    if (row < 0 || (!is_circular(context) && row > length - fresh))
      context.refuse("{} rows do not fit at row {} of a cache of {}", fresh, row, length);
  }
  return rows;
}

// present = past with the rows of `update` along `axis` from row first[batch] on.
void scatter(KernelEnv& env, const Tensor& present, const Tensor& past, const Tensor& update, size_t axis,
             std::span<const int64_t> first) {
  copy_strided(env, present, past, 0, dense_strides(past.dims()));
  if (update.count() == 0) return;
  const int64_t length = past.dim(axis), fresh = update.dim(axis);
  int64_t prefixes = 1, inner = 1;
  for (size_t d = 0; d < past.rank(); ++d) {
    if (d < axis) prefixes *= past.dim(d);
    if (d > axis) inner *= past.dim(d);
  }
  const int64_t per_batch = prefixes / past.dim(0);
  env.parallel_for(prefixes, fresh * inner, [&](int64_t prefix, int) {
    const int64_t begin = first[static_cast<size_t>(prefix / per_batch)] % length;
    for (int64_t i = 0; i < fresh; ++i)
      copy_run(present, (prefix * length + (begin + i) % length) * inner, 1, update,
               (prefix * fresh + i) * inner, 1, inner);
  });
}

void tensor_scatter_reference(KernelContext& context) {
  const Tensor& past = context.input(0);
  const Tensor& update = context.input(1);
  const size_t axis = sequence_axis(context, past.rank());
  Dims wanted = past.dims();
  const int64_t length = past.dim(axis), fresh = update.rank() == past.rank() ? update.dim(axis) : 0;
  wanted[axis] = fresh;
  if (update.dims() != wanted || fresh > length)
    context.refuse("update {} does not fit the cache {} along axis {}", to_string(update.dims()),
                   to_string(past.dims()), axis);
  const std::vector<int64_t> rows = first_rows(context, past.dim(0), fresh, length);
  const Tensor& present = context.allocate_output(0, past.dtype(), past.dims());
  if (!is_packed(past.dtype())) return scatter(context.env(), present, past, update, axis, rows);
  const Tensor codes = Tensor::host(DType::kU8, past.dims());
  scatter(context.env(), codes, unpack_codes(past), unpack_codes(update), axis, rows);
  pack_codes(codes, present);
}

}  // namespace

// past_cache [batch, …, length, …] with the rows of update [batch, …, new, …] along `axis` (-2) written from
// row write_indices[batch] (0) on; behind the last row comes the first one in mode circular.
extern constinit const OpSchema kTensorScatter = {
    .domain = "",
    .op = "TensorScatter",
    .since_version = 24,
    .inputs = {{"past_cache", "T", kViewableTypes},
               {"update", "T", kViewableTypes},
               {"write_indices", "", {DType::kI64}, true}},
    .outputs = {{"present_cache", "T", kViewableTypes}},
    .attributes = {{"axis", AttributeKind::kInt}, {"mode", AttributeKind::kString}},
    .infer = infer_tensor_scatter,
    .reference = tensor_scatter_reference,
};

}  // namespace oag
