// LSTM, GRU and RNN of f32 with their default activations. Against double: 1e-5 of the largest gate after
// 100 steps.
//
// All steps' inputs are projected in one product with packed W. A step is then a product of the states with
// packed R on top, and one pass over the gates. Sequences run beside each other; only where there is one, and
// it is wide, a step itself is shared out.
#include <algorithm>
#include <optional>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/matrix_product.h"
#include "engine/ops/recurrent_sizes.h"

namespace oag::cpu {
namespace {

enum class Cell { kLSTM, kGRU, kRNN };

Cell cell_of(const Node& node) {
  return node.op == "LSTM" ? Cell::kLSTM : node.op == "GRU" ? Cell::kGRU : Cell::kRNN;
}

Refusal accept(const KernelQuery& query) {
  if (query.dtype(kX) != DType::kF32) return "X is not f32";
  const Node& node = query.node;
  if (node.float_attribute("clip", 0.0f) > 0.0f) return "clip is set";
  if (node.int_attribute("input_forget", 0) != 0) return "input_forget is set";
  if (node.op == "LSTM" && kP < node.inputs.size() && node.inputs[kP] != kNoValue) return "has peepholes";
  const std::vector<std::string> named = node.strings_attribute("activations");
  const auto usual = cell_kind(node).activations;
  for (size_t i = 0; i < named.size(); ++i) {
    if (named[i] != usual[i % usual.size()]) return "activations are not the default ones";
  }
  return {};
}

int64_t padded_to_panels(int64_t columns) {
  return (columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
}

// W and R of each direction as panels, each gate filled up to whole ones.
struct Weights {
  Weights(const Tensor& w, const Tensor& r, int64_t gate_count)
      : directions(w.dim(0)),
        gates(gate_count),
        size(w.dim(2)),
        hidden(r.dim(2)),
        padded(padded_to_panels(r.dim(2))) {}

  int64_t row() const { return gates * padded; }
  size_t bytes() const { return static_cast<size_t>(directions * row() * (size + hidden)) * sizeof(float); }
  const float* w(int64_t d) const { return panels + d * row() * size; }
  const float* r(int64_t d) const { return panels + directions * row() * size + d * row() * hidden; }

  void pack(KernelEnv& env, const MicroKernels& micro, const Tensor& w, const Tensor& r, float* memory) {
    panels = memory;
    for (const auto& [from, depth] : {std::pair(&w, size), std::pair(&r, hidden)}) {
      for (int64_t gate = 0; gate < directions * gates; ++gate, memory += padded * depth) {
        const float* rows = from->values<float>().data() + gate * hidden * depth;
        const int64_t stride = depth * static_cast<int64_t>(sizeof(float));
        pack_panels(
            env, depth, hidden,
            [&](int64_t column, int64_t count, int64_t k, int64_t some, float* panel) {
              micro.pack_columns_f32({rows + column * depth, stride}, count, k, some, panel);
            },
            memory);
      }
    }
  }

  int64_t directions, gates, size, hidden, padded;
  const float* panels = nullptr;
};

// One run: sizes, lengths, and what is kept between steps, in scratch memory.
class Recurrence {
 public:
  Recurrence(const KernelContext& context, const MicroKernels& micro, const RecurrentSizes& sizes,
             const Weights& weights)
      : context_(context),
        env_(context.env()),
        micro_(micro),
        sizes_(sizes),
        weights_(weights),
        lengths_(read_lengths(context, sizes)),
        cell_(cell_of(context.node())),
        reset_after_(context.node().int_attribute("linear_before_reset", 0) != 0),
        reverse_(context.node().string_attribute("direction", "forward") == "reverse"),
        blocks_(cell_ == Cell::kGRU ? 4 : weights.gates),
        y_(output(kY)) {
    const int64_t sequences = sizes.directions * sizes.batch, padded = weights.padded;
    h_ = zeros(sequences * padded);
    c_ = zeros(sequences * padded);
    kept_ = zeros(sequences * padded);
    sums_ = zeros(sequences * blocks_ * padded);
    input_bias_ = zeros(sizes.directions * weights.row());
    reset_bias_ = zeros(sizes.directions * padded);
    projected_ = memory(sizes.directions * sizes.steps * sizes.batch * weights.row());
  }

  void run() {
    add_biases();
    load_states(kInitialH, h_);
    if (cell_ == Cell::kLSTM) load_states(kInitialC, c_);
    if (project() && run_steps()) store_states();
  }

 private:
  // Rows of a product: the last ones of a batch that are not whole tiles cost as much as whole ones.
  static constexpr int64_t kSequences = 12;

  float* memory(int64_t count) {
    return reinterpret_cast<float*>(env_.workspace(static_cast<size_t>(count) * sizeof(float)));
  }
  float* zeros(int64_t count) {
    float* values = memory(count);
    std::fill_n(values, count, 0.0f);
    return values;
  }
  const float* input(size_t i) const {
    return context_.has_input(i) ? context_.input(i).values<float>().data() : nullptr;
  }
  float* output(size_t i) const {
    return context_.wants_output(i) ? context_.output(i).values<float>().data() : nullptr;
  }
  int64_t sequence(int64_t d, int64_t b) const { return d * sizes_.batch + b; }

  // Both biases go with the input, but for that of the product which GRU's reset gate acts on.
  void add_biases() {
    const float* bias = input(kB);
    if (bias == nullptr) return;
    for (int64_t d = 0; d < sizes_.directions; ++d) {
      for (int64_t gate = 0; gate < weights_.gates; ++gate) {
        const float* of_input = bias + (2 * d * weights_.gates + gate) * sizes_.hidden;
        const float* of_state = of_input + sizes_.rows;
        float* sum = input_bias_ + d * weights_.row() + gate * weights_.padded;
        const bool apart = cell_ == Cell::kGRU && reset_after_ && gate == 2;
        for (int64_t i = 0; i < sizes_.hidden; ++i) sum[i] = of_input[i] + (apart ? 0.0f : of_state[i]);
        if (apart) std::copy_n(of_state, sizes_.hidden, reset_bias_ + d * weights_.padded);
      }
    }
  }

  void load_states(size_t i, float* states) const {
    const float* given = input(i);
    if (given == nullptr) return;
    for (int64_t d = 0; d < sizes_.directions; ++d) {
      for (int64_t b = 0; b < sizes_.batch; ++b)
        std::copy_n(given + sizes_.state_at(d, b), sizes_.hidden, states + sequence(d, b) * weights_.padded);
    }
  }

  void store_states() const {
    for (const auto& [i, states] : {std::pair(kYH, h_), std::pair(kYC, c_)}) {
      float* wanted = i == kYH || cell_ == Cell::kLSTM ? output(i) : nullptr;
      if (wanted == nullptr) continue;
      for (int64_t d = 0; d < sizes_.directions; ++d) {
        for (int64_t b = 0; b < sizes_.batch; ++b)
          std::copy_n(states + sequence(d, b) * weights_.padded, sizes_.hidden,
                      wanted + sizes_.state_at(d, b));
      }
    }
  }

  // W x + biases of every step: rows as X has them.
  bool project() {
    const int64_t rows = sizes_.steps * sizes_.batch, row = weights_.row();
    if (rows == 0) return true;
    const float* x = input(kX);
    return multiply_all(env_, micro_, {sizes_.directions, rows, sizes_.size, row, sizes_.size, row},
                        [&](int64_t d) {
                          ProductOperands operands = {x, projected_ + d * rows * row};
                          operands.column_bias = input_bias_ + d * row;
                          operands.b_panels = weights_.w(d);
                          return operands;
                        });
  }

  bool run_steps() {
    constexpr int64_t kWideMacs = 1 << 20;  // of a step that is worth sharing out
    const int64_t parts = (sizes_.batch + kSequences - 1) / kSequences;
    const int64_t macs = weights_.row() * sizes_.hidden * std::min(sizes_.batch, kSequences);
    if (sizes_.directions * parts == 1 && macs >= kWideMacs) {
      const int64_t ns = macs / (weights_.row() / kPanelColumns) / 16;
      return run_sequences(0, 0, sizes_.batch, [&](int64_t panels, auto product) {
        return env_.parallel_for(panels, ns, [&](int64_t panel, int) { product(panel); });
      });
    }
    return env_.parallel_for(sizes_.directions * parts, sizes_.steps * (macs / 16 + 200),
                             [&](int64_t i, int) {
                               const int64_t d = i / parts, first = i % parts * kSequences;
                               run_sequences(d, first, std::min(kSequences, sizes_.batch - first),
                                             [](int64_t panels, auto product) {
                                               for (int64_t panel = 0; panel < panels; ++panel)
                                                 product(panel);
                                               return true;
                                             });
                             });
  }

  // Some sequences of one direction, beside each other. each_panel(count, product) calls it for every panel.
  template <typename EachPanel>
  bool run_sequences(int64_t d, int64_t first, int64_t count, EachPanel each_panel) {
    int64_t longest = 0;
    for (int64_t b = first; b < first + count; ++b) {
      longest = std::max(longest, length(b));
      clear_rest(d, b);
    }
    const int64_t at = sequence(d, first), padded = weights_.padded;
    for (int64_t i = 0; i < longest; ++i) {
      if (env_.should_stop()) return false;
      for (int64_t b = first; b < first + count; ++b) {
        if (i < length(b)) load_sums(d, b, step_of(d, b, i));
      }
      const bool reset_before = cell_ == Cell::kGRU && !reset_after_;
      const float* h = h_ + at * padded;
      if (!multiply(d, 0, reset_before ? 2 : weights_.gates, count, h, at, each_panel)) return false;
      if (reset_before) {
        for (int64_t s = at; s < at + count; ++s)
          micro_.gru_reset(sums_of(s) + padded, h_ + s * padded, sizes_.hidden, kept_ + s * padded);
        if (!multiply(d, 2, 3, count, kept_ + at * padded, at, each_panel)) return false;
      }
      for (int64_t b = first; b < first + count; ++b) {
        if (i < length(b)) finish_step(d, b, step_of(d, b, i));
      }
    }
    return true;
  }

  int64_t length(int64_t b) const { return lengths_[static_cast<size_t>(b)]; }
  int64_t step_of(int64_t d, int64_t b, int64_t i) const {
    return reverse_ || d == 1 ? length(b) - 1 - i : i;
  }
  float* sums_of(int64_t s) const { return sums_ + s * blocks_ * weights_.padded; }

  void load_sums(int64_t d, int64_t b, int64_t step) {
    const int64_t rows = sizes_.steps * sizes_.batch, padded = weights_.padded;
    const float* row = projected_ + (d * rows + sizes_.x_row(step, b)) * weights_.row();
    float* sums = sums_of(sequence(d, b));
    if (cell_ != Cell::kGRU || !reset_after_) {
      std::copy_n(row, weights_.row(), sums);
      return;
    }
    std::copy_n(row, 2 * padded, sums);
    std::copy_n(reset_bias_ + d * padded, padded, sums + 2 * padded);
    std::copy_n(row + 2 * padded, padded, sums + 3 * padded);
  }

  // Adds state · Rᵀ to the sums of gates [begin, end) of `count` sequences from `at` on.
  template <typename EachPanel>
  bool multiply(int64_t d, int64_t begin, int64_t end, int64_t count, const float* state, int64_t at,
                EachPanel each_panel) {
    const int64_t hidden = sizes_.hidden, padded = weights_.padded, first = begin * padded;
    return each_panel((end - begin) * padded / kPanelColumns, [&](int64_t panel) {
      const int64_t column = first + panel * kPanelColumns;
      const float* r = weights_.r(d) + column * hidden;
      for (int64_t k = 0; k < hidden; k += kSumBlock) {
        micro_.panel_product(state + k, padded, count, r + k * kPanelColumns, std::min(kSumBlock, hidden - k),
                             true, sums_of(at) + column, blocks_ * padded, kPanelColumns);
      }
    });
  }

  void finish_step(int64_t d, int64_t b, int64_t step) {
    const int64_t s = sequence(d, b), padded = weights_.padded;
    float* h = h_ + s * padded;
    switch (cell_) {
      case Cell::kLSTM: micro_.lstm_gates(sums_of(s), padded, sizes_.hidden, c_ + s * padded, h); break;
      case Cell::kGRU: micro_.gru_gates(sums_of(s), padded, reset_after_, sizes_.hidden, h); break;
      case Cell::kRNN: micro_.tanh(sums_of(s), sizes_.hidden, h); break;
    }
    if (y_ != nullptr) std::copy_n(h, sizes_.hidden, y_ + sizes_.y_at(step, d, b));
  }

  // Steps behind a sequence's end give zeros.
  void clear_rest(int64_t d, int64_t b) {
    for (int64_t step = length(b); step < sizes_.steps && y_ != nullptr; ++step)
      std::fill_n(y_ + sizes_.y_at(step, d, b), sizes_.hidden, 0.0f);
  }

  const KernelContext& context_;
  KernelEnv& env_;
  const MicroKernels& micro_;
  const RecurrentSizes& sizes_;
  const Weights& weights_;
  std::vector<int64_t> lengths_;
  Cell cell_;
  bool reset_after_, reverse_;
  int64_t blocks_;  // of a sequence's sums, `padded` values each
  float* y_;
  float *h_, *c_, *kept_, *sums_, *input_bias_, *reset_bias_, *projected_;
};

class Recurrent final : public Kernel {
 public:
  Recurrent(const KernelQuery& query, const MicroKernels& micro) : micro_(micro) {
    const Tensor* w = query.constant(kW);
    const Tensor* r = query.constant(kR);
    if (w == nullptr || r == nullptr || w->rank() != 3 || r->rank() != 3) return;
    const int64_t gates = cell_kind(query.node).gates;
    const bool fit = w->dim(0) == r->dim(0) && w->dim(1) == r->dim(1) && r->dim(1) == gates * r->dim(2);
    if (!fit) return;  // the run will say so
    w_ = *w, r_ = *r;
    packed_.emplace(w_, r_, gates);
  }

  size_t packed_bytes() const override { return packed_ ? packed_->bytes() : 0; }
  void prepare(KernelEnv& env, std::span<std::byte> packed) override {
    if (packed_) packed_->pack(env, micro_, w_, r_, reinterpret_cast<float*>(packed.data()));
  }

  void run(KernelContext& context) const override {
    const RecurrentSizes sizes(context);
    if (context.wants_output(kY)) context.allocate_output(kY, DType::kF32, sizes.y_dims());
    for (const size_t output : {kYH, kYC}) {
      if (context.wants_output(output)) context.allocate_output(output, DType::kF32, sizes.state_dims());
    }
    if (packed_) return Recurrence(context, micro_, sizes, *packed_).run();
    Weights weights(context.input(kW), context.input(kR), sizes.kind.gates);
    auto* memory = reinterpret_cast<float*>(context.env().workspace(weights.bytes()));
    weights.pack(context.env(), micro_, context.input(kW), context.input(kR), memory);
    if (!context.env().should_stop()) Recurrence(context, micro_, sizes, weights).run();
  }

 private:
  const MicroKernels& micro_;
  Tensor w_, r_;
  std::optional<Weights> packed_;
};

std::unique_ptr<Kernel> make(const KernelQuery& query, const void* device_state) {
  return std::make_unique<Recurrent>(query, *static_cast<const MicroKernels*>(device_state));
}

}  // namespace

extern constinit const KernelImpl kLSTM = {"", "LSTM", "lstm", accept, make};
extern constinit const KernelImpl kGRU = {"", "GRU", "gru", accept, make};
extern constinit const KernelImpl kRNN = {"", "RNN", "rnn", accept, make};

}  // namespace oag::cpu
