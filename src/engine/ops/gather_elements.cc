// GatherElements, GatherND, ScatterElements and ScatterND: elements picked and replaced by index.
#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr DTypeSet kIndexTypes = {DType::kI32, DType::kI64};

// An index within [-limit, limit) made non-negative.
int64_t checked_index(const KernelContext& context, int64_t index, int64_t limit) {
  if (index < -limit || index >= limit) context.refuse("index {} is outside [-{}, {})", index, limit, limit);
  return index < 0 ? index + limit : index;
}

// For each element of `indices`: the place in data that it and its own position name.
std::vector<int64_t> element_places(const KernelContext& context, const Tensor& data, const Tensor& indices) {
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", 0), data.rank());
  bool fits = indices.rank() == data.rank();
  for (size_t d = 0; fits && d < data.rank(); ++d) fits = d == axis || indices.dim(d) <= data.dim(d);
  if (!fits)
    context.refuse("indices {} reach beyond data {}", to_string(indices.dims()), to_string(data.dims()));
  const Strides strides = dense_strides(data.dims());
  std::vector<int64_t> places = read_integers(indices);
  for (size_t i = 0; i < places.size(); ++i) {
    int64_t place = checked_index(context, places[i], data.dim(axis)) * strides[axis];
    auto rest = static_cast<int64_t>(i);
    for (size_t d = indices.rank(); d-- > 0; rest /= indices.dim(d)) {
      if (d != axis) place += rest % indices.dim(d) * strides[d];
    }
    places[i] = place;
  }
  return places;
}

// Rows of indices name blocks of data: the rank of a block, and where each one starts.
struct Blocks {
  Blocks(const KernelContext& context, const Tensor& data, const Tensor& indices, size_t batch_dims) {
    const auto depth = static_cast<size_t>(indices.rank() == 0 ? 0 : indices.dim(indices.rank() - 1));
    bool fits = indices.rank() > batch_dims && data.rank() >= batch_dims && depth <= data.rank() - batch_dims;
    for (size_t d = 0; fits && d < batch_dims; ++d) fits = data.dim(d) == indices.dim(d);
    if (!fits) {
      context.refuse("indices {} do not fit data {} with {} batch dims", to_string(indices.dims()),
                     to_string(data.dims()), batch_dims);
    }
    rank = data.rank() - batch_dims - depth;
    size = element_count(Dims(data.dims().end() - static_cast<std::ptrdiff_t>(rank), data.dims().end()));
    const Strides strides = dense_strides(data.dims());
    const auto split = indices.dims().begin() + static_cast<std::ptrdiff_t>(batch_dims);
    const int64_t rows = element_count(Dims(split, indices.dims().end() - 1));
    const std::vector<int64_t> values = read_integers(indices);
    starts.resize(static_cast<size_t>(element_count(Dims(indices.dims().begin(), indices.dims().end() - 1))));
    for (size_t i = 0; i < starts.size(); ++i) {
      const int64_t batch = static_cast<int64_t>(i) / rows;
      int64_t start = batch_dims == 0 ? 0 : batch * strides[batch_dims - 1];
      for (size_t k = 0; k < depth; ++k) {
        start +=
            checked_index(context, values[i * depth + k], data.dim(batch_dims + k)) * strides[batch_dims + k];
      }
      starts[i] = start;
    }
  }
  size_t rank = 0;
  int64_t size = 1;
  std::vector<int64_t> starts;
};

void infer_gather_elements(InferenceContext& context) {
  if (context.has_shape(0)) {
    const Shape& data = context.shape(0);
    normalize_axis(context, context.node().int_attribute("axis", 0), data.size());
    if (context.has_shape(1) && context.shape(1).size() != data.size()) {
      context.refuse("data {} and indices {} differ in rank", to_string(data), to_string(context.shape(1)));
    }
  }
  context.set_output(0, context.dtype(0), context.type(1).shape);
}

// Copies `size` elements from each start to a dense output, whose count is starts.size() * size.
void copy_blocks(const Tensor& data, const Tensor& out, const std::vector<int64_t>& starts, int64_t size) {
  for (size_t i = 0; i < starts.size() && size > 0; ++i)
    copy_run(out, static_cast<int64_t>(i) * size, 1, data, starts[i], 1, size);
}

void gather_elements_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  const Tensor& indices = context.input(1);
  const auto places = element_places(context, data, indices);
  copy_blocks(data, context.allocate_output(0, data.dtype(), indices.dims()), places, 1);
}

int64_t batch_dims_of(const Node& node) {
  return std::clamp<int64_t>(node.int_attribute("batch_dims", 0), 0, 1 << 20);
}

void infer_gather_nd(InferenceContext& context) {
  const auto batch = static_cast<size_t>(batch_dims_of(context.node()));
  if (!context.has_shape(0) || !context.has_shape(1) || context.shape(1).empty() ||
      !context.shape(1).back().is_constant()) {
    return context.set_output(0, context.dtype(0), std::nullopt);
  }
  const Shape& data = context.shape(0);
  const Shape& indices = context.shape(1);
  const int64_t depth = indices.back().constant();
  if (indices.size() <= batch || batch > data.size() || depth > static_cast<int64_t>(data.size() - batch)) {
    context.refuse("indices {} do not fit data {} with {} batch dims", to_string(indices), to_string(data),
                   batch);
  }
  Shape out(indices.begin(), indices.end() - 1);
  out.insert(out.end(), data.begin() + static_cast<std::ptrdiff_t>(batch) + depth, data.end());
  context.set_output(0, context.dtype(0), std::move(out));
}

void gather_nd_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  const Tensor& indices = context.input(1);
  const Blocks blocks(context, data, indices, static_cast<size_t>(batch_dims_of(context.node())));
  Dims dims(indices.dims().begin(), indices.dims().end() - 1);
  dims.insert(dims.end(), data.dims().end() - static_cast<std::ptrdiff_t>(blocks.rank), data.dims().end());
  copy_blocks(data, context.allocate_output(0, data.dtype(), dims), blocks.starts, blocks.size);
}

void infer_scatter(InferenceContext& context) {
  const std::string reduction = context.node().string_attribute("reduction", "none");
  const bool known = reduction == "none" || reduction == "add" || reduction == "mul" || reduction == "max" ||
                     reduction == "min";
  if (!known) context.refuse("reduction is \"{}\"; it must be none, add, mul, max or min", reduction);
  if (reduction != "none" && !kNumericTypes.contains(context.dtype(0))) {
    context.refuse("reduction {} needs numbers, data is {}", reduction, dtype_name(context.dtype(0)));
  }
  context.set_output(0, context.dtype(0), context.type(0).shape);
}

template <typename Wide>
Wide combine(const std::string& reduction, Wide a, Wide b) {
  if (reduction == "max") return a > b || is_nan(a) ? a : b;
  if (reduction == "min") return a < b || is_nan(a) ? a : b;
  if constexpr (std::is_integral_v<Wide>) {
    const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    return static_cast<Wide>(reduction == "add" ? x + y : x * y);
  } else {
    return reduction == "add" ? a + b : a * b;
  }
}

// Writes blocks of `size` elements of updates to out at `starts`, in order, combined with what is there.
void scatter_blocks(KernelContext& context, const Tensor& out, const Tensor& updates,
                    const std::vector<int64_t>& starts, int64_t size) {
  const std::string reduction = context.node().string_attribute("reduction", "none");
  if (reduction == "none") {
    for (size_t i = 0; i < starts.size() && size > 0; ++i)
      copy_run(out, starts[i], 1, updates, static_cast<int64_t>(i) * size, 1, size);
    return;
  }
  visit_wide(out.dtype(), [&](auto wide) {
    using Wide = decltype(wide);
    std::vector<Wide> have(static_cast<size_t>(size)), add(have.size());
    for (size_t i = 0; i < starts.size(); ++i) {
      load_elements<Wide>(out, starts[i], 1, have);
      load_elements<Wide>(updates, static_cast<int64_t>(i) * size, 1, add);
      for (size_t k = 0; k < have.size(); ++k) have[k] = combine(reduction, have[k], add[k]);
      store_elements<Wide>(out, starts[i], 1, have);
    }
  });
}

const Tensor& copy_of_data(KernelContext& context) {
  const Tensor& data = context.input(0);
  const Tensor& out = context.allocate_output(0, data.dtype(), data.dims());
  copy_run(out, 0, 1, data, 0, 1, data.count());
  return out;
}

void scatter_elements_reference(KernelContext& context) {
  const Tensor& indices = context.input(1);
  const Tensor& updates = context.input(2);
  if (indices.dims() != updates.dims()) {
    context.refuse("indices {} and updates {} differ", to_string(indices.dims()), to_string(updates.dims()));
  }
  const auto places = element_places(context, context.input(0), indices);
  scatter_blocks(context, copy_of_data(context), updates, places, 1);
}

void scatter_nd_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  const Tensor& indices = context.input(1);
  const Tensor& updates = context.input(2);
  const Blocks blocks(context, data, indices, 0);
  Dims wanted(indices.dims().begin(), indices.dims().end() - 1);
  wanted.insert(wanted.end(), data.dims().end() - static_cast<std::ptrdiff_t>(blocks.rank),
                data.dims().end());
  if (updates.dims() != wanted)
    context.refuse("updates {} must be {}", to_string(updates.dims()), to_string(wanted));
  scatter_blocks(context, copy_of_data(context), updates, blocks.starts, blocks.size);
}

}  // namespace

// output[i…] = data[i… with coordinate `axis` replaced by indices[i…]], of the dims of indices.
extern constinit const OpSchema kGatherElements = {
    .domain = "",
    .op = "GatherElements",
    .since_version = 13,
    .inputs = {{"data", "T", kMovableTypes}, {"indices", "Tind", kIndexTypes}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {{"axis", AttributeKind::kInt}},
    .infer = infer_gather_elements,
    .reference = gather_elements_reference,
};

// Rows of indices [batch…, n…, k] name blocks of data [batch…, …]: their first k coordinates after the batch
// dims.
extern constinit const OpSchema kGatherND = {
    .domain = "",
    .op = "GatherND",
    .since_version = 13,
    .inputs = {{"data", "T", kMovableTypes}, {"indices", "", {DType::kI64}}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {{"batch_dims", AttributeKind::kInt}},
    .infer = infer_gather_nd,
    .reference = gather_nd_reference,
};

// data with elements replaced by, or combined with (reduction: add, mul, max, min), those of updates, placed
// as GatherElements reads and, for ScatterND, in blocks as GatherND does.
extern constinit const OpSchema kScatterElements = {
    .domain = "",
    .op = "ScatterElements",
    .since_version = 18,
    .inputs = {{"data", "T", kMovableTypes},
               {"indices", "Tind", kIndexTypes},
               {"updates", "T", kMovableTypes}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {{"axis", AttributeKind::kInt}, {"reduction", AttributeKind::kString}},
    .infer = infer_scatter,
    .reference = scatter_elements_reference,
};

extern constinit const OpSchema kScatterND = {
    .domain = "",
    .op = "ScatterND",
    .since_version = 18,
    .inputs = {{"data", "T", kMovableTypes}, {"indices", "", {DType::kI64}}, {"updates", "T", kMovableTypes}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {{"reduction", AttributeKind::kString}},
    .infer = infer_scatter,
    .reference = scatter_nd_reference,
};

}  // namespace oag
