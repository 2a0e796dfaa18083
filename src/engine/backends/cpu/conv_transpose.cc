// ConvTranspose of f32 with one or two spatial dims. Against a double sum: 1e-6 of Σ|w·x| per 1,000 products.
//
// A matrix product gives every input element's multiples of the weights: a row for each output channel and
// tap, a column for each element. Each row of the output then collects the pieces of those rows that lie on
// it, in the order of the taps.
#include <algorithm>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/image_windows.h"
#include "engine/backends/cpu/row_product.h"
#include "engine/ops/conv_transpose_sizes.h"

namespace oag::cpu {
namespace {

constexpr int64_t kMostColumns = 2 * 1024 * 1024;  // values of the product that are kept at a time

Refusal accept(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  const Shape* shape = query.shape(1) != nullptr ? query.shape(1) : query.shape(0);
  if (shape == nullptr) return "the rank is not known";
  if (shape->size() != 3 && shape->size() != 4) return "not one or two spatial dims";
  for (const int64_t stride : query.node.ints_attribute("strides")) {
    if (stride > 1024) return "a stride is above 1024";
  }
  return {};
}

struct Operands {
  Operands(const KernelContext& context, const ConvTransposeSizes& sizes)
      : windows(context.input(0).dims(), sizes.out_dims, sizes.axes, ImageWindows::kTransposed),
        images(sizes.out_dims[0] * sizes.groups),
        groups(sizes.groups),
        channels(context.input(1).dim(0) / sizes.groups),
        outputs(context.input(1).dim(1)),
        x(context.input(0).values<float>().data()),
        bias(context.has_input(2) ? context.input(2).values<float>().data() : nullptr),
        y(context.output(0).values<float>().data()) {}

  float bias_of(int64_t image, int64_t output) const {
    return bias == nullptr ? 0.0f : bias[image % groups * outputs + output];
  }

  ImageWindows windows;
  int64_t images, groups;     // images: of all groups
  int64_t channels, outputs;  // of a group
  const float* x;
  const float* bias;
  float* y;
};

// W [C, M / group, taps…] as [group, M / group, taps…, C / group].
void turn_weights(KernelEnv& env, const Tensor& w, int64_t groups, float* turned) {
  if (w.count() == 0) return;
  const int64_t channels = w.dim(0) / groups, rows = w.count() / w.dim(0);
  const float* from = w.values<float>().data();
  env.parallel_for(groups * rows, channels, [&](int64_t i, int) {
    const float* row = from + i / rows * channels * rows + i % rows;
    for (int64_t c = 0; c < channels; ++c) turned[i * channels + c] = row[c * rows];
  });
}

// One row of an output plane: what its taps bring is added up apart for each remainder of places by the
// stride, where it lies dense, and brought together in the end.
class RowCollector {
 public:
  explicit RowCollector(const ImageWindows& windows)
      : windows_(windows),
        stride_(windows.across.stride),
        first_(windows.across.before / stride_),
        length_((windows.out_width + windows.across.before - 1) / stride_ - first_ + 1) {}

  int64_t scratch_values() const { return stride_ * length_; }

  // `columns` is [taps, plane] of one output channel.
  void collect(const float* columns, int64_t row, float bias, float* scratch, float* y) const {
    std::fill_n(scratch, scratch_values(), bias);
    const WindowAxis& down = windows_.down;
    for (int64_t tap = 0; tap < down.kernel; ++tap) {
      const int64_t place = row + down.before - tap * down.dilation;
      if (place < 0 || place % down.stride != 0 || place / down.stride >= windows_.height) continue;
      add_taps(
          columns + tap * windows_.across.kernel * windows_.plane() + place / down.stride * windows_.width,
          scratch);
    }
    interleave(scratch, y);
  }

 private:
  void add_taps(const float* columns, float* scratch) const {
    for (int64_t tap = 0; tap < windows_.across.kernel; ++tap, columns += windows_.plane()) {
      const int64_t place = tap * windows_.across.dilation, shift = place / stride_ - first_;
      const int64_t begin = std::max<int64_t>(0, -shift), end = std::min(windows_.width, length_ - shift);
      float* to = scratch + place % stride_ * length_ + shift;
      for (int64_t i = begin; i < end; ++i) to[i] += columns[i];
    }
  }
  // Where the sums of output elements i, i + stride, … begin.
  const float* sums(const float* scratch, int64_t i) const {
    const int64_t place = i + windows_.across.before;
    return scratch + place % stride_ * length_ + place / stride_ - first_;
  }
  void interleave(const float* scratch, float* y) const {
    const int64_t width = windows_.out_width;
    if (stride_ == 2) {
      const float* even = sums(scratch, 0);
      const float* odd = sums(scratch, 1);
      for (int64_t i = 0; i < width / 2; ++i) {
        y[2 * i] = even[i];
        y[2 * i + 1] = odd[i];
      }
      if (width % 2 != 0) y[width - 1] = even[width / 2];
      return;
    }
    for (int64_t phase = 0; phase < std::min(stride_, width); ++phase) {
      const float* from = sums(scratch, phase);
      for (int64_t i = phase; i < width; i += stride_) y[i] = *from++;
    }
  }

  const ImageWindows& windows_;
  int64_t stride_, first_, length_;
};

// Images [image, image + images) and of each the output channels [output, output + outputs).
struct Piece {
  int64_t image, images, output, outputs;
};

bool multiply_piece(KernelEnv& env, const MicroKernels& micro, const Operands& conv, const float* weights,
                    const Piece& piece, float* columns) {
  const int64_t plane = conv.windows.plane(), taps = conv.windows.taps(), depth = conv.channels;
  const int64_t rows = piece.outputs * taps;
  if (plane == 0) return true;
  return multiply_rows(env, micro, {piece.images, rows, depth, plane}, [&](int64_t i) {
    const int64_t group = (piece.image + i) % conv.groups;
    return RowOperands{weights + (group * conv.outputs + piece.output) * taps * depth,
                       conv.x + (piece.image + i) * depth * plane, columns + i * rows * plane};
  });
}

bool collect_piece(KernelEnv& env, const Operands& conv, const Piece& piece, const float* columns) {
  const ImageWindows& windows = conv.windows;
  const RowCollector collector(windows);
  const auto values = static_cast<size_t>(collector.scratch_values());
  auto* scratch =
      reinterpret_cast<float*>(env.workspace(static_cast<size_t>(env.workers()) * values * sizeof(float)));
  const int64_t planes = piece.images * piece.outputs;
  const int64_t rows = std::clamp<int64_t>(16 * 1024 / windows.out_width, 1, windows.out_height);
  const int64_t blocks = (windows.out_height + rows - 1) / rows;
  const int64_t work = windows.out_width * (1 + windows.taps() / windows.down.stride / 4);
  return env.parallel_for(planes * blocks, rows * work / 4, [&](int64_t i, int worker) {
    const int64_t plane = i / blocks, first = i % blocks * rows;
    const int64_t image = piece.image + plane / piece.outputs, output = piece.output + plane % piece.outputs;
    float* y = conv.y + (image * conv.outputs + output) * windows.out_plane();
    for (int64_t row = first; row < std::min(windows.out_height, first + rows); ++row) {
      collector.collect(columns + plane * windows.taps() * windows.plane(), row, conv.bias_of(image, output),
                        scratch + static_cast<size_t>(worker) * values, y + row * windows.out_width);
    }
  });
}

class ConvTranspose final : public Kernel {
 public:
  ConvTranspose(const KernelQuery& query, const MicroKernels& micro)
      : micro_(micro), groups_(query.node.int_attribute("group", 1)) {
    const Tensor* w = query.constant(1);
    if (w != nullptr && w->rank() >= 2 && groups_ >= 1 && w->dim(0) % groups_ == 0) weights_ = *w;
  }

  size_t packed_bytes() const override { return weights_.defined() ? weights_.size_bytes() : 0; }
  void prepare(KernelEnv& env, std::span<std::byte> packed) override {
    if (!weights_.defined()) return;
    auto* turned = reinterpret_cast<float*>(packed.data());
    turn_weights(env, weights_, groups_, turned);
    turned_ = turned;
  }

  void run(KernelContext& context) const override {
    const ConvTransposeSizes sizes(context);
    if (context.allocate_output(0, DType::kF32, sizes.out_dims).count() == 0) return;
    KernelEnv& env = context.env();
    const Operands conv(context, sizes);
    const float* weights = turned_;
    if (weights == nullptr) {
      auto* turned = reinterpret_cast<float*>(env.workspace(context.input(1).size_bytes()));
      turn_weights(env, context.input(1), sizes.groups, turned);
      weights = turned;
    }
    const int64_t values = std::max<int64_t>(1, conv.windows.taps() * conv.windows.plane());
    const int64_t outputs = std::clamp<int64_t>(kMostColumns / values, 1, conv.outputs);
    const int64_t images =
        outputs < conv.outputs ? 1 : std::clamp<int64_t>(kMostColumns / (values * outputs), 1, conv.images);
    auto* columns = reinterpret_cast<float*>(
        env.workspace(static_cast<size_t>(images * outputs * values) * sizeof(float)));
    for (int64_t image = 0; image < conv.images; image += images) {
      for (int64_t output = 0; output < conv.outputs; output += outputs) {
        const Piece piece = {image, std::min(images, conv.images - image), output,
                             std::min(outputs, conv.outputs - output)};
        if (!multiply_piece(env, micro_, conv, weights, piece, columns) ||
            !collect_piece(env, conv, piece, columns))
          return;
      }
    }
  }

 private:
  const MicroKernels& micro_;
  int64_t groups_;
  Tensor weights_;  // undefined when they are not constant
  const float* turned_ = nullptr;
};

std::unique_ptr<Kernel> make(const KernelQuery& query, const void* device_state) {
  return std::make_unique<ConvTranspose>(query, *static_cast<const MicroKernels*>(device_state));
}

}  // namespace

extern constinit const KernelImpl kConvTranspose = {"", "ConvTranspose", "conv_transpose", accept, make};

}  // namespace oag::cpu
