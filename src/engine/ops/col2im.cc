// Col2Im and MaxUnpool: planes put together from what windows took out of them.
#include <algorithm>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/sliding_window.h"

namespace oag {
namespace {

// --- Col2Im

void infer_col2im(InferenceContext& context) {
  context.set_output(0, context.dtype(0), std::nullopt);
  const auto image = context.constant_ints(1), block = context.constant_ints(2);
  if (!image || !context.has_shape(0)) return;
  const Shape& x = context.shape(0);
  if (x.size() != 3) context.refuse("input {} must be [N, C * block, L]", to_string(x));
  Shape out = {x[0], context.fresh_dim("channels")};
  if (block) out[1] = floor_div(x[1], Dim(std::max<int64_t>(1, element_count(*block))));
  out.insert(out.end(), image->begin(), image->end());
  context.set_output(0, context.dtype(0), std::move(out));
}

// Adds up into one plane what each block of it holds.
template <typename Wide>
void add_blocks(const KernelContext& context, const Tensor& y, const std::vector<WindowAxis>& axes,
                const Dims& windows) {
  const Tensor& x = context.input(0);
  const size_t rank = axes.size();
  const Dims image(y.dims().begin() + 2, y.dims().end());
  const int64_t plane = element_count(image), blocks = x.dim(2);
  int64_t taps = 1;
  for (const WindowAxis& axis : axes) taps *= axis.kernel;
  context.env().parallel_for(y.dim(0) * y.dim(1), taps * blocks * 4, [&](int64_t i, int) {
    std::vector<Wide> sums(static_cast<size_t>(plane), Wide{0}), row(static_cast<size_t>(blocks));
    for (int64_t tap = 0; tap < taps; ++tap) {
      load_elements<Wide>(x, (i * taps + tap) * blocks, 1, row);
      for (int64_t block = 0; block < blocks; ++block) {
        int64_t place = 0, step = 1, tap_rest = tap, rest = block;
        bool inside = true;
        for (size_t d = rank; d-- > 0 && inside;) {
          const int64_t at = rest % windows[d] * axes[d].stride - axes[d].before +
                             tap_rest % axes[d].kernel * axes[d].dilation;
          inside = at >= 0 && at < image[d];
          place += at * step;
          step *= image[d];
          rest /= windows[d];
          tap_rest /= axes[d].kernel;
        }
        if (inside) sums[static_cast<size_t>(place)] += row[static_cast<size_t>(block)];
      }
    }
    store_elements<Wide>(y, i * plane, 1, sums);
  });
}

void col2im_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Dims image = read_integers(context.input(1)), block = read_integers(context.input(2));
  for (const int64_t dim : image) {
    if (dim < 0) context.refuse("image_shape {} has a dim below 0", to_string(image));
  }
  const Windows windows(context.node(), block);
  if (x.rank() != 3 || image.size() != block.size())
    context.refuse("input {}, image_shape {} and block_shape {} do not belong together", to_string(x.dims()),
                   to_string(image), to_string(block));
  Dims dims = {x.dim(0), x.dim(1) / element_count(block)};
  dims.insert(dims.end(), image.begin(), image.end());
  const Dims counts = windows.spatial_counts(dims);
  if (x.dim(1) % element_count(block) != 0 || x.dim(2) != element_count(counts))
    context.refuse("input {} must have a multiple of {} channels and {} blocks", to_string(x.dims()),
                   element_count(block), element_count(counts));
  const Tensor& y = context.allocate_output(0, x.dtype(), dims);
  visit_wide(x.dtype(),
             [&](auto wide) { add_blocks<decltype(wide)>(context, y, windows.settled(dims), counts); });
}

// --- MaxUnpool

// Dims that pooling with these attributes made X from.
template <typename DimList>
DimList unpooled(const Windows& windows, const DimList& x) {
  DimList out = x;
  for (size_t d = 0; d < windows.rank(); ++d) {
    const WindowAxis& axis = windows.axes()[d];
    out[d + 2] = (x[d + 2] - 1) * axis.stride + axis.extent() - (axis.before + axis.after);
  }
  return out;
}

void infer_max_unpool(InferenceContext& context) {
  context.set_output(0, context.dtype(0), std::nullopt);
  const Windows windows(context.node(), context.node().ints_attribute("kernel_shape"));
  if (context.has_input(2)) {
    if (const auto given = context.constant_ints(2))
      return context.set_output(0, context.dtype(0), to_shape(*given));
    if (context.has_shape(0))
      context.set_output(0, context.dtype(0),
                         context.fresh_shape(static_cast<int64_t>(context.shape(0).size())));
    return;
  }
  if (!context.has_shape(0)) return;
  const Shape& x = context.shape(0);
  if (x.size() != windows.rank() + 2)
    context.refuse("X {} must have {} dims", to_string(x), windows.rank() + 2);
  context.set_output(0, context.dtype(0), unpooled(windows, x));
}

void max_unpool_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Windows windows(context.node(), context.node().ints_attribute("kernel_shape"));
  if (x.rank() != windows.rank() + 2 || context.input(1).dims() != x.dims())
    context.refuse("X {} and I {} must have the same {} dims", to_string(x.dims()),
                   to_string(context.input(1).dims()), windows.rank() + 2);
  const Dims pooled_from = unpooled(windows, x.dims());
  if (std::any_of(pooled_from.begin(), pooled_from.end(), [](int64_t dim) { return dim < 0; }))
    context.refuse("X {} is too small for its pads", to_string(x.dims()));
  const Dims dims = context.has_input(2) ? read_integers(context.input(2)) : pooled_from;
  bool fits = dims.size() == pooled_from.size();
  for (size_t d = 0; fits && d < dims.size(); ++d) fits = dims[d] >= pooled_from[d];
  if (!fits) context.refuse("output_shape {} must be at least {}", to_string(dims), to_string(pooled_from));
  const Tensor& y = context.allocate_output(0, x.dtype(), dims);
  std::fill_n(y.data(), y.size_bytes(), std::byte{0});
  // Indices count the elements of what was pooled, which lies at the start of each dim of the output.
  const auto places = read_integers(context.input(1));
  const int64_t limit = element_count(pooled_from);
  const size_t width = dtype_info(x.dtype()).block_bytes;
  for (size_t i = 0; i < places.size(); ++i) {
    int64_t rest = places[i], place = 0, step = 1;
    if (rest < 0 || rest >= limit)
      context.refuse("index {} is outside the {} elements of {}", rest, limit, to_string(pooled_from));
    for (size_t d = dims.size(); d-- > 0; rest /= pooled_from[d], step *= dims[d])
      place += rest % pooled_from[d] * step;
    std::copy_n(x.data() + i * width, width, y.data() + static_cast<size_t>(place) * width);
  }
}

}  // namespace

// The sums of blocks that overlap: input [N, C · block, L], of L blocks as a window of block_shape takes them
// out of an image of image_shape, gives [N, C, image_shape…].
extern constinit const OpSchema kCol2Im = {
    .domain = "",
    .op = "Col2Im",
    .since_version = 18,
    .inputs = {{"input", "T", kPlainTypes},
               {"image_shape", "", {DType::kI64}},
               {"block_shape", "", {DType::kI64}}},
    .outputs = {{"output", "T", kPlainTypes}},
    .attributes = {{"dilations", AttributeKind::kInts},
                   {"pads", AttributeKind::kInts},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_col2im,
    .reference = col2im_reference,
};

// The elements of X where the indices I of a MaxPool say, zeros elsewhere. output_shape may be larger than
// what was pooled; the rest of it is zeros.
extern constinit const OpSchema kMaxUnpool = {
    .domain = "",
    .op = "MaxUnpool",
    .since_version = 22,
    .inputs = {{"X", "T1", kFloatTypes},
               {"I", "T2", {DType::kI64}},
               {"output_shape", "T2", {DType::kI64}, true}},
    .outputs = {{"output", "T1", kFloatTypes}},
    .attributes = {{"kernel_shape", AttributeKind::kInts, true},
                   {"pads", AttributeKind::kInts},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_max_unpool,
    .reference = max_unpool_reference,
};

}  // namespace oag
