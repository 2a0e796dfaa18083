// Sequences of tensors. What stands in one never changes: it is shared by all sequences and values made of
// it.
#include <algorithm>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/element_run.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

constexpr DTypeSet kElementTypes = kMovableTypes | DTypeSet{DType::kString};
constexpr DTypeSet kPositionTypes = {DType::kI32, DType::kI64};

const ValueType& element_type(const InferenceContext& context) {
  const ValueType& type = context.type(0);
  if (type.element == nullptr) context.refuse("input 0 is a sequence of unknown elements");
  return *type.element;
}

std::vector<Tensor> elements(const KernelContext& context) {
  const auto span = elements_of(context.input(0));
  return {span.begin(), span.end()};
}

// Input `i` as a place in [0, limit), counted from `count` when it is negative.
size_t read_position(const KernelContext& context, size_t i, size_t count, size_t limit) {
  const Tensor& tensor = context.input(i);
  if (tensor.count() != 1) context.refuse("position {} must be one integer", to_string(tensor.dims()));
  const int64_t position = read_integers(tensor)[0], end = static_cast<int64_t>(count);
  if (position < -end || position >= static_cast<int64_t>(limit))
    context.refuse("position {} is outside [-{}, {}) of a sequence of {}", position, count, limit, count);
  return static_cast<size_t>(position < 0 ? position + end : position);
}

void infer_construct(InferenceContext& context) {
  ValueType joined = context.type(0);
  for (size_t i = 1; i < context.input_count(); ++i) {
    auto wider = join_types(joined, context.type(i), context.node().name);
    if (!wider)
      context.refuse("input {} is {}, input 0 {}", i, to_string(context.type(i)), to_string(joined));
    joined = std::move(*wider);
  }
  context.set_output_type(0, ValueType::sequence(std::move(joined)));
}

void construct_reference(KernelContext& context) {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < context.input_count(); ++i) tensors.push_back(deep_copy(context.input(i)));
  context.set_output(0, make_sequence(std::move(tensors)));
}

void infer_empty(InferenceContext& context) {
  const auto dtype = dtype_from_onnx(context.node().int_attribute("dtype", 1));
  if (!dtype) context.refuse("dtype {} is no element type", context.node().int_attribute("dtype"));
  context.set_output_type(0, ValueType::sequence(ValueType::tensor(*dtype, std::nullopt)));
}

void empty_reference(KernelContext& context) {
  context.set_output(0, make_sequence({}));
}

void infer_at(InferenceContext& context) {
  ValueType type = element_type(context);
  for (size_t d = 0; type.shape && d < type.shape->size(); ++d) {
    Dim& dim = (*type.shape)[d];
    if (!dim.is_constant()) dim = context.fresh_dim("d" + std::to_string(d));  // elements differ in it
  }
  context.set_output_type(0, std::move(type));
}

void at_reference(KernelContext& context) {
  const auto list = elements_of(context.input(0));
  context.set_output(0, list[read_position(context, 1, list.size(), list.size())]);
}

void infer_insert(InferenceContext& context) {
  auto joined = join_types(element_type(context), context.type(1), context.node().name);
  if (!joined) {
    context.refuse("{} does not go into {}", to_string(context.type(1)), to_string(context.type(0)));
  }
  context.set_output_type(0, ValueType::sequence(std::move(*joined)));
}

void insert_reference(KernelContext& context) {
  std::vector<Tensor> list = elements(context);
  const size_t position =
      context.has_input(2) ? read_position(context, 2, list.size(), list.size() + 1) : list.size();
  list.insert(list.begin() + static_cast<std::ptrdiff_t>(position), deep_copy(context.input(1)));
  context.set_output(0, make_sequence(std::move(list)));
}

void infer_erase(InferenceContext& context) {
  context.set_output_type(0, context.type(0));
}

void erase_reference(KernelContext& context) {
  std::vector<Tensor> list = elements(context);
  if (list.empty()) context.refuse("the sequence is empty");
  const size_t position =
      context.has_input(1) ? read_position(context, 1, list.size(), list.size()) : list.size() - 1;
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(position));
  context.set_output(0, make_sequence(std::move(list)));
}

void infer_length(InferenceContext& context) {
  context.set_output(0, DType::kI64, Shape{});
}

void length_reference(KernelContext& context) {
  context.allocate_output(0, DType::kI64, {}).values<int64_t>()[0] = context.input(0).count();
}

// Split's dim goes when nothing says how long the parts are and keepdims is 0.
bool drops_axis(const auto& context) {
  return !context.has_input(1) && context.node().int_attribute("keepdims", 1) == 0;
}

void infer_split(InferenceContext& context) {
  std::optional<Shape> shape;
  if (context.has_shape(0)) {
    shape = context.shape(0);
    const auto axis = normalize_axis(context, context.node().int_attribute("axis", 0), shape->size());
    if (drops_axis(context)) {
      shape->erase(shape->begin() + axis);
    } else {
      (*shape)[static_cast<size_t>(axis)] = context.has_input(1) ? context.fresh_dim("part") : Dim(1);
    }
  }
  context.set_output_type(0, ValueType::sequence(ValueType::tensor(context.dtype(0), std::move(shape))));
}

// The lengths of the parts of `length`.
std::vector<int64_t> read_parts(const KernelContext& context, int64_t length) {
  if (!context.has_input(1)) return std::vector<int64_t>(static_cast<size_t>(length), 1);
  const Tensor& split = context.input(1);
  if (split.rank() > 1) context.refuse("split {} must be a scalar or one list", to_string(split.dims()));
  std::vector<int64_t> parts = read_integers(split);
  if (split.rank() == 0) {
    const int64_t part = parts[0];
    if (part <= 0) context.refuse("split {} must be above 0", part);
    parts.assign(static_cast<size_t>(length / part), part);
    if (length % part != 0) parts.push_back(length % part);
    return parts;
  }
  int64_t sum = 0;
  for (const int64_t part : parts) {
    if (part < 0 || __builtin_add_overflow(sum, part, &sum))
      context.refuse("split {} has a bad part", to_string(parts));
  }
  if (sum != length)
    context.refuse("split {} does not add up to the {} of the axis", to_string(parts), length);
  return parts;
}

void split_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", 0), in.rank());
  const Lanes lanes(in.dims(), axis);
  const int64_t inner = lanes.step, length = in.dim(axis);
  const int64_t outer = lanes.count / std::max<int64_t>(inner, 1);
  std::vector<Tensor> made;
  int64_t at = 0;
  for (const int64_t part : read_parts(context, length)) {
    if (context.env().should_stop()) return;
    Dims dims = in.dims();
    dims[axis] = part;
    if (drops_axis(context)) dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
    const Tensor& piece = made.emplace_back(Tensor::host(in.dtype(), std::move(dims)));
    for (int64_t i = 0; i < outer; ++i)
      copy_run(piece, i * part * inner, in, (i * length + at) * inner, part * inner);
    at += part;
  }
  context.set_output(0, make_sequence(std::move(made)));
}

int64_t joined_axis(const auto& context, size_t rank, bool adds) {
  return static_cast<int64_t>(
      normalize_axis(context, context.node().int_attribute("axis"), rank + (adds ? 1 : 0)));
}

void infer_join(InferenceContext& context) {
  const ValueType& element = element_type(context);
  if (!element.shape) return context.set_output(0, element.dtype, std::nullopt);
  const bool adds = context.node().int_attribute("new_axis", 0) != 0;
  Shape out = *element.shape;
  for (size_t d = 0; d < out.size(); ++d) {
    if (!out[d].is_constant()) out[d] = context.fresh_dim("d" + std::to_string(d));
  }
  const auto axis = joined_axis(context, out.size(), adds);
  if (adds) out.insert(out.begin() + axis, 0);
  out[static_cast<size_t>(axis)] = context.fresh_dim("joined");
  context.set_output(0, element.dtype, std::move(out));
}

void join_reference(KernelContext& context) {
  const auto list = elements_of(context.input(0));
  if (list.empty()) context.refuse("the sequence is empty, so the result would have no type");
  const bool adds = context.node().int_attribute("new_axis", 0) != 0;
  Dims dims = list[0].dims();
  const auto axis = static_cast<size_t>(joined_axis(context, dims.size(), adds));
  if (adds) dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  std::vector<int64_t> lengths;
  int64_t total = 0;
  for (const Tensor& tensor : list) {
    Dims have = tensor.dims();
    if (adds && have.size() + 1 == dims.size())
      have.insert(have.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    const int64_t length = have.size() == dims.size() ? have[axis] : 0;
    if (have.size() == dims.size()) have[axis] = dims[axis];
    if (have != dims || tensor.dtype() != list[0].dtype()) {
      context.refuse("element {} {} does not fit {} along axis {}", lengths.size(), to_string(tensor.dims()),
                     to_string(list[0].dims()), axis);
    }
    lengths.push_back(length);
    total += length;
  }
  dims[axis] = total;
  const Tensor& out = context.allocate_output(0, list[0].dtype(), dims);
  int64_t outer = 1, inner = 1;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (d != axis) (d < axis ? outer : inner) *= dims[d];
  }
  context.env().parallel_for(outer, total * inner, [&](int64_t row, int) {
    int64_t at = row * total * inner;
    for (size_t i = 0; i < list.size(); ++i) {
      const int64_t count = lengths[i] * inner;
      copy_run(out, at, list[i], row * count, count);
      at += count;
    }
  });
}

}  // namespace

// The inputs as a sequence.
extern constinit const OpSchema kSequenceConstruct = {
    .domain = "",
    .op = "SequenceConstruct",
    .since_version = 11,
    .inputs = {{"inputs", "T", kElementTypes, false, true}},
    .outputs = {{"output_sequence", "", {}, false, false, kSequenceKind}},
    .attributes = {},
    .infer = infer_construct,
    .reference = construct_reference,
};

// A sequence without elements, for tensors of one element type.
extern constinit const OpSchema kSequenceEmpty = {
    .domain = "",
    .op = "SequenceEmpty",
    .since_version = 11,
    .inputs = {},
    .outputs = {{"output", "", {}, false, false, kSequenceKind}},
    .attributes = {{"dtype", AttributeKind::kInt}},
    .infer = infer_empty,
    .reference = empty_reference,
};

// The element at a position, counted from the end when it is negative.
extern constinit const OpSchema kSequenceAt = {
    .domain = "",
    .op = "SequenceAt",
    .since_version = 11,
    .inputs = {{"input_sequence", "", {}, false, false, kSequenceKind}, {"position", "I", kPositionTypes}},
    .outputs = {{"tensor", "", kElementTypes}},
    .attributes = {},
    .infer = infer_at,
    .reference = at_reference,
};

// The sequence with a tensor put before a position, or at the end.
extern constinit const OpSchema kSequenceInsert = {
    .domain = "",
    .op = "SequenceInsert",
    .since_version = 11,
    .inputs = {{"input_sequence", "", {}, false, false, kSequenceKind},
               {"tensor", "T", kElementTypes},
               {"position", "I", kPositionTypes, true}},
    .outputs = {{"output_sequence", "", {}, false, false, kSequenceKind}},
    .attributes = {},
    .infer = infer_insert,
    .reference = insert_reference,
};

// The sequence without the element at a position, or the last.
extern constinit const OpSchema kSequenceErase = {
    .domain = "",
    .op = "SequenceErase",
    .since_version = 11,
    .inputs = {{"input_sequence", "", {}, false, false, kSequenceKind},
               {"position", "I", kPositionTypes, true}},
    .outputs = {{"output_sequence", "", {}, false, false, kSequenceKind}},
    .attributes = {},
    .infer = infer_erase,
    .reference = erase_reference,
};

extern constinit const OpSchema kSequenceLength = {
    .domain = "",
    .op = "SequenceLength",
    .since_version = 11,
    .inputs = {{"input_sequence", "", {}, false, false, kSequenceKind}},
    .outputs = {{"length", "", {DType::kI64}}},
    .attributes = {},
    .infer = infer_length,
    .reference = length_reference,
};

// Parts along `axis`: of the lengths that split [n] gives, of one length where it is a scalar (the last one
// maybe less), else of length 1, which keepdims = 0 drops.
extern constinit const OpSchema kSplitToSequence = {
    .domain = "",
    .op = "SplitToSequence",
    .since_version = 24,
    .inputs = {{"input", "T", kElementTypes}, {"split", "I", kPositionTypes, true}},
    .outputs = {{"output_sequence", "", {}, false, false, kSequenceKind}},
    .attributes = {{"axis", AttributeKind::kInt}, {"keepdims", AttributeKind::kInt}},
    .infer = infer_split,
    .reference = split_reference,
};

// The elements joined along `axis`, which new_axis adds.
extern constinit const OpSchema kConcatFromSequence = {
    .domain = "",
    .op = "ConcatFromSequence",
    .since_version = 11,
    .inputs = {{"input_sequence", "", {}, false, false, kSequenceKind}},
    .outputs = {{"concat_result", "", kElementTypes}},
    .attributes = {{"axis", AttributeKind::kInt, true}, {"new_axis", AttributeKind::kInt}},
    .infer = infer_join,
    .reference = join_reference,
};

}  // namespace oag
