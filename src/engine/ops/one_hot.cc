// OneHot, EyeLike and ReverseSequence.
#include <algorithm>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

void infer_one_hot(InferenceContext& context) {
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(2), std::nullopt);
  Shape out = context.shape(0);
  const auto axis = normalize_axis(context, context.node().int_attribute("axis", -1), out.size() + 1);
  Dim depth = context.fresh_dim("depth");
  if (const Tensor* constant = context.constant(1); constant != nullptr && constant->count() == 1) {
    depth = read_integers(*constant)[0];
    if (depth.constant() < 0) context.refuse("depth is {}", depth.constant());
  }
  out.insert(out.begin() + axis, depth);
  context.set_output(0, context.dtype(2), std::move(out));
}

void one_hot_reference(KernelContext& context) {
  const Tensor& indices = context.input(0);
  const Tensor& values = context.input(2);
  if (context.input(1).count() != 1)
    context.refuse("depth must be one number, it is {}", to_string(context.input(1).dims()));
  if (values.count() != 2) context.refuse("values must be [off, on], it is {}", to_string(values.dims()));
  const int64_t depth = read_integers(context.input(1))[0];
  if (depth < 0) context.refuse("depth is {}", depth);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", -1), indices.rank() + 1);
  Dims dims = indices.dims();
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), depth);
  const Tensor& out = context.allocate_output(0, values.dtype(), dims);
  if (out.count() == 0) return;
  const std::vector<int64_t> places = read_integers(indices);
  const bool is_signed = wide_kind(indices.dtype()) != WideKind::kUnsigned;
  const Lanes lanes(dims, axis);
  context.env().parallel_for(lanes.count, depth, [&](int64_t lane, int) {
    copy_run(out, lanes.start(lane), lanes.step, values, 0, 0, depth);
    int64_t place = places[static_cast<size_t>(lane)];
    if (place < 0 && is_signed) place += depth;
    if (place >= 0 && place < depth)
      copy_run(out, lanes.start(lane) + place * lanes.step, 1, values, 1, 1, 1);
  });
}

DType eye_type(const InferenceContext& context) {
  if (!context.node().has_attribute("dtype")) return context.dtype(0);
  const auto dtype = dtype_from_onnx(context.node().int_attribute("dtype"));
  if (!dtype || !kPlainTypes.contains(*dtype))
    context.refuse("dtype is {}, which EyeLike does not make", context.node().int_attribute("dtype"));
  return *dtype;
}

void infer_eye_like(InferenceContext& context) {
  if (context.has_shape(0) && context.shape(0).size() != 2)
    context.refuse("input {} must have rank 2", to_string(context.shape(0)));
  const Shape unknown = {context.fresh_dim("rows"), context.fresh_dim("columns")};
  context.set_output(0, eye_type(context), context.has_shape(0) ? context.shape(0) : unknown);
}

void eye_like_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  if (in.rank() != 2) context.refuse("input {} must have rank 2", to_string(in.dims()));
  const int64_t rows = in.dim(0), columns = in.dim(1);
  const int64_t k = std::clamp(context.node().int_attribute("k", 0), -rows, columns);
  const DType dtype = dtype_from_onnx(context.node().int_attribute("dtype", 0)).value_or(in.dtype());
  const Tensor& out = context.allocate_output(0, dtype, in.dims());
  std::fill(out.bytes().begin(), out.bytes().end(), std::byte{0});
  for (int64_t row = std::max<int64_t>(0, -k); row < rows && row + k < columns; ++row) {
    const uint64_t one = 1;
    store_elements<uint64_t>(out, row * columns + row + k, 1, {&one, 1});
  }
}

// Which of the first two dims is time and which the batch.
template <typename Context>
bool time_comes_first(const Context& context) {
  const int64_t time = context.node().int_attribute("time_axis", 0),
                batch = context.node().int_attribute("batch_axis", 1);
  if (time + batch != 1 || time * batch != 0)
    context.refuse("time_axis {} and batch_axis {} must be 0 and 1, in any order", time, batch);
  return time == 0;
}

void infer_reverse_sequence(InferenceContext& context) {
  time_comes_first(context);
  if (context.has_shape(0) && context.shape(0).size() < 2)
    context.refuse("input {} must have rank 2 or more", to_string(context.shape(0)));
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

void reverse_sequence_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const bool time_first = time_comes_first(context);
  if (in.rank() < 2) context.refuse("input {} must have rank 2 or more", to_string(in.dims()));
  const int64_t steps = in.dim(time_first ? 0 : 1), batch = in.dim(time_first ? 1 : 0);
  const std::vector<int64_t> lengths = read_integers(context.input(1));
  if (static_cast<int64_t>(lengths.size()) != batch)
    context.refuse("sequence_lens has {} entries for a batch of {}", lengths.size(), batch);
  for (const int64_t length : lengths) {
    if (length < 0 || length > steps) context.refuse("sequence length {} is outside [0, {}]", length, steps);
  }
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  if (out.count() == 0) return;
  const int64_t size = out.count() / (steps * batch);
  context.env().parallel_for(steps * batch, size, [&](int64_t i, int) {
    const int64_t step = time_first ? i / batch : i % steps, sequence = time_first ? i % batch : i / steps;
    const int64_t length = lengths[static_cast<size_t>(sequence)];
    const int64_t from = step < length ? length - 1 - step : step;
    const int64_t place = time_first ? from * batch + sequence : sequence * steps + from;
    copy_run(out, i * size, 1, in, place * size, 1, size);
  });
}

constexpr DTypeSet kAnyTypes = kPlainTypes | kComplexTypes | DTypeSet{DType::kString};

}  // namespace

// values = [off, on]: a new dim of `depth` at `axis` (-1) holds `on` at the place that an index names (below
// 0 from the end) and `off` elsewhere and for indices outside. Fractions of indices and depth are cut off.
extern constinit const OpSchema kOneHot = {
    .domain = "",
    .op = "OneHot",
    .since_version = 28,
    .inputs = {{"indices", "T1", kNumericTypes}, {"depth", "T2", kNumericTypes}, {"values", "T3", kAnyTypes}},
    .outputs = {{"output", "T3", kAnyTypes}},
    .attributes = {{"axis", AttributeKind::kInt}},
    .infer = infer_one_hot,
    .reference = one_hot_reference,
};

// A matrix of the input's dims, 1 on the k-th diagonal and 0 elsewhere, of type dtype or the input's.
extern constinit const OpSchema kEyeLike = {
    .domain = "",
    .op = "EyeLike",
    .since_version = 22,
    .inputs = {{"input", "T1", kPlainTypes}},
    .outputs = {{"output", "T2", kPlainTypes}},
    .attributes = {{"dtype", AttributeKind::kInt}, {"k", AttributeKind::kInt}},
    .infer = infer_eye_like,
    .reference = eye_like_reference,
};

// The first sequence_lens[b] steps of each sequence b in reverse, the others as they are.
extern constinit const OpSchema kReverseSequence = {
    .domain = "",
    .op = "ReverseSequence",
    .since_version = 28,
    .inputs = {{"input", "T", kAnyTypes}, {"sequence_lens", "", {DType::kI64}}},
    .outputs = {{"Y", "T", kAnyTypes}},
    .attributes = {{"time_axis", AttributeKind::kInt}, {"batch_axis", AttributeKind::kInt}},
    .infer = infer_reverse_sequence,
    .reference = reverse_sequence_reference,
};

}  // namespace oag
