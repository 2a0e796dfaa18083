// MaxRoiPool and RoiAlign: regions of feature maps pooled to one size.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

// Output [regions, C, height, width].
void set_regions(InferenceContext& context, int64_t height, int64_t width) {
  if (height < 1 || width < 1)
    context.refuse("its output would be {} x {}; both must be above 0", height, width);
  if (!context.has_shape(0) || !context.has_shape(1))
    return context.set_output(0, context.dtype(0), std::nullopt);
  if (context.shape(0).size() != 4 || context.shape(1).size() != 2)
    context.refuse("X {} and rois {} must be [N, C, H, W] and [regions, coordinates]",
                   to_string(context.shape(0)), to_string(context.shape(1)));
  context.set_output(0, context.dtype(0), Shape{context.shape(1)[0], context.shape(0)[1], height, width});
}

// rois [regions, columns] in double, all finite, as spatial_scale has to be.
std::vector<double> read_regions(const KernelContext& context, int64_t columns) {
  const Tensor& x = context.input(0);
  const Tensor& rois = context.input(1);
  if (x.rank() != 4 || rois.rank() != 2 || rois.dim(1) != columns)
    context.refuse("X {} and rois {} must be [N, C, H, W] and [regions, {}]", to_string(x.dims()),
                   to_string(rois.dims()), columns);
  std::vector<double> values(static_cast<size_t>(rois.count()));
  load_elements<double>(rois, 0, 1, values);
  for (const double value : values) {
    if (!(std::abs(value) < 1e9))
      context.refuse("rois has {}; coordinates must be finite and below 1e9", value);
  }
  const float scale = context.node().float_attribute("spatial_scale", 1.0f);
  if (!std::isfinite(scale)) context.refuse("spatial_scale is {}; it must be finite", scale);
  return values;
}

int64_t checked_image(const KernelContext& context, double image) {
  const int64_t images = context.input(0).dim(0);
  if (!(image >= 0 && image < static_cast<double>(images)))
    context.refuse("a region is of image {}, but there are {}", image, images);
  return static_cast<int64_t>(image);
}

// --- MaxRoiPool

std::pair<int64_t, int64_t> pooled_shape(const Node& node) {
  const auto shape = node.ints_attribute("pooled_shape");
  return shape.size() == 2 ? std::pair(shape[0], shape[1]) : std::pair<int64_t, int64_t>(0, 0);
}

void infer_max_roi_pool(InferenceContext& context) {
  const auto [height, width] = pooled_shape(context.node());
  set_regions(context, height, width);
}

// Elements [first, end) that bin `i` of `bins` over a region [begin, end] takes, cut off at the map's length.
struct Bin {
  Bin(double begin, double end, int64_t bins, int64_t i, int64_t length) {
    const double size = std::max(end - begin + 1, 1.0) / static_cast<double>(bins);
    const auto limit = static_cast<double>(length);
    first = static_cast<int64_t>(std::clamp(std::floor(static_cast<double>(i) * size) + begin, 0.0, limit));
    last = static_cast<int64_t>(std::clamp(std::ceil(static_cast<double>(i + 1) * size) + begin, 0.0, limit));
  }
  int64_t first, last;
};

void max_roi_pool_reference(KernelContext& context) {
  const auto [height, width] = pooled_shape(context.node());
  if (height < 1 || width < 1) context.refuse("pooled_shape must be two lengths above 0");
  const std::vector<double> rois = read_regions(context, 5);
  const double scale = context.node().float_attribute("spatial_scale", 1.0f);
  const Tensor& x = context.input(0);
  const int64_t channels = x.dim(1), rows = x.dim(2), columns = x.dim(3), regions = context.input(1).dim(0);
  const Tensor& y = context.allocate_output(0, x.dtype(), {regions, channels, height, width});
  for (int64_t r = 0; r < regions; ++r) checked_image(context, rois[static_cast<size_t>(5 * r)]);
  const std::span<const double> values = widened(context.env(), x);
  if (y.count() == 0 || context.env().should_stop()) return;
  const int64_t bins = height * width;
  context.env().parallel_for(regions * channels, rows * columns, [&](int64_t i, int) {
    const double* roi = rois.data() + i / channels * 5;
    const double* plane =
        values.data() + (static_cast<int64_t>(roi[0]) * channels + i % channels) * rows * columns;
    std::vector<double> results(static_cast<size_t>(bins));
    for (int64_t bin = 0; bin < bins; ++bin) {
      const Bin down(std::round(roi[2] * scale), std::round(roi[4] * scale), height, bin / width, rows);
      const Bin across(std::round(roi[1] * scale), std::round(roi[3] * scale), width, bin % width, columns);
      double top = 0;
      bool empty = true;
      for (int64_t row = down.first; row < down.last; ++row) {
        for (int64_t column = across.first; column < across.last; ++column) {
          const double value = plane[row * columns + column];
          if (empty || value > top) top = value;
          empty = false;
        }
      }
      results[static_cast<size_t>(bin)] = top;
    }
    store_elements<double>(y, i * bins, 1, results);
  });
}

// --- RoiAlign

void infer_roi_align(InferenceContext& context) {
  const Node& node = context.node();
  const std::string mode = node.string_attribute("mode", "avg"),
                    transformation = node.string_attribute("coordinate_transformation_mode", "half_pixel");
  if (mode != "avg" && mode != "max") context.refuse("mode is \"{}\"; it must be avg or max", mode);
  if (transformation != "half_pixel" && transformation != "output_half_pixel")
    context.refuse("coordinate_transformation_mode is \"{}\"; it must be half_pixel or output_half_pixel",
                   transformation);
  set_regions(context, node.int_attribute("output_height", 1), node.int_attribute("output_width", 1));
}

// What one sample along a dim reads: two neighbours and their weights.
struct Sample {
  int64_t low = 0, high = 0;
  double low_weight = 0, high_weight = 0;  // both 0 outside the map
};

constexpr double kMostSamples = 1 << 16;  // along one dim of a bin

// The length of a region along one dim and how often each of its `bins` is sampled there.
struct RegionDim {
  RegionDim(const KernelContext& context, double from, double to, bool at_least_1, int64_t bin_count)
      : begin(from), size(at_least_1 ? std::max(to - from, 1.0) : to - from), bins(bin_count) {
    const int64_t ratio = context.node().int_attribute("sampling_ratio", 0);
    const double wanted =
        ratio > 0 ? static_cast<double>(ratio) : std::ceil(size / static_cast<double>(bins));
    if (!(wanted <= kMostSamples))
      context.refuse("a region would be sampled {} times along a dim of a bin; {} are the most", wanted,
                     kMostSamples);
    grid = static_cast<int64_t>(std::max(wanted, 0.0));
  }
  double begin, size;
  int64_t bins, grid = 0;
};

// The samples along one dim of a region, [bins][grid].
struct SampledDim {
  SampledDim(const RegionDim& dim, int64_t length) : grid(dim.grid) {
    const double bin = dim.size / static_cast<double>(dim.bins);
    for (int64_t i = 0; i < dim.bins * grid; ++i) {
      const double place = dim.begin + static_cast<double>(i / grid) * bin +
                           (static_cast<double>(i % grid) + 0.5) * bin / static_cast<double>(grid);
      samples.push_back(sample_at(place, length));
    }
  }

  static Sample sample_at(double place, int64_t length) {
    Sample sample;
    if (!(place >= -1.0 && place <= static_cast<double>(length)) || length == 0) return sample;
    place = std::clamp(place, 0.0, static_cast<double>(length - 1));
    sample.low = static_cast<int64_t>(place);
    sample.high = std::min(sample.low + 1, length - 1);
    sample.high_weight = place - static_cast<double>(sample.low);
    sample.low_weight = 1 - sample.high_weight;
    return sample;
  }

  int64_t grid;
  std::vector<Sample> samples;
};

// One bin of one plane: samples [down.grid x across.grid].
double pool_bin(const double* plane, int64_t columns, const Sample* down, int64_t down_count,
                const Sample* across, int64_t across_count, bool is_max) {
  double sum = 0, top = 0;
  for (int64_t i = 0; i < down_count; ++i) {
    for (int64_t j = 0; j < across_count; ++j) {
      const double* low = plane + down[i].low * columns;
      const double* high = plane + down[i].high * columns;
      const double parts[] = {down[i].low_weight * across[j].low_weight * low[across[j].low],
                              down[i].low_weight * across[j].high_weight * low[across[j].high],
                              down[i].high_weight * across[j].low_weight * high[across[j].low],
                              down[i].high_weight * across[j].high_weight * high[across[j].high]};
      sum += parts[0] + parts[1] + parts[2] + parts[3];
      const double most = *std::max_element(std::begin(parts), std::end(parts));
      top = i == 0 && j == 0 ? most : std::max(top, most);
    }
  }
  return is_max ? top : sum / static_cast<double>(std::max<int64_t>(1, down_count * across_count));
}

void roi_align_reference(KernelContext& context) {
  const Node& node = context.node();
  const std::vector<double> rois = read_regions(context, 4);
  const Tensor& x = context.input(0);
  const int64_t channels = x.dim(1), rows = x.dim(2), columns = x.dim(3), regions = context.input(1).dim(0);
  const int64_t height = node.int_attribute("output_height", 1),
                width = node.int_attribute("output_width", 1);
  if (context.input(2).dims() != Dims{regions})
    context.refuse("batch_indices {} must be [{}]", to_string(context.input(2).dims()), regions);
  const auto images = read_integers(context.input(2));
  for (const int64_t image : images) checked_image(context, static_cast<double>(image));
  const bool shifted = node.string_attribute("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  const bool is_max = node.string_attribute("mode", "avg") == "max";
  const double scale = node.float_attribute("spatial_scale", 1.0f), shift = shifted ? 0.5 : 0.0;
  const Tensor& y = context.allocate_output(0, x.dtype(), {regions, channels, height, width});
  const std::span<const double> values = widened(context.env(), x);
  if (y.count() == 0 || context.env().should_stop()) return;
  std::vector<RegionDim> dims;  // down and across, by region
  for (int64_t r = 0; r < regions; ++r) {
    const double* roi = rois.data() + 4 * r;
    dims.emplace_back(context, roi[1] * scale - shift, roi[3] * scale - shift, !shifted, height);
    dims.emplace_back(context, roi[0] * scale - shift, roi[2] * scale - shift, !shifted, width);
  }
  context.env().parallel_for(regions, channels * height * width * 16, [&](int64_t r, int) {
    const SampledDim down(dims[static_cast<size_t>(2 * r)], rows),
        across(dims[static_cast<size_t>(2 * r + 1)], columns);
    std::vector<double> results(static_cast<size_t>(height * width));
    for (int64_t c = 0; c < channels && !context.env().should_stop(); ++c) {
      const double* plane = values.data() + (images[static_cast<size_t>(r)] * channels + c) * rows * columns;
      for (int64_t bin = 0; bin < height * width; ++bin)
        results[static_cast<size_t>(bin)] =
            rows * columns == 0
                ? 0.0
                : pool_bin(plane, columns, down.samples.data() + bin / width * down.grid, down.grid,
                           across.samples.data() + bin % width * across.grid, across.grid, is_max);
      store_elements<double>(y, (r * channels + c) * height * width, 1, results);
    }
  });
}

}  // namespace

// The maximum of each of pooled_shape bins of each region [image, x1, y1, x2, y2] of rois, which is rounded
// to whole elements, both ends included; 0 for bins outside X [N, C, H, W].
extern constinit const OpSchema kMaxRoiPool = {
    .domain = "",
    .op = "MaxRoiPool",
    .since_version = 22,
    .inputs = {{"X", "T", kFloatTypes}, {"rois", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {{"pooled_shape", AttributeKind::kInts, true}, {"spatial_scale", AttributeKind::kFloat}},
    .infer = infer_max_roi_pool,
    .reference = max_roi_pool_reference,
};

// The mean, or the largest weighted neighbour, of samples in each bin of each region [x1, y1, x2, y2] of
// rois, which is not rounded: sampling_ratio² of them, or (0) one for each element of X [N, C, H, W] that a
// bin is long.
extern constinit const OpSchema kRoiAlign = {
    .domain = "",
    .op = "RoiAlign",
    .since_version = 22,
    .inputs = {{"X", "T1", kFloatTypes}, {"rois", "T1", kFloatTypes}, {"batch_indices", "T2", {DType::kI64}}},
    .outputs = {{"Y", "T1", kFloatTypes}},
    .attributes = {{"coordinate_transformation_mode", AttributeKind::kString},
                   {"mode", AttributeKind::kString},
                   {"output_height", AttributeKind::kInt},
                   {"output_width", AttributeKind::kInt},
                   {"sampling_ratio", AttributeKind::kInt},
                   {"spatial_scale", AttributeKind::kFloat}},
    .infer = infer_roi_align,
    .reference = roi_align_reference,
};

}  // namespace oag
