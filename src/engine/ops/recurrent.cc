// RNN, GRU and LSTM: states that are carried along a sequence.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/recurrent_activation.h"
#include "engine/ops/recurrent_sizes.h"
#include "engine/ops/schema.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

void infer_recurrent(InferenceContext& context) {
  const int64_t directions = direction_count(context);
  const DType dtype = context.dtype(kX);
  for (const size_t output : {kY, kYH, kYC}) context.set_output(output, dtype, std::nullopt);
  if (!context.has_shape(kX)) return;
  const Shape& x = context.shape(kX);
  if (x.size() != 3)
    context.refuse("X {} must be [steps, batch, size] or [batch, steps, size]", to_string(x));
  Dim hidden = context.fresh_dim("hidden");
  if (context.has_shape(kR) && context.shape(kR).size() == 3) {
    hidden = context.shape(kR)[2];
  } else if (context.node().has_attribute("hidden_size")) {
    hidden = context.node().int_attribute("hidden_size");
  }
  const bool batch_first = is_batch_first(context.node());
  const Dim batch = x[batch_first ? 0 : 1], steps = x[batch_first ? 1 : 0];
  context.set_output(
      kY, dtype,
      batch_first ? Shape{batch, steps, directions, hidden} : Shape{steps, directions, batch, hidden});
  for (const size_t output : {kYH, kYC})
    context.set_output(output, dtype,
                       batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden});
}

// One direction's weights and what a step does with them. All spans have `hidden` values for each gate.
class Cell {
 public:
  Cell(const KernelContext& context, const RecurrentSizes& sizes,
       std::span<const RecurrentActivation> activations)
      : sizes_(sizes),
        activations_(activations),
        clip_(context.node().float_attribute("clip", 0.0f)),
        reset_after_(context.node().int_attribute("linear_before_reset", 0) != 0),
        coupled_(context.node().int_attribute("input_forget", 0) != 0) {}

  std::span<const double> w, r, bias, peepholes;  // of this direction; the last two may be empty

  // Gates of the input: W x + the input's bias.
  void project(std::span<const double> x, std::span<double> gates) const { multiply(w, x, 0, 0, gates); }

  void step(std::span<double> gates, std::span<double> h, std::span<double> c) const {
    if (sizes_.kind.has_cell) return step_lstm(gates, h, c);
    if (sizes_.kind.gates == 3) return step_gru(gates, h);
    std::vector<double> recurrent(h.size());
    multiply(r, h, 0, sizes_.rows, recurrent);
    for (size_t i = 0; i < h.size(); ++i) h[i] = activate(0, gates[i] + recurrent[i]);
  }

 private:
  // out[i] = bias + Σ matrix[first_row + i] · v. The bias of a row is `bias_first` + row.
  void multiply(std::span<const double> matrix, std::span<const double> v, int64_t first_row,
                int64_t bias_first, std::span<double> out) const {
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t row = static_cast<size_t>(first_row) + i;
      double sum = bias.empty() ? 0.0 : bias[static_cast<size_t>(bias_first) + row];
      const double* weights = matrix.data() + row * v.size();
      for (size_t k = 0; k < v.size(); ++k) sum += weights[k] * v[k];
      out[i] = sum;
    }
  }

  double activate(size_t which, double x) const {
    return activations_[which](clip_ > 0 ? std::clamp(x, -clip_, clip_) : x);
  }

  // Gates z (update), r (reset), h (hidden).
  void step_gru(std::span<const double> gates, std::span<double> h) const {
    const size_t hidden = h.size();
    std::vector<double> recurrent(2 * hidden), inner(hidden);
    multiply(r, h, 0, sizes_.rows, recurrent);
    for (size_t i = 0; i < 2 * hidden; ++i) recurrent[i] = activate(0, gates[i] + recurrent[i]);
    const double* z = recurrent.data();
    const double* reset = z + hidden;
    const auto hidden_row = static_cast<int64_t>(2 * hidden);
    if (reset_after_) {
      multiply(r, h, hidden_row, sizes_.rows, inner);
      for (size_t i = 0; i < hidden; ++i) inner[i] *= reset[i];
    } else {
      std::vector<double> kept(hidden);
      for (size_t i = 0; i < hidden; ++i) kept[i] = reset[i] * h[i];
      multiply(r, kept, hidden_row, sizes_.rows, inner);
    }
    for (size_t i = 0; i < hidden; ++i)
      h[i] = (1 - z[i]) * activate(1, gates[2 * hidden + i] + inner[i]) + z[i] * h[i];
  }

  // Gates i (input), o (output), f (forget), c (cell); peepholes of i, o and f.
  void step_lstm(std::span<const double> gates, std::span<double> h, std::span<double> c) const {
    const size_t hidden = h.size();
    std::vector<double> sums(4 * hidden);
    multiply(r, h, 0, sizes_.rows, sums);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += gates[i];
    const auto peep = [&](size_t gate, size_t i, double cell) {
      return peepholes.empty() ? 0.0 : peepholes[gate * hidden + i] * cell;
    };
    for (size_t i = 0; i < hidden; ++i) {
      const double in = activate(0, sums[i] + peep(0, i, c[i]));
      const double forget = coupled_ ? 1 - in : activate(0, sums[2 * hidden + i] + peep(2, i, c[i]));
      c[i] = forget * c[i] + in * activate(1, sums[3 * hidden + i]);
      const double out = activate(0, sums[hidden + i] + peep(1, i, c[i]));
      h[i] = out * activations_[2](c[i]);
    }
  }

  const RecurrentSizes& sizes_;
  std::span<const RecurrentActivation> activations_;
  double clip_;
  bool reset_after_, coupled_;
};

// The part of direction d of an input that has one part for each; nothing where it is left out.
std::span<const double> direction_part(std::span<const double> all, int64_t d, int64_t directions) {
  const size_t part = all.size() / static_cast<size_t>(directions);
  return all.subspan(static_cast<size_t>(d) * part, part);
}

// One sequence of the batch in one direction.
void run_sequence(const KernelContext& context, const RecurrentSizes& sizes, const Cell& cell, int64_t d,
                  int64_t b, int64_t length, bool backwards) {
  const auto hidden = static_cast<size_t>(sizes.hidden);
  std::vector<double> h(hidden, 0.0), c(hidden, 0.0), x(static_cast<size_t>(sizes.size)),
      gates(static_cast<size_t>(sizes.rows));
  const auto wants = [&](size_t output) { return context.wants_output(output); };
  const int64_t state = sizes.state_at(d, b);
  if (context.has_input(kInitialH)) load_elements<double>(context.input(kInitialH), state, 1, h);
  if (sizes.kind.has_cell && context.has_input(kInitialC))
    load_elements<double>(context.input(kInitialC), state, 1, c);
  for (int64_t i = 0; i < length && !context.env().should_stop(); ++i) {
    const int64_t step = backwards ? length - 1 - i : i;
    load_elements<double>(context.input(kX), sizes.x_at(step, b), 1, x);
    cell.project(x, gates);
    cell.step(gates, h, c);
    if (wants(kY)) store_elements<double>(context.output(kY), sizes.y_at(step, d, b), 1, h);
  }
  const std::vector<double> zeros(hidden, 0.0);
  for (int64_t step = length; step < sizes.steps && wants(kY); ++step)
    store_elements<double>(context.output(kY), sizes.y_at(step, d, b), 1, zeros);
  if (wants(kYH)) store_elements<double>(context.output(kYH), state, 1, h);
  if (sizes.kind.has_cell && wants(kYC)) store_elements<double>(context.output(kYC), state, 1, c);
}

void recurrent_reference(KernelContext& context) {
  const RecurrentSizes sizes(context);
  KernelEnv& env = context.env();
  std::vector<std::string> names;
  for (int64_t d = 0; d < sizes.directions; ++d) {
    for (const std::string_view name : sizes.kind.activations) names.emplace_back(name);
  }
  const auto activations = recurrent_activations(context.node(), names, names.size());
  const auto lengths = read_lengths(context, sizes);
  const DType dtype = context.input(kX).dtype();
  if (context.wants_output(kY)) context.allocate_output(kY, dtype, sizes.y_dims());
  for (const size_t output : {kYH, kYC}) {
    if (context.wants_output(output)) context.allocate_output(output, dtype, sizes.state_dims());
  }
  const auto all = [&](size_t input) {
    return context.has_input(input) ? widened(env, context.input(input)) : std::span<double>();
  };
  const auto w = all(kW), r = all(kR), bias = all(kB);
  const auto peepholes = sizes.kind.has_cell ? all(kP) : std::span<double>();
  if (env.should_stop()) return;
  const size_t each = sizes.kind.activations.size();
  std::vector<Cell> cells;
  for (int64_t d = 0; d < sizes.directions; ++d) {
    Cell& cell = cells.emplace_back(context, sizes,
                                    std::span(activations).subspan(static_cast<size_t>(d) * each, each));
    cell.w = direction_part(w, d, sizes.directions);
    cell.r = direction_part(r, d, sizes.directions);
    cell.bias = direction_part(bias, d, sizes.directions);
    cell.peepholes = direction_part(peepholes, d, sizes.directions);
  }
  const bool reverse = context.node().string_attribute("direction", "forward") == "reverse";
  env.parallel_for(sizes.directions * sizes.batch, sizes.steps * sizes.rows * (sizes.size + sizes.hidden),
                   [&](int64_t i, int) {
                     const int64_t d = i / sizes.batch, b = i % sizes.batch;
                     run_sequence(context, sizes, cells[static_cast<size_t>(d)], d, b,
                                  lengths[static_cast<size_t>(b)], reverse || d == 1);
                   });
}

constexpr Parameter kXInput = {"X", "T", kFloatTypes}, kWInput = {"W", "T", kFloatTypes},
                    kRInput = {"R", "T", kFloatTypes}, kBInput = {"B", "T", kFloatTypes, true},
                    kLengthsInput = {"sequence_lens", "T1", {DType::kI32}, true},
                    kInitialHInput = {"initial_h", "T", kFloatTypes, true};
constexpr Parameter kYOutput = {"Y", "T", kFloatTypes, true}, kYHOutput = {"Y_h", "T", kFloatTypes, true};
constexpr AttributeSpec kActivations = {"activations", AttributeKind::kStrings},
                        kActivationAlpha = {"activation_alpha", AttributeKind::kFloats},
                        kActivationBeta = {"activation_beta", AttributeKind::kFloats},
                        kClip = {"clip", AttributeKind::kFloat},
                        kDirection = {"direction", AttributeKind::kString},
                        kHiddenSize = {"hidden_size", AttributeKind::kInt},
                        kLayout = {"layout", AttributeKind::kInt};

}  // namespace

// H' = f(W x + R H + both biases). X [steps, batch, size], W [directions, gates · hidden, size], R
// [directions, gates · hidden, hidden], B [directions, 2 · gates · hidden], states [directions, batch,
// hidden], Y [steps, directions, batch, hidden]; layout 1 has batch first. Steps from sequence_lens on give
// zeros and leave the state alone.
extern constinit const OpSchema kRNN = {
    .domain = "",
    .op = "RNN",
    .since_version = 22,
    .inputs = {kXInput, kWInput, kRInput, kBInput, kLengthsInput, kInitialHInput},
    .outputs = {kYOutput, kYHOutput},
    .attributes = {kActivationAlpha, kActivationBeta, kActivations, kClip, kDirection, kHiddenSize, kLayout},
    .infer = infer_recurrent,
    .reference = recurrent_reference,
};

// H' = (1 - z) h + z H with gates z, r and h; the reset gate r acts on H, or (linear_before_reset) on R H +
// bias.
extern constinit const OpSchema kGRU = {
    .domain = "",
    .op = "GRU",
    .since_version = 22,
    .inputs = {kXInput, kWInput, kRInput, kBInput, kLengthsInput, kInitialHInput},
    .outputs = {kYOutput, kYHOutput},
    .attributes = {kActivationAlpha,
                   kActivationBeta,
                   kActivations,
                   kClip,
                   kDirection,
                   kHiddenSize,
                   kLayout,
                   {"linear_before_reset", AttributeKind::kInt}},
    .infer = infer_recurrent,
    .reference = recurrent_reference,
};

// C' = f C + i c, H' = o h(C') with gates i, o, f and c, of which the first three also see the cell through
// P; f is 1 - i with input_forget.
extern constinit const OpSchema kLSTM = {
    .domain = "",
    .op = "LSTM",
    .since_version = 22,
    .inputs = {kXInput,
               kWInput,
               kRInput,
               kBInput,
               kLengthsInput,
               kInitialHInput,
               {"initial_c", "T", kFloatTypes, true},
               {"P", "T", kFloatTypes, true}},
    .outputs = {kYOutput, kYHOutput, {"Y_c", "T", kFloatTypes, true}},
    .attributes = {kActivationAlpha,
                   kActivationBeta,
                   kActivations,
                   kClip,
                   kDirection,
                   kHiddenSize,
                   kLayout,
                   {"input_forget", AttributeKind::kInt}},
    .infer = infer_recurrent,
    .reference = recurrent_reference,
};

}  // namespace oag
