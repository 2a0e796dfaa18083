// Pad and Tile: arrays made larger around, or by repetition.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr DTypeSet kIndexTypes = {DType::kI32, DType::kI64};
constexpr int64_t kFill = -1;  // no place in the input

// Elements before and after each dim; negative ones crop. `pads` lists them for `axes`, all befores first.
template <typename Context>
std::vector<std::pair<int64_t, int64_t>> padding(const Context& context, const std::vector<int64_t>& pads,
                                                 const std::optional<std::vector<int64_t>>& axes,
                                                 size_t rank) {
  const size_t named = axes ? axes->size() : rank;
  if (pads.size() != 2 * named) context.refuse("pads {} must have {} entries", to_string(pads), 2 * named);
  std::vector<std::pair<int64_t, int64_t>> result(rank, {0, 0});
  for (size_t i = 0; i < named; ++i) {
    const auto axis = axes ? static_cast<size_t>(normalize_axis(context, (*axes)[i], rank)) : i;
    result[axis] = {pads[i], pads[named + i]};
  }
  return result;
}

void infer_pad(InferenceContext& context) {
  const std::string mode = context.node().string_attribute("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    context.refuse("mode is \"{}\"; it must be constant, reflect, edge or wrap", mode);
  }
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  Shape out = context.shape(0);
  const auto pads = context.constant_ints(1), axes = context.constant_ints(3);
  if (pads && (axes || !context.has_input(3))) {
    const auto around = padding(context, *pads, axes, out.size());
    for (size_t d = 0; d < out.size(); ++d) {
      int64_t sum = 0;
      if (__builtin_add_overflow(around[d].first, around[d].second, &sum))
        context.refuse("pads {} are too large", to_string(*pads));
      out[d] = out[d] + Dim(sum);
      if (out[d].is_constant() && out[d].constant() < 0)
        context.refuse("pads {} crop more than there is", to_string(*pads));
    }
  } else {
    for (size_t d = 0; d < out.size(); ++d) out[d] = context.fresh_dim("d" + std::to_string(d));
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

// Where along one dim each output element comes from.
std::vector<int64_t> dim_places(const KernelContext& context, const std::string& mode, int64_t dim,
                                std::pair<int64_t, int64_t> around) {
  int64_t length = 0;
  if (__builtin_add_overflow(dim, around.first, &length) ||
      __builtin_add_overflow(length, around.second, &length) || length < 0) {
    context.refuse("pads {} and {} do not fit a dim of {}", around.first, around.second, dim);
  }
  if (mode != "constant" && dim == 0 && length > 0) context.refuse("mode {} cannot pad a dim of 0", mode);
  const int64_t period = mode == "reflect" ? std::max<int64_t>(1, 2 * (dim - 1)) : dim;
  Tensor::host(DType::kI64, {length});  // refuses absurd lengths before they are filled
  std::vector<int64_t> places(static_cast<size_t>(length));
  for (int64_t i = 0; i < length; ++i) {
    int64_t at = i - around.first;
    if (at < 0 || at >= dim) {
      const int64_t turn = mode == "constant" ? 0 : (at % period + period) % period;
      if (mode == "constant") at = kFill;
      if (mode == "edge") at = std::clamp<int64_t>(at, 0, dim - 1);
      if (mode == "wrap") at = turn;
      if (mode == "reflect") at = turn < dim ? turn : period - turn;
    }
    places[static_cast<size_t>(i)] = at;
  }
  return places;
}

// One element: what constant_value holds, or else 0 or the empty string.
Tensor fill_value(const KernelContext& context) {
  if (context.has_input(2)) {
    if (context.input(2).count() != 1) context.refuse("constant_value must hold one element");
    const Tensor& value = context.input(2);
    return is_packed(value.dtype()) ? unpack_codes(value) : value;
  }
  const DType dtype = context.input(0).dtype();
  return zero_element(is_packed(dtype) ? DType::kU8 : dtype);
}

void pad_reference(KernelContext& context) {
  const bool packed = is_packed(context.input(0).dtype());
  const Tensor data = packed ? unpack_codes(context.input(0)) : context.input(0);
  const std::string mode = context.node().string_attribute("mode", "constant");
  std::optional<std::vector<int64_t>> axes;
  if (context.has_input(3)) axes = read_integers(context.input(3));
  const auto around = padding(context, read_integers(context.input(1)), axes, data.rank());
  Dims dims;
  std::vector<std::vector<int64_t>> places;
  for (size_t d = 0; d < data.rank(); ++d) {
    places.push_back(dim_places(context, mode, data.dim(d), around[d]));
    dims.push_back(static_cast<int64_t>(places.back().size()));
  }
  if (data.rank() == 0) places.push_back({0});
  const Tensor& result = context.allocate_output(0, context.input(0).dtype(), dims);
  if (result.count() == 0) return;
  const Tensor out = packed ? Tensor::host(DType::kU8, dims) : result;
  const Tensor fill = fill_value(context);
  const Strides strides = dense_strides(data.dims());
  const auto row = static_cast<int64_t>(places.back().size());
  context.env().parallel_for(out.count() / row, row, [&](int64_t tile, int) {
    int64_t start = 0, rest = tile;
    for (size_t d = dims.size(); d-- > 1;) {
      const int64_t place = places[d - 1][static_cast<size_t>(rest % dims[d - 1])];
      start = start == kFill || place == kFill ? kFill : start + place * strides[d - 1];
      rest /= dims[d - 1];
    }
    int64_t target = tile * row;
    for (const int64_t place : places.back()) {
      const bool inside = start != kFill && place != kFill;
      copy_run(out, target++, 1, inside ? data : fill, inside ? start + place : 0, 1, 1);
    }
  });
  if (packed) pack_codes(out, result);
}

void infer_tile(InferenceContext& context) {
  if (!context.has_shape(0)) return context.set_output(0, context.dtype(0), std::nullopt);
  Shape out = context.shape(0);
  const auto repeats = context.constant_ints(1);
  if (repeats && repeats->size() != out.size()) {
    context.refuse("repeats {} must have one entry for each dim of {}", to_string(*repeats), to_string(out));
  }
  for (size_t d = 0; d < out.size(); ++d) {
    if (repeats && (*repeats)[d] < 0) context.refuse("repeats {} has a negative entry", to_string(*repeats));
    out[d] = repeats ? out[d] * Dim((*repeats)[d]) : context.fresh_dim("d" + std::to_string(d));
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

void tile_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const auto repeats = read_integers(context.input(1));
  if (repeats.size() != in.rank()) {
    context.refuse("repeats {} must have one entry for each dim of {}", to_string(repeats),
                   to_string(in.dims()));
  }
  const Strides dense = dense_strides(in.dims());
  Dims dims = in.dims(), split_dims;
  Strides strides;
  for (size_t d = 0; d < in.rank();
       ++d) {  // the copies are a dim of their own, along which the input stands still
    if (repeats[d] < 0 || __builtin_mul_overflow(dims[d], repeats[d], &dims[d])) {
      context.refuse("repeats {} do not fit {}", to_string(repeats), to_string(in.dims()));
    }
    split_dims.insert(split_dims.end(), {repeats[d], in.dim(d)});
    strides.insert(strides.end(), {0, dense[d]});
  }
  const Tensor& out = context.allocate_output(0, in.dtype(), dims);
  copy_strided(context.env(), out.reshaped(split_dims), in, 0, strides);
}

}  // namespace

// pads [2n] i64: elements before each of the n axes (default: all), then after; negative ones crop. mode:
// constant (constant_value, default 0), reflect, edge or wrap.
extern constinit const OpSchema kPad = {
    .domain = "",
    .op = "Pad",
    .since_version = 25,
    .inputs = {{"data", "T", kViewableTypes},
               {"pads", "", {DType::kI64}},
               {"constant_value", "T", kViewableTypes, true},
               {"axes", "Tind", kIndexTypes, true}},
    .outputs = {{"output", "T", kViewableTypes}},
    .attributes = {{"mode", AttributeKind::kString}},
    .infer = infer_pad,
    .reference = pad_reference,
};

// The input repeats[d] times along each dim d.
extern constinit const OpSchema kTile = {
    .domain = "",
    .op = "Tile",
    .since_version = 13,
    .inputs = {{"input", "T", kMovableTypes}, {"repeats", "T1", {DType::kI64}}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {},
    .infer = infer_tile,
    .reference = tile_reference,
};

}  // namespace oag
