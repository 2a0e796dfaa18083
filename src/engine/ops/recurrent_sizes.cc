#include "engine/ops/recurrent_sizes.h"

#include "engine/ops/element.h"

namespace oag {
namespace {

constexpr std::string_view kLstmActivations[] = {"Sigmoid", "Tanh", "Tanh"},
                           kGruActivations[] = {"Sigmoid", "Tanh"}, kRnnActivations[] = {"Tanh"};

void check(const KernelContext& context, size_t i, const Dims& wanted) {
  if (context.has_input(i) && context.input(i).dims() != wanted)
    context.refuse("input {} is {}; it must be {}", i, to_string(context.input(i).dims()), to_string(wanted));
}

}  // namespace

CellKind cell_kind(const Node& node) {
  if (node.op == "LSTM") return {4, kLstmActivations, true};
  if (node.op == "GRU") return {3, kGruActivations, false};
  return {1, kRnnActivations, false};
}

bool is_batch_first(const Node& node) {
  return node.int_attribute("layout", 0) != 0;
}

RecurrentSizes::RecurrentSizes(const KernelContext& context)
    : kind(cell_kind(context.node())),
      directions(direction_count(context)),
      batch_first(is_batch_first(context.node())) {
  const Tensor& x = context.input(kX);
  const Tensor& r = context.input(kR);
  if (x.rank() != 3 || r.rank() != 3)
    context.refuse("X {} and R {} must have 3 dims", to_string(x.dims()), to_string(r.dims()));
  batch = x.dim(batch_first ? 0 : 1), steps = x.dim(batch_first ? 1 : 0), size = x.dim(2);
  hidden = r.dim(2);
  if (context.node().int_attribute("hidden_size", hidden) != hidden)
    context.refuse("hidden_size {} does not fit R {}", context.node().int_attribute("hidden_size"),
                   to_string(r.dims()));
  rows = kind.gates * hidden;
  check(context, kW, {directions, rows, size});
  check(context, kR, {directions, rows, hidden});
  check(context, kB, {directions, 2 * rows});
  check(context, kLengths, {batch});
  check(context, kInitialH, state_dims());
  if (kind.has_cell) {
    check(context, kInitialC, state_dims());
    check(context, kP, {directions, 3 * hidden});
  }
}

std::vector<int64_t> read_lengths(const KernelContext& context, const RecurrentSizes& sizes) {
  if (!context.has_input(kLengths))
    return std::vector<int64_t>(static_cast<size_t>(sizes.batch), sizes.steps);
  auto lengths = read_integers(context.input(kLengths));
  for (const int64_t length : lengths) {
    if (length < 0 || length > sizes.steps)
      context.refuse("sequence_lens has {}, but there are {} steps", length, sizes.steps);
  }
  return lengths;
}

}  // namespace oag
