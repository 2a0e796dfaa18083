// ReduceSum Mean Max Min L1 L2 SumSquare of f32. Sums run in lanes and blocks of f32, then in double:
// 1e-6 of Σ|x| for rows of any length.
//
// Dims that are reduced together, or kept together, are one: [outer, axis, inner]. Where several groups of
// dims are reduced, the last goes first, into scratch memory.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/ops/element.h"
#include "engine/ops/strided.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  return query.dtype(0) == DType::kF32 ? Refusal{} : "input is not f32";
}

enum class Finish { kNothing, kMean, kRoot };

// Neighbouring dims that are all reduced, or all kept.
struct Group {
  int64_t count;
  bool reduced;
};

struct Plan {
  Plan(const KernelContext& context) {
    const Dims& dims = context.input(0).dims();
    std::vector<bool> reduced(dims.size(), false);
    const auto axes = context.has_input(1) ? read_integers(context.input(1)) : std::vector<int64_t>();
    const bool all = axes.empty() && context.node().int_attribute("noop_with_empty_axes", 0) == 0;
    if (all) reduced.assign(dims.size(), true);
    for (const int64_t axis : axes) reduced[normalize_axis(context, axis, dims.size())] = true;
    const bool keep = context.node().int_attribute("keepdims", 1) != 0;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (!reduced[d] || keep) out.push_back(reduced[d] ? 1 : dims[d]);
      if (!groups.empty() && groups.back().reduced == reduced[d]) {
        groups.back().count *= dims[d];
      } else {
        groups.push_back({dims[d], reduced[d]});
      }
    }
    for (const Group& group : groups) {
      if (group.reduced) count *= group.count;
    }
    const bool any = std::ranges::any_of(groups, [](const Group& group) { return group.reduced; });
    if (!any) groups.insert(groups.begin(), {1, true});
  }

  std::vector<Group> groups;  // one is reduced at least
  Dims out;
  int64_t count = 1;  // elements behind each result
};

// x [outer, axis, inner] to y [outer, inner].
struct Pass {
  int64_t outer, axis, inner;
  const float* x;
  float* y;
};

class Reducer {
 public:
  Reducer(KernelEnv& env, const MicroKernels& micro, ReduceOp op)
      : env_(env),
        row_(micro.reduce_row[static_cast<int>(op)]),
        columns_(micro.reduce_columns[static_cast<int>(op)]),
        op_(op) {}

  bool run(const Pass& pass) const { return pass.inner == 1 ? run_rows(pass) : run_columns(pass); }

 private:
  static constexpr int64_t kBlock = 4096;  // values of a row that are summed in f32
  static constexpr int64_t kPiece = 16 * kBlock;
  static constexpr int64_t kColumns = 512, kRows = 256;

  double none() const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return op_ == ReduceOp::kMax ? -kInfinity : op_ == ReduceOp::kMin ? kInfinity : 0;
  }
  double join(double a, double b) const {
    if (op_ == ReduceOp::kMax) return b > a || std::isnan(b) ? b : a;
    if (op_ == ReduceOp::kMin) return b < a || std::isnan(b) ? b : a;
    return a + b;
  }

  double reduce_piece(const float* x, int64_t count) const {
    if (count <= kBlock) return row_(x, count);
    double total = none();
    for (int64_t i = 0; i < count; i += kBlock) total = join(total, row_(x + i, std::min(kBlock, count - i)));
    return total;
  }

  // Long rows are cut into pieces, short ones are put together.
  bool run_rows(const Pass& pass) const {
    if (pass.axis <= kPiece) {
      const int64_t rows = std::max<int64_t>(1, kBlock / std::max<int64_t>(1, pass.axis));
      return env_.parallel_for(
          (pass.outer + rows - 1) / rows, std::max(kBlock, pass.axis) / 8, [&](int64_t i, int) {
            const int64_t end = std::min(pass.outer, (i + 1) * rows);
            for (int64_t r = i * rows; r < end; ++r)
              pass.y[r] = static_cast<float>(reduce_piece(pass.x + r * pass.axis, pass.axis));
          });
    }
    const int64_t pieces = (pass.axis + kPiece - 1) / kPiece;
    auto* parts =
        reinterpret_cast<double*>(env_.workspace(static_cast<size_t>(pass.outer * pieces) * sizeof(double)));
    const bool done = env_.parallel_for(pass.outer * pieces, kPiece / 8, [&](int64_t i, int) {
      const int64_t first = i % pieces * kPiece;
      parts[i] = reduce_piece(pass.x + i / pieces * pass.axis + first, std::min(kPiece, pass.axis - first));
    });
    for (int64_t r = 0; done && r < pass.outer; ++r) {
      double total = none();
      for (int64_t p = 0; p < pieces; ++p) total = join(total, parts[r * pieces + p]);
      pass.y[r] = static_cast<float>(total);
    }
    return done;
  }

  bool run_columns(const Pass& pass) const {
    const int64_t blocks = (pass.inner + kColumns - 1) / kColumns;
    const int64_t ns = pass.axis * std::min(kColumns, pass.inner) / 8 + 5;
    return env_.parallel_for(pass.outer * blocks, ns, [&](int64_t i, int) {
      const int64_t column = i % blocks * kColumns, outer = i / blocks;
      const int64_t count = std::min(kColumns, pass.inner - column);
      const float* x = pass.x + outer * pass.axis * pass.inner + column;
      float* y = pass.y + outer * pass.inner + column;
      std::fill_n(y, count, static_cast<float>(none()));
      for (int64_t row = 0; row < pass.axis && !env_.should_stop(); row += kRows)
        columns_(x + row * pass.inner, std::min(kRows, pass.axis - row), pass.inner, count, y);
    });
  }

  KernelEnv& env_;
  float (*row_)(const float*, int64_t);
  void (*columns_)(const float*, int64_t, int64_t, int64_t, float*);
  ReduceOp op_;
};

void finish_all(const Plan& plan, Finish finish, std::span<float> values) {
  if (finish == Finish::kMean) {
    for (float& value : values) value /= static_cast<float>(plan.count);
  } else if (finish == Finish::kRoot) {
    for (float& value : values) value = std::sqrt(value);
  }
}

template <ReduceOp kOp, Finish kFinish>
void run(const KernelContext& context, const MicroKernels& micro) {
  Plan plan(context);
  const Tensor& out = context.allocate_output(0, DType::kF32, plan.out);
  KernelEnv& env = context.env();
  const float* x = context.input(0).values<float>().data();
  ReduceOp op = kOp;
  if (out.count() == 0) return;
  for (bool last = false; !last;) {
    size_t at = plan.groups.size() - 1;
    while (!plan.groups[at].reduced) --at;
    Pass pass = {1, plan.groups[at].count, 1, x, nullptr};
    last = true;
    for (size_t g = 0; g < plan.groups.size(); ++g) {
      if (g < at) pass.outer *= plan.groups[g].count;
      if (g > at) pass.inner *= plan.groups[g].count;
      last = last && (g >= at || !plan.groups[g].reduced);
    }
    const auto bytes = static_cast<size_t>(pass.outer * pass.inner) * sizeof(float);
    pass.y = last ? out.values<float>().data() : reinterpret_cast<float*>(env.workspace(bytes));
    if (!Reducer(env, micro, op).run(pass)) return;
    x = pass.y;
    plan.groups[at] = {1, false};
    // What was made of the elements is only summed from here on.
    if (kOp == ReduceOp::kAbs || kOp == ReduceOp::kSquares) op = ReduceOp::kSum;
  }
  finish_all(plan, kFinish, out.values<float>());
}

template <ReduceOp kOp, Finish kFinish = Finish::kNothing>
constexpr KernelImpl reduction(std::string_view op, std::string_view name) {
  return {"", op, name, accept, make_kernel<run<kOp, kFinish>>};
}

}  // namespace

extern constinit const KernelImpl kReduceSum = reduction<ReduceOp::kSum>("ReduceSum", "reduce_sum");
extern constinit const KernelImpl kReduceMean =
    reduction<ReduceOp::kSum, Finish::kMean>("ReduceMean", "reduce_mean");
extern constinit const KernelImpl kReduceMax = reduction<ReduceOp::kMax>("ReduceMax", "reduce_max");
extern constinit const KernelImpl kReduceMin = reduction<ReduceOp::kMin>("ReduceMin", "reduce_min");
extern constinit const KernelImpl kReduceL1 = reduction<ReduceOp::kAbs>("ReduceL1", "reduce_l1");
extern constinit const KernelImpl kReduceL2 =
    reduction<ReduceOp::kSquares, Finish::kRoot>("ReduceL2", "reduce_l2");
extern constinit const KernelImpl kReduceSumSquare =
    reduction<ReduceOp::kSquares>("ReduceSumSquare", "reduce_sum_square");

}  // namespace oag::cpu
