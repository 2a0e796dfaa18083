// Gather: rows of a table by index, tables of quantised rows included.
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"
#include "engine/tensor/block_format.h"

namespace oag {
namespace {

constexpr DTypeSet kIndexTypes = {DType::kI32, DType::kI64};

void infer_gather(InferenceContext& context) {
  const bool blocks = is_block_format(context.dtype(0));
  const DType dtype = blocks ? DType::kF32 : context.dtype(0);
  if (!context.has_shape(0) || !context.has_shape(1)) {
    if (blocks) context.refuse("a {} table needs a known shape", dtype_name(context.dtype(0)));
    return context.set_output(0, dtype, std::nullopt);
  }
  const Shape& data = context.shape(0);
  const Shape& indices = context.shape(1);
  if (data.empty()) context.refuse("data is a scalar; it needs at least one dim");
  const auto axis = normalize_axis(context, context.node().int_attribute("axis", 0), data.size());
  if (blocks && (data.size() != 2 || axis != 0)) {
    context.refuse("a {} table must be [rows, values] and gathered on axis 0, it is {} on axis {}",
                   dtype_name(context.dtype(0)), to_string(data), axis);
  }
  Shape out(data.begin(), data.begin() + axis);
  out.insert(out.end(), indices.begin(), indices.end());
  out.insert(out.end(), data.begin() + axis + 1, data.end());
  context.set_output(0, dtype, std::move(out));
}

// Indices count from the end when negative.
std::vector<int64_t> read_indices(const KernelContext& context, const Tensor& tensor, int64_t limit) {
  std::vector<int64_t> indices(static_cast<size_t>(tensor.count()));
  load_elements<int64_t>(tensor, 0, 1, indices);
  for (int64_t& index : indices) {
    if (index < -limit || index >= limit)
      context.refuse("index {} is outside [-{}, {})", index, limit, limit);
    if (index < 0) index += limit;
  }
  return indices;
}

void gather_reference(KernelContext& context) {
  const Tensor& data = context.input(0);
  const size_t axis = normalize_axis(context, context.node().int_attribute("axis", 0), data.rank());
  const Dims& dims = data.dims();
  const auto indices = read_indices(context, context.input(1), dims[axis]);
  const auto split = dims.begin() + static_cast<std::ptrdiff_t>(axis);
  Dims out_dims(dims.begin(), split);
  out_dims.insert(out_dims.end(), context.input(1).dims().begin(), context.input(1).dims().end());
  out_dims.insert(out_dims.end(), split + 1, dims.end());

  const int64_t before = element_count(Dims(dims.begin(), split)),
                after = element_count(Dims(split + 1, dims.end()));
  const bool blocks = is_block_format(data.dtype());
  const Tensor& out = context.allocate_output(0, blocks ? DType::kF32 : data.dtype(), out_dims);
  if (out.count() == 0) return;
  const auto chosen = static_cast<int64_t>(indices.size());
  context.env().parallel_for(before * chosen, after, [&](int64_t tile, int) {
    const int64_t from = tile / chosen * dims[axis] + indices[static_cast<size_t>(tile % chosen)];
    if (!blocks) return copy_run(out, tile * after, 1, data, from * after, 1, after);
    const size_t row = row_bytes(data.dtype(), after);
    decode_blocks(data.dtype(), data.bytes().subspan(static_cast<size_t>(from) * row, row),
                  out.values<float>().subspan(static_cast<size_t>(tile * after), static_cast<size_t>(after)));
  });
}

}  // namespace

// output = data with dim `axis` replaced by the dims of indices, which pick along it. data may be a table
// [rows, values] in a block format: then axis is 0 and the output f32. Errors at run time: an index outside
// [-d, d).
extern constinit const OpSchema kGather = {
    .domain = "",
    .op = "Gather",
    .since_version = 13,
    .inputs = {{"data", "T", kMovableTypes | kBlockTypes}, {"indices", "Tind", kIndexTypes}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {{"axis", AttributeKind::kInt}},
    .infer = infer_gather,
    .reference = gather_reference,
};

}  // namespace oag
