// GridSample and AffineGrid: arrays read at places that other arrays give.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

// --- GridSample

enum class Mode { kNearest = 1, kLinear = 2, kCubic = 4 };  // neighbours along a dim
enum class Padding { kZeros, kBorder, kReflection };

template <typename Context>
Mode read_mode(const Context& context) {
  const std::string mode = context.node().string_attribute("mode", "linear");
  if (mode == "nearest") return Mode::kNearest;
  if (mode == "linear") return Mode::kLinear;
  if (mode == "cubic") return Mode::kCubic;
  context.refuse("mode is \"{}\"; it must be nearest, linear or cubic", mode);
}

template <typename Context>
Padding read_padding(const Context& context) {
  const std::string mode = context.node().string_attribute("padding_mode", "zeros");
  if (mode == "zeros") return Padding::kZeros;
  if (mode == "border") return Padding::kBorder;
  if (mode == "reflection") return Padding::kReflection;
  context.refuse("padding_mode is \"{}\"; it must be zeros, border or reflection", mode);
}

void infer_grid_sample(InferenceContext& context) {
  read_mode(context);
  read_padding(context);
  context.set_output(0, context.dtype(0), std::nullopt);
  if (!context.has_shape(0) || !context.has_shape(1)) return;
  const Shape& x = context.shape(0);
  const Shape& grid = context.shape(1);
  if (x.size() < 3 || grid.size() != x.size())
    context.refuse("X {} and grid {} must be [N, C, in …] and [N, out …, r]", to_string(x), to_string(grid));
  Shape out = {x[0], x[1]};
  out.insert(out.end(), grid.begin() + 1, grid.end() - 1);
  context.set_output(0, context.dtype(0), std::move(out));
}

// The neighbours of a place along one dim: where they are (-1: nowhere) and what they count.
struct Neighbours {
  int64_t at[4] = {-1, -1, -1, -1};
  double weight[4] = {1, 0, 0, 0};
};

class Sampler {
 public:
  explicit Sampler(const KernelContext& context)
      : mode_(read_mode(context)),
        padding_(read_padding(context)),
        corners_(context.node().int_attribute("align_corners", 0) != 0) {}

  Mode mode() const { return mode_; }
  int64_t taps() const { return static_cast<int64_t>(mode_); }

  // `normalised`: -1 and 1 are the ends of the dim, or the centres of its first and last element
  // (align_corners).
  Neighbours neighbours(double normalised, int64_t length) const {
    const auto count = static_cast<double>(length);
    double place = corners_ ? (normalised + 1) / 2 * (count - 1) : ((normalised + 1) * count - 1) / 2;
    constexpr double kFarthest = 1e15;  // whole and well within an integer
    place = std::isnan(place) ? -1.0 : std::clamp(place, -kFarthest, kFarthest);
    if (mode_ == Mode::kNearest) place = std::nearbyint(place);
    if (padding_ == Padding::kBorder && mode_ != Mode::kCubic)  // of cubic ones, each neighbour is moved
      place = std::clamp(place, 0.0, std::max(count - 1, 0.0));
    if (padding_ == Padding::kReflection) place = reflected(place, count);
    Neighbours result;
    if (mode_ == Mode::kNearest) {
      result.at[0] = inside(static_cast<int64_t>(place), length);
      return result;
    }
    const double low = std::floor(place), part = place - low;
    const int64_t first = static_cast<int64_t>(low) - (mode_ == Mode::kCubic ? 1 : 0);
    for (int64_t k = 0; k < taps(); ++k) {
      result.at[k] = inside(first + k, length);
      const double distance = std::abs(static_cast<double>(first + k) - low - part);
      result.weight[k] = mode_ == Mode::kCubic ? cubic(distance) : 1 - distance;
    }
    return result;
  }

 private:
  // Keys' kernel with a = -0.75.
  static double cubic(double x) {
    constexpr double kA = -0.75;
    if (x <= 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
    return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA;
  }

  // Thrown back by the ends of the dim until it is between them.
  double reflected(double place, double count) const {
    const double low = corners_ ? 0.0 : -0.5, high = corners_ ? count - 1 : count - 0.5;
    const double range = high - low;
    if (range <= 0) return 0;
    if (place >= low && place <= high) return place;
    const double far = place < low ? low - place : place - high;
    const double turns = std::floor(far / range), rest = far - turns * range;
    const bool from_low = (place < low) == (std::fmod(turns, 2.0) == 0);
    return from_low ? low + rest : high - rest;
  }

  int64_t inside(int64_t at, int64_t length) const {
    if (at >= 0 && at < length) return at;
    if (padding_ == Padding::kZeros || length == 0) return -1;
    if (padding_ == Padding::kReflection)
      at = static_cast<int64_t>(reflected(static_cast<double>(at), static_cast<double>(length)));
    return std::clamp<int64_t>(at, 0, length - 1);
  }

  Mode mode_;
  Padding padding_;
  bool corners_;
};

// The elements around one place: dense indices into a plane, -1 for nothing, and their weights.
struct Stencil {
  std::vector<int64_t> at;
  std::vector<double> weight;
};

Stencil make_stencil(const Sampler& sampler, std::span<const double> place, const Dims& spatial) {
  Stencil stencil = {{0}, {1.0}};
  for (size_t d = 0; d < spatial.size(); ++d) {
    // The grid lists the coordinates of the last dim first.
    const Neighbours next = sampler.neighbours(place[spatial.size() - 1 - d], spatial[d]);
    Stencil finer;
    for (size_t i = 0; i < stencil.at.size(); ++i) {
      for (int64_t k = 0; k < sampler.taps(); ++k) {
        const bool none = stencil.at[i] < 0 || next.at[k] < 0;
        finer.at.push_back(none ? -1 : stencil.at[i] * spatial[d] + next.at[k]);
        finer.weight.push_back(stencil.weight[i] * next.weight[k]);
      }
    }
    stencil = std::move(finer);
  }
  return stencil;
}

// Output positions that are worked on together: their stencils serve all channels.
constexpr int64_t kPositions = 64;

void grid_sample_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const Tensor& grid = context.input(1);
  constexpr size_t kMostDims = 8;  // spatial ones: cubic reads 4 to their power elements for each
  const size_t rank = x.rank() < 3 ? 0 : x.rank() - 2;
  if (rank == 0 || rank > kMostDims || grid.rank() != x.rank() || grid.dim(0) != x.dim(0) ||
      grid.dim(rank + 1) != static_cast<int64_t>(rank))
    context.refuse("X {} and grid {} must be [N, C, in …] and [N, out …, r]", to_string(x.dims()),
                   to_string(grid.dims()));
  const Dims spatial(x.dims().begin() + 2, x.dims().end());
  Dims dims = {x.dim(0), x.dim(1)};
  dims.insert(dims.end(), grid.dims().begin() + 1, grid.dims().end() - 1);
  const Tensor& y = context.allocate_output(0, x.dtype(), dims);
  if (y.count() == 0) return;
  const Sampler sampler(context);
  const bool copies = sampler.mode() == Mode::kNearest;
  const std::span<const double> values = copies ? std::span<double>() : widened(context.env(), x);
  if (context.env().should_stop()) return;
  const int64_t plane = element_count(spatial), channels = x.dim(1),
                positions = y.count() / (x.dim(0) * channels);
  const int64_t tiles = (positions + kPositions - 1) / kPositions;
  const Tensor nothing = zero_element(x.dtype());
  context.env().parallel_for(x.dim(0) * tiles, channels * kPositions * 16, [&](int64_t tile, int) {
    const int64_t n = tile / tiles, first = tile % tiles * kPositions;
    const int64_t count = std::min(kPositions, positions - first);
    std::vector<double> places(static_cast<size_t>(count) * rank);
    load_elements<double>(grid, (n * positions + first) * static_cast<int64_t>(rank), 1, places);
    std::vector<Stencil> stencils;
    for (int64_t j = 0; j < count; ++j)
      stencils.push_back(
          make_stencil(sampler, std::span(places).subspan(static_cast<size_t>(j) * rank, rank), spatial));
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t from = (n * channels + c) * plane, to = (n * channels + c) * positions + first;
      std::vector<double> sums(static_cast<size_t>(count), 0.0);
      for (size_t j = 0; j < stencils.size(); ++j) {
        const Stencil& stencil = stencils[j];
        if (copies) {
          const bool inside = stencil.at[0] >= 0;
          copy_run(y, to + static_cast<int64_t>(j), 1, inside ? x : nothing,
                   inside ? from + stencil.at[0] : 0, 1, 1);
          continue;
        }
        for (size_t k = 0; k < stencil.at.size(); ++k) {
          if (stencil.at[k] >= 0)
            sums[j] += stencil.weight[k] * values[static_cast<size_t>(from + stencil.at[k])];
        }
      }
      if (!copies) store_elements<double>(y, to, 1, sums);
    }
  });
}

// --- AffineGrid

void infer_affine_grid(InferenceContext& context) {
  context.set_output(0, context.dtype(0), std::nullopt);
  const auto size = context.constant_ints(1);
  if (!size) return;
  if (size->size() != 4 && size->size() != 5)
    context.refuse("size {} must be [N, C, (D,) H, W]", to_string(*size));
  Shape out = {(*size)[0]};
  out.insert(out.end(), size->begin() + 2, size->end());
  out.push_back(static_cast<int64_t>(size->size()) - 2);
  context.set_output(0, context.dtype(0), std::move(out));
}

void affine_grid_reference(KernelContext& context) {
  const Tensor& theta = context.input(0);
  const Dims size = read_integers(context.input(1));
  if (size.size() != 4 && size.size() != 5)
    context.refuse("size {} must be [N, C, (D,) H, W]", to_string(size));
  const size_t rank = size.size() - 2;
  const auto signed_rank = static_cast<int64_t>(rank);
  if (theta.dims() != Dims{size[0], signed_rank, signed_rank + 1})
    context.refuse("theta {} must be [{}, {}, {}]", to_string(theta.dims()), size[0], rank, rank + 1);
  if (std::any_of(size.begin(), size.end(), [](int64_t dim) { return dim < 0; }))
    context.refuse("size {} has a dim below 0", to_string(size));
  Dims dims = {size[0]};
  dims.insert(dims.end(), size.begin() + 2, size.end());
  dims.push_back(signed_rank);
  const Tensor& grid = context.allocate_output(0, theta.dtype(), dims);
  if (grid.count() == 0) return;
  const bool corners = context.node().int_attribute("align_corners", 0) != 0;
  const int64_t positions = grid.count() / size[0] / signed_rank;
  std::vector<double> matrices(static_cast<size_t>(theta.count()));
  load_elements<double>(theta, 0, 1, matrices);
  for_pieces(context.env(), size[0] * positions, 1024, 16, [&](int64_t first, int64_t count) {
    std::vector<double> place(rank + 1, 1.0), results(static_cast<size_t>(count) * rank, 0.0);
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = (first + i) % positions;
      for (size_t d = rank; d-- > 0; rest /= size[d + 2]) {
        const auto at = static_cast<double>(rest % size[d + 2]), length = static_cast<double>(size[d + 2]);
        // x, the coordinate of the last dim, comes first.
        double& coordinate = place[rank - 1 - d];
        coordinate = (2 * at + 1) / length - 1;
        if (corners) coordinate = size[d + 2] == 1 ? 0 : 2 * at / (length - 1) - 1;
      }
      const double* matrix =
          matrices.data() + static_cast<size_t>((first + i) / positions) * rank * (rank + 1);
      for (size_t r = 0; r < rank; ++r) {
        for (size_t c = 0; c <= rank; ++c)
          results[static_cast<size_t>(i) * rank + r] += matrix[r * (rank + 1) + c] * place[c];
      }
    }
    store_elements<double>(grid, first * signed_rank, 1, results);
  });
}

}  // namespace

// Y [N, C, out…]: X [N, C, in…] at the places that grid [N, out…, r] gives, last dim first, in -1 … 1. mode
// nearest, linear or cubic; padding_mode says what lies outside: zeros, the border, or X reflected.
extern constinit const OpSchema kGridSample = {
    .domain = "",
    .op = "GridSample",
    .since_version = 22,
    .inputs = {{"X", "T1", kMovableTypes}, {"grid", "T2", kFloatTypes}},
    .outputs = {{"Y", "T1", kMovableTypes}},
    .attributes = {{"align_corners", AttributeKind::kInt},
                   {"mode", AttributeKind::kString},
                   {"padding_mode", AttributeKind::kString}},
    .infer = infer_grid_sample,
    .reference = grid_sample_reference,
};

// grid [N, (D,) H, W, r] for GridSample: theta [N, r, r + 1] times each position (x, y, (z,) 1) of an output
// of `size` [N, C, (D,) H, W].
extern constinit const OpSchema kAffineGrid = {
    .domain = "",
    .op = "AffineGrid",
    .since_version = 20,
    .inputs = {{"theta", "T1", kFloatTypes}, {"size", "T2", {DType::kI64}}},
    .outputs = {{"grid", "T1", kFloatTypes}},
    .attributes = {{"align_corners", AttributeKind::kInt}},
    .infer = infer_affine_grid,
    .reference = affine_grid_reference,
};

}  // namespace oag
