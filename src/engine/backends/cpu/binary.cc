// Add, Sub, Mul, Div, Max, Min and Pow of f32 with broadcasting; exact (one rounding) but for Pow, which is
// the C library's, within 1 ulp.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  return query.dtype(0) == DType::kF32 && query.dtype(1) == DType::kF32 ? Refusal{} : "inputs are not f32";
}

// Dims of the output from the last one on, neighbours merged where both operands advance alike; strides are 0
// where an operand is repeated.
struct Loop {
  struct Level {
    int64_t count, a_stride, b_stride;
  };
  std::vector<Level> levels;  // innermost first, never empty
  Dims dims;
};

Loop plan(const KernelContext& context) {
  const Dims& a = context.input(0).dims();
  const Dims& b = context.input(1).dims();
  Loop loop;
  loop.dims.resize(std::max(a.size(), b.size()));
  int64_t a_step = 1, b_step = 1;
  for (size_t i = 0; i < loop.dims.size(); ++i) {  // i counts from the last dim
    const int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1,
                  right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) {
      fail(ErrorCode::kInvalidArgument, "node " + context.node().name, "{} and {} do not broadcast",
           to_string(a), to_string(b));
    }
    const int64_t count = left == 1 ? right : left;
    loop.dims[loop.dims.size() - 1 - i] = count;
    if (count == 1) continue;
    const Loop::Level level{count, left == 1 ? 0 : a_step, right == 1 ? 0 : b_step};
    a_step *= left;
    b_step *= right;
    if (!loop.levels.empty()) {
      Loop::Level& inner = loop.levels.back();
      if (level.a_stride == inner.a_stride * inner.count && level.b_stride == inner.b_stride * inner.count) {
        inner.count *= count;
        continue;
      }
    }
    loop.levels.push_back(level);
  }
  if (loop.levels.empty()) loop.levels.push_back({1, 0, 0});
  return loop;
}

// y = a op b over a run of elements, where a scalar operand is one value for all.
using RunFunction = void (*)(const float* a, bool a_is_scalar, const float* b, bool b_is_scalar,
                             int64_t count, float* y);

// The same of a function of two values, which the compiler makes vectors of where it can.
template <float (*kFunction)(float, float)>
void map_run(const float* a, bool a_is_scalar, const float* b, bool b_is_scalar, int64_t count, float* y) {
  if (a_is_scalar) {
    const float left = *a, right = *b;
    if (b_is_scalar) return void(std::fill_n(y, count, kFunction(left, right)));
    for (int64_t i = 0; i < count; ++i) y[i] = kFunction(left, b[i]);
  } else if (b_is_scalar) {
    const float right = *b;
    for (int64_t i = 0; i < count; ++i) y[i] = kFunction(a[i], right);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = kFunction(a[i], b[i]);
  }
}

// NaN where either is.
inline float larger(float a, float b) {
  return a > b || a != a ? a : b;
}
inline float smaller(float a, float b) {
  return a < b || a != a ? a : b;
}
inline float power(float a, float b) {
  return std::pow(a, b);
}

void power_run(const float* a, bool a_is_scalar, const float* b, bool b_is_scalar, int64_t count, float* y) {
  if (b_is_scalar && !a_is_scalar && *b == 2.0f) {
    for (int64_t i = 0; i < count; ++i) y[i] = a[i] * a[i];
    return;
  }
  if (b_is_scalar && !a_is_scalar && *b == 0.5f) {  // not of -0 and -infinity, of which pow has no sign
    const bool plain = std::all_of(a, a + count, [](float v) { return v > 0.0f; });
    for (int64_t i = 0; i < count && plain; ++i) y[i] = std::sqrt(a[i]);
    if (plain) return;
  }
  map_run<power>(a, a_is_scalar, b, b_is_scalar, count, y);
}

void run_loop(const KernelContext& context, RunFunction function) {
  const Loop loop = plan(context);
  const float* a = context.input(0).values<float>().data();
  const float* b = context.input(1).values<float>().data();
  float* y = context.allocate_output(0, DType::kF32, loop.dims).values<float>().data();
  const int64_t total = element_count(loop.dims);
  if (total == 0) return;
  const Loop::Level inner = loop.levels[0];
  const int64_t rows = total / inner.count;
  // Runs of about this many elements are a tile: pieces of one long row, or several short rows.
  constexpr int64_t kTile = 4096;
  const int64_t pieces = std::max<int64_t>(1, inner.count / kTile),
                piece = (inner.count + pieces - 1) / pieces;
  const int64_t rows_per_tile = std::max<int64_t>(1, kTile / inner.count);
  const int64_t row_tiles = (rows + rows_per_tile - 1) / rows_per_tile;
  context.env().parallel_for(row_tiles * pieces, kTile / 4, [&](int64_t tile, int) {
    const int64_t first = tile / pieces * rows_per_tile, begin = tile % pieces * piece;
    const int64_t count = std::min(piece, inner.count - begin);
    for (int64_t row = first; row < std::min(rows, first + rows_per_tile) && count > 0; ++row) {
      int64_t a_at = begin * inner.a_stride, b_at = begin * inner.b_stride, rest = row;
      for (size_t level = 1; level < loop.levels.size(); ++level) {
        const int64_t i = rest % loop.levels[level].count;
        rest /= loop.levels[level].count;
        a_at += i * loop.levels[level].a_stride;
        b_at += i * loop.levels[level].b_stride;
      }
      function(a + a_at, inner.a_stride == 0, b + b_at, inner.b_stride == 0, count,
               y + row * inner.count + begin);
    }
  });
}

template <BinaryOp kOp>
void run(const KernelContext& context, const MicroKernels& micro) {
  run_loop(context, micro.binary[static_cast<int>(kOp)]);
}
template <RunFunction kFunction>
void run_shared(const KernelContext& context, const MicroKernels&) {
  run_loop(context, kFunction);
}

Refusal accept_two(const KernelQuery& query) {
  if (query.node.inputs.size() != 2) return "not two inputs";
  return accept(query);
}

}  // namespace

extern constinit const KernelImpl kAdd = {"", "Add", "add", accept, make_kernel<run<BinaryOp::kAdd>>};
extern constinit const KernelImpl kSub = {"", "Sub", "sub", accept, make_kernel<run<BinaryOp::kSub>>};
extern constinit const KernelImpl kMul = {"", "Mul", "mul", accept, make_kernel<run<BinaryOp::kMul>>};
extern constinit const KernelImpl kDiv = {"", "Div", "div", accept, make_kernel<run<BinaryOp::kDiv>>};
extern constinit const KernelImpl kMax = {"", "Max", "max", accept_two,
                                          make_kernel<run_shared<map_run<larger>>>};
extern constinit const KernelImpl kMin = {"", "Min", "min", accept_two,
                                          make_kernel<run_shared<map_run<smaller>>>};
extern constinit const KernelImpl kPow = {"", "Pow", "pow", accept, make_kernel<run_shared<power_run>>};

}  // namespace oag::cpu
