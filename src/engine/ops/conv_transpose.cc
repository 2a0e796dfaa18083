// ConvTranspose: each input element adds its multiple of the weights to the output.
#include <algorithm>
#include <vector>

#include "engine/ops/column_product.h"
#include "engine/ops/conv_columns.h"
#include "engine/ops/conv_transpose_sizes.h"
#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

void infer_conv_transpose(InferenceContext& context) {
  context.set_output(0, context.dtype(0), std::nullopt);
  if (!context.has_shape(0) || !context.has_shape(1)) return;
  const Shape& x = context.shape(0);
  const Shape& w = context.shape(1);
  if (x.size() < 2 || w.size() != x.size())
    context.refuse("X {} and W {} must be [N, C, spatial …] and [C, M / group, kernel …]", to_string(x),
                   to_string(w));
  Shape out = {x[0], w[1] * Dim(context.node().int_attribute("group", 1))};
  std::vector<int64_t> kernel;
  for (size_t d = 2; d < w.size() && w[d].is_constant(); ++d) kernel.push_back(w[d].constant());
  if (kernel.size() + 2 != x.size()) kernel = context.node().ints_attribute("kernel_shape");
  if (kernel.empty() && x.size() > 2) {
    for (const Dim& dim : context.fresh_shape(static_cast<int64_t>(x.size()) - 2)) out.push_back(dim);
  } else {
    if (kernel.size() + 2 != x.size())
      context.refuse("kernel_shape {} must have {} entries", to_string(kernel), x.size() - 2);
    const TransposedWindows windows(context, kernel);
    for (size_t d = 0; d < kernel.size(); ++d) out.push_back(windows.length(d, x[d + 2]));
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

// W [C, M / group, kernel…] as [group, M / group, C / group, kernel…].
std::span<double> turned_weights(KernelEnv& env, const Tensor& w, const ColumnProduct& product) {
  const std::span<double> plain = widened(env, w), turned = workspace_of(env, w.count());
  const int64_t channels = w.dim(0) / product.groups;
  const int64_t taps = channels == 0 ? 0 : product.terms / channels;
  const bool done = env.parallel_for(product.groups * product.rows, product.terms, [&](int64_t i, int) {
    const int64_t group = i / product.rows, m = i % product.rows;
    for (int64_t c = 0; c < channels; ++c)
      std::copy_n(plain.data() + ((group * channels + c) * product.rows + m) * taps, taps,
                  turned.data() + (i * channels + c) * taps);
  });
  return done ? turned : std::span<double>();
}

void conv_transpose_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Tensor& w = context.input(1);
  const ConvTransposeSizes sizes(context);
  const Dims& dims = sizes.out_dims;
  const Dims spatial(dims.begin() + 2, dims.end());
  const Tensor& y = context.allocate_output(0, x.dtype(), dims);
  if (y.count() == 0) return;
  const ColumnProduct product = {
      x.dim(0), sizes.groups, w.dim(1),
      x.dim(1) / sizes.groups * element_count(Dims(w.dims().begin() + 2, w.dims().end())),
      element_count(spatial)};
  std::vector<double> bias(static_cast<size_t>(dims[1]), 0.0);
  if (context.has_input(2)) load_elements<double>(context.input(2), 0, 1, bias);
  const std::span<double> values = widened(context.env(), x),
                          weights = turned_weights(context.env(), w, product);
  if (context.env().should_stop()) return;
  const WindowColumns columns(x.dims(), spatial, sizes.axes, sizes.groups, true);
  product.run(
      context.env(), weights,
      [&](const ColumnProduct::Piece& piece, std::span<double> out) { columns.fill(values, piece, out); },
      [&](int64_t n, int64_t m, int64_t first, std::span<double> sums) {
        for (double& sum : sums) sum += bias[static_cast<size_t>(m)];
        store_elements<double>(y, (n * dims[1] + m) * product.positions + first, 1, sums);
      });
}

}  // namespace

// The gradient of Conv: Y [N, M, spatial…] from X [N, C, spatial…] and W [C, M / group, kernel…]. An output
// is stride · (input - 1) + extent + output_padding - pads long, or as output_shape says.
extern constinit const OpSchema kConvTranspose = {
    .domain = "",
    .op = "ConvTranspose",
    .since_version = 22,
    .inputs = {{"X", "T", kFloatTypes}, {"W", "T", kFloatTypes}, {"B", "T", kFloatTypes, true}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {{"auto_pad", AttributeKind::kString},
                   {"dilations", AttributeKind::kInts},
                   {"group", AttributeKind::kInt},
                   {"kernel_shape", AttributeKind::kInts},
                   {"output_padding", AttributeKind::kInts},
                   {"output_shape", AttributeKind::kInts},
                   {"pads", AttributeKind::kInts},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_conv_transpose,
    .reference = conv_transpose_reference,
};

}  // namespace oag
