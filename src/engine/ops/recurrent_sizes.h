#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/kernel.h"

namespace oag {

enum RecurrentInput : size_t { kX, kW, kR, kB, kLengths, kInitialH, kInitialC, kP };
enum RecurrentOutput : size_t { kY, kYH, kYC };

struct CellKind {
  int64_t gates;
  std::span<const std::string_view> activations;  // of one direction, where none are named
  bool has_cell;
};
CellKind cell_kind(const Node& node);

// Errors through `context` for a direction that is none.
template <typename Context>
int64_t direction_count(const Context& context) {
  const std::string direction = context.node().string_attribute("direction", "forward");
  if (direction == "bidirectional") return 2;
  if (direction != "forward" && direction != "reverse")
    context.refuse("direction is \"{}\"; it must be forward, reverse or bidirectional", direction);
  return 1;
}

bool is_batch_first(const Node& node);

// What the inputs of RNN, GRU or LSTM make: places are element indices.
struct RecurrentSizes {
  // Errors: kInvalidArgument, prefixed with node and operator, when the inputs do not fit.
  explicit RecurrentSizes(const KernelContext& context);

  int64_t x_row(int64_t step, int64_t b) const { return batch_first ? b * steps + step : step * batch + b; }
  int64_t x_at(int64_t step, int64_t b) const { return x_row(step, b) * size; }
  int64_t state_at(int64_t d, int64_t b) const {
    return (batch_first ? b * directions + d : d * batch + b) * hidden;
  }
  int64_t y_at(int64_t step, int64_t d, int64_t b) const {
    return (batch_first ? (b * steps + step) * directions + d : (step * directions + d) * batch + b) * hidden;
  }
  Dims y_dims() const {
    return batch_first ? Dims{batch, steps, directions, hidden} : Dims{steps, directions, batch, hidden};
  }
  Dims state_dims() const {
    return batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
  }

  CellKind kind;
  int64_t directions, batch = 0, steps = 0, size = 0, hidden = 0;
  int64_t rows = 0;  // gates · hidden
  bool batch_first;
};

// The steps of each sequence of the batch. Errors: as RecurrentSizes.
std::vector<int64_t> read_lengths(const KernelContext& context, const RecurrentSizes& sizes);

}  // namespace oag
