// Values from shapes, scalars and attributes: Shape Size Range ConstantOfShape Constant.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

// [start, end) of the dims that Shape lists.
std::pair<int64_t, int64_t> shape_range(const Node& node, size_t rank) {
  const auto last = static_cast<int64_t>(rank);
  const auto clamp = [&](int64_t bound) {
    return std::clamp<int64_t>(bound < 0 ? bound + last : bound, 0, last);
  };
  const int64_t start = clamp(node.int_attribute("start", 0)), end = clamp(node.int_attribute("end", last));
  return {start, std::max(start, end)};
}

void infer_shape(InferenceContext& context) {
  Dim length = context.fresh_dim("rank");
  if (context.has_shape(0)) {
    const auto [start, end] = shape_range(context.node(), context.shape(0).size());
    length = end - start;
  }
  context.set_output(0, DType::kI64, Shape{length});
}

void shape_reference(KernelContext& context) {
  const Dims& dims = context.input(0).dims();
  const auto [start, end] = shape_range(context.node(), dims.size());
  const Tensor& out = context.allocate_output(0, DType::kI64, {end - start});
  std::copy(dims.begin() + start, dims.begin() + end, out.values<int64_t>().begin());
}

void infer_size(InferenceContext& context) {
  context.set_output(0, DType::kI64, Shape{});
}

void size_reference(KernelContext& context) {
  context.allocate_output(0, DType::kI64, {}).values<int64_t>()[0] = context.input(0).count();
}

// How many of start, start + delta, … lie before limit. Errors through `context`: delta 0, or more than 2^62.
template <typename Context>
int64_t range_count(const Context& context, int64_t start, int64_t limit, int64_t delta) {
  if (delta == 0) context.refuse("delta is 0");
  if (delta > 0 ? start >= limit : start <= limit) return 0;
  const uint64_t span = delta > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                  : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
  const uint64_t step = delta > 0 ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta);
  const uint64_t count = (span - 1) / step + 1;
  if (count >> 62) context.refuse("{} to {} by {} are too many values", start, limit, delta);
  return static_cast<int64_t>(count);
}

template <typename Context>
int64_t range_count(const Context& context, double start, double limit, double delta) {
  const double count = std::ceil((limit - start) / delta);
  if (delta == 0 || !(count < 0x1p62))
    context.refuse("{} to {} by {} is no finite range", start, limit, delta);
  return std::max<int64_t>(0, static_cast<int64_t>(std::max(count, 0.0)));
}

// The three scalars, when all are there.
template <typename Wide>
std::array<Wide, 3> read_scalars(const Tensor& start, const Tensor& limit, const Tensor& delta) {
  std::array<Wide, 3> values;
  load_elements<Wide>(start, 0, 1, {&values[0], 1});
  load_elements<Wide>(limit, 0, 1, {&values[1], 1});
  load_elements<Wide>(delta, 0, 1, {&values[2], 1});
  return values;
}

void infer_range(InferenceContext& context) {
  const Tensor *start = context.constant(0), *limit = context.constant(1), *delta = context.constant(2);
  for (size_t i = 0; i < 3; ++i) {
    if (!context.has_shape(i)) continue;
    const Dim count = element_count(context.shape(i));
    if (count.is_constant() && count.constant() != 1)
      context.refuse("input {} must be a scalar, it is {}", i, to_string(context.shape(i)));
  }
  Dim length = context.fresh_dim("count");
  if (start != nullptr && limit != nullptr && delta != nullptr) {
    if (is_float(context.dtype(0))) {
      const auto [from, to, by] = read_scalars<double>(*start, *limit, *delta);
      length = range_count(context, from, to, by);
    } else {
      const auto [from, to, by] = read_scalars<int64_t>(*start, *limit, *delta);
      length = range_count(context, from, to, by);
    }
  }
  context.set_output(0, context.dtype(0), Shape{length});
}

template <typename Wide>
void write_range(KernelContext& context) {
  for (size_t i = 0; i < 3; ++i) {
    if (context.input(i).count() != 1)
      context.refuse("input {} must be a scalar, it is {}", i, to_string(context.input(i).dims()));
  }
  const auto [start, limit, delta] = read_scalars<Wide>(context.input(0), context.input(1), context.input(2));
  const Tensor& out =
      context.allocate_output(0, context.input(0).dtype(), {range_count(context, start, limit, delta)});
  for (int64_t i = 0; i < out.count(); ++i) {
    const Wide value = start + static_cast<Wide>(i) * delta;
    store_elements<Wide>(out, i, 1, {&value, 1});
  }
}

void range_reference(KernelContext& context) {
  is_float(context.input(0).dtype()) ? write_range<double>(context) : write_range<int64_t>(context);
}

void infer_constant_of_shape(InferenceContext& context) {
  const Tensor* value = context.node().tensor_attribute("value");
  if (value != nullptr && value->count() != 1)
    context.refuse("value must hold one element, it is {}", to_string(value->dims()));
  const DType dtype = value == nullptr ? DType::kF32 : value->dtype();
  if (!kViewableTypes.contains(dtype))
    context.refuse("value is {}, which the operator does not take", dtype_name(dtype));
  if (const auto dims = context.constant_ints(0)) {
    for (const int64_t dim : *dims) {
      if (dim < 0) context.refuse("input {} has a negative dim", to_string(*dims));
    }
    return context.set_output(0, dtype, to_shape(*dims));
  }
  if (!context.has_shape(0) || context.shape(0).size() != 1 || !context.shape(0)[0].is_constant()) {
    return context.set_output(0, dtype, std::nullopt);
  }
  context.set_output(0, dtype, context.fresh_shape(context.shape(0)[0].constant()));
}

void constant_of_shape_reference(KernelContext& context) {
  const Tensor* value = context.node().tensor_attribute("value");
  const Tensor& out = context.allocate_output(0, value == nullptr ? DType::kF32 : value->dtype(),
                                              read_integers(context.input(0)));
  if (out.count() == 0) return;
  if (value == nullptr) {
    std::fill(out.bytes().begin(), out.bytes().end(), std::byte{0});
  } else if (is_packed(out.dtype())) {
    const uint8_t code = unpack_codes(*value).values<uint8_t>()[0];
    const Tensor codes = Tensor::host(DType::kU8, out.dims());
    std::fill(codes.values<uint8_t>().begin(), codes.values<uint8_t>().end(), code);
    pack_codes(codes, out);
  } else {
    copy_run(out, 0, 1, *value, 0, 0, out.count());
  }
}

// The tensor that a Constant stands for. Errors through `context` unless there is just one attribute.
template <typename Context>
Tensor constant_value(const Context& context) {
  const Node& node = context.node();
  if (node.attributes.size() != 1)
    context.refuse("has {} attributes; it takes one of value, value_int, …", node.attributes.size());
  if (const Tensor* value = node.tensor_attribute("value")) return *value;
  if (node.has_attribute("value_int")) {
    const int64_t value = node.int_attribute("value_int");
    return Tensor::of<int64_t>(DType::kI64, {}, {&value, 1});
  }
  if (node.has_attribute("value_float")) {
    const float value = node.float_attribute("value_float", 0);
    return Tensor::of<float>(DType::kF32, {}, {&value, 1});
  }
  if (node.has_attribute("value_ints")) {
    const auto values = node.ints_attribute("value_ints");
    return Tensor::of<int64_t>(DType::kI64, {static_cast<int64_t>(values.size())}, values);
  }
  if (node.has_attribute("value_string"))
    return make_strings({}, {node.string_attribute("value_string", "")});
  if (node.has_attribute("value_strings")) {
    const auto texts = node.strings_attribute("value_strings");
    return make_strings({static_cast<int64_t>(texts.size())}, texts);
  }
  const auto values = node.floats_attribute("value_floats");
  return Tensor::of<float>(DType::kF32, {static_cast<int64_t>(values.size())}, values);
}

void infer_constant(InferenceContext& context) {
  const Tensor value = constant_value(context);
  context.set_output(0, value.dtype(), to_shape(value.dims()));
}

void constant_reference(KernelContext& context) {
  const Tensor value = constant_value(context);
  context.view_output(0, value, value.dims());
}

constexpr DTypeSet kRangeTypes = kFloatTypes | DTypeSet{DType::kI16, DType::kI32, DType::kI64};

}  // namespace

// The dims start … end - 1 of data (all by default; below 0 from the end), [n] i64.
extern constinit const OpSchema kShape = {
    .domain = "",
    .op = "Shape",
    .since_version = 25,
    .inputs = {{"data", "T", kViewableTypes | kBlockTypes}},
    .outputs = {{"shape", "T1", {DType::kI64}}},
    .attributes = {{"start", AttributeKind::kInt}, {"end", AttributeKind::kInt}},
    .infer = infer_shape,
    .reference = shape_reference,
};

// How many elements data has, a scalar i64.
extern constinit const OpSchema kSize = {
    .domain = "",
    .op = "Size",
    .since_version = 25,
    .inputs = {{"data", "T", kViewableTypes | kBlockTypes}},
    .outputs = {{"size", "T1", {DType::kI64}}},
    .attributes = {},
    .infer = infer_size,
    .reference = size_reference,
};

// start, start + delta, … before limit. Floats are computed in double, whatever precision stash_type asks for
// at least.
extern constinit const OpSchema kRange = {
    .domain = "",
    .op = "Range",
    .since_version = 27,
    .inputs = {{"start", "T", kRangeTypes}, {"limit", "T", kRangeTypes}, {"delta", "T", kRangeTypes}},
    .outputs = {{"output", "T", kRangeTypes}},
    .attributes = {{"stash_type", AttributeKind::kInt}},
    .infer = infer_range,
    .reference = range_reference,
};

// An array of the dims that input [n] i64 lists, every element the one of `value` (f32 0 by default).
extern constinit const OpSchema kConstantOfShape = {
    .domain = "",
    .op = "ConstantOfShape",
    .since_version = 25,
    .inputs = {{"input", "T1", {DType::kI64}}},
    .outputs = {{"output", "T2", kViewableTypes}},
    .attributes = {{"value", AttributeKind::kTensor}},
    .infer = infer_constant_of_shape,
    .reference = constant_of_shape_reference,
};

// The value of its one attribute.
extern constinit const OpSchema kConstant = {
    .domain = "",
    .op = "Constant",
    .since_version = 25,
    .inputs = {},
    .outputs = {{"output", "T", kViewableTypes}},
    .attributes = {{"value", AttributeKind::kTensor},
                   {"value_int", AttributeKind::kInt},
                   {"value_ints", AttributeKind::kInts},
                   {"value_float", AttributeKind::kFloat},
                   {"value_floats", AttributeKind::kFloats},
                   {"value_string", AttributeKind::kString},
                   {"value_strings", AttributeKind::kStrings}},
    .infer = infer_constant,
    .reference = constant_reference,
};

}  // namespace oag
