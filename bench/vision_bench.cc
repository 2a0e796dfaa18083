// Every operator of one block of a vision tower, alone: how long it takes and which share of what the machine
// can do it reaches.
//
//   oag_vision_bench [--patches N] [--weights f32|f16|bf16|q8_0] [--rounds R] [--only TEXT] [--json]
//
// The shapes are GLM-4.1V's: width 1536, 12 heads of 128, an MLP of 4096; 5928 patches are a screenshot of
// 720x1600. Each time is the median of R rounds (5), which go through all operators in turn. --only leaves
// out operators whose name lacks TEXT; --json prints milliseconds by operator. OAG_CPU_ISA and OAG_THREADS
// choose what is measured.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/backends/cpu/kernel_runner.h"
#include "engine/backends/cpu/machine_limits.h"

namespace oag::cpu {
namespace {

constexpr int64_t kWidth = 1536, kHeads = 12, kHeadSize = 128, kMlp = 4096, kPatchValues = 1176;

struct Options {
  int64_t patches = 5928;
  DType weights = DType::kF32;
  int rounds = 5;
  std::string only;
  bool json = false;
};

// One operator: what it computes and the bytes it cannot avoid to move.
struct Row {
  std::string name;
  double flop = 0;
  double bytes = 0;
  std::unique_ptr<KernelRunner> runner;
  std::vector<Tensor> outputs;
  std::vector<double> seconds;
};

class Block {
 public:
  Block(std::shared_ptr<CpuDevice> device, const Options& options)
      : device_(std::move(device)), options_(options) {
    const int64_t n = options_.patches;
    const Tensor x = random_f32({n, kWidth}, 1), wide = random_f32({n, kMlp}, 2);
    const Tensor scale = random_f32({kWidth}, 3), bias = random_f32({kWidth}, 4);
    linear("patch embedding", random_f32({n, kPatchValues}, 5), kWidth);
    add("RMSNormalization", {"", "RMSNormalization", {}, {x, scale}}, 0);
    linear("qkv", x, 3 * kWidth);
    const Tensor angles = random_f32({1, n, kHeadSize / 2}, 6);
    const Tensor heads = random_f32({1, n, kWidth}, 7);
    add("RotaryEmbedding", {"", "RotaryEmbedding", {{"num_heads", kHeads}}, {heads, angles, angles}}, 0);
    add("Attention",
        {"",
         "Attention",
         {{"q_num_heads", kHeads}, {"kv_num_heads", kHeads}},
         {heads, random_f32({1, n, kWidth}, 8), random_f32({1, n, kWidth}, 9)}},
        4.0 * static_cast<double>(n * n * kWidth));
    linear("attention output", x, kWidth);
    add("Add", {"", "Add", {}, {x, random_f32({n, kWidth}, 10)}}, 0);
    linear("gate or up", x, kMlp);
    add("SwiGLU", {"oag", "SwiGLU", {}, {wide, random_f32({n, kMlp}, 11)}}, 0);
    linear("down", wide, kWidth);
    add("LayerNormalization", {"", "LayerNormalization", {}, {x, scale, bias}}, 0);
    add("Gelu", {"", "Gelu", {}, {x}}, 0);
    const Tensor merged = random_f32({n / 4, kMlp}, 12);
    linear("merger, gate or up", merged, 13696);
    linear("merger, down", random_f32({n / 4, 13696}, 13), kMlp);
  }

  void measure() {
    const RunControl control;
    const auto stream = device_->make_stream(control);
    for (int round = -1; round < options_.rounds; ++round) {
      for (Row& row : rows_) {
        const TimePoint before = Clock::now();
        row.runner->run_again(*stream, row.outputs);
        const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
        if (round >= 0) row.seconds.push_back(seconds);
      }
    }
    for (Row& row : rows_) std::sort(row.seconds.begin(), row.seconds.end());
  }

  const std::vector<Row>& rows() const { return rows_; }

 private:
  void add(std::string name, OperatorCase operation, double flop) {
    if (name.find(options_.only) == std::string::npos) return;
    double bytes = 0;
    for (const Tensor& input : operation.inputs) bytes += static_cast<double>(input.size_bytes());
    Row row{
        std::move(name), flop, bytes, std::make_unique<KernelRunner>(device_, std::move(operation)), {}, {}};
    row.outputs = row.runner->run();
    for (const Tensor& output : row.outputs) row.bytes += static_cast<double>(output.size_bytes());
    rows_.push_back(std::move(row));
  }

  void linear(const std::string& name, const Tensor& x, int64_t outputs) {
    if (name.find(options_.only) == std::string::npos) return;
    const int64_t inputs = x.dim(1);
    const bool fits = inputs % dtype_info(options_.weights).block_values == 0;
    const Tensor w = random_weights(fits ? options_.weights : DType::kF32, outputs, inputs, 14);
    add(fmt::format("{} {}x{}", name, inputs, outputs),
        {"oag", "Linear", {{"many_rows", int64_t{1}}}, {x, w}, 1, {1}},
        2.0 * static_cast<double>(x.dim(0) * inputs * outputs));
  }

  std::shared_ptr<CpuDevice> device_;
  Options options_;
  std::vector<Row> rows_;
};

void print_table(const Block& block, const MachineLimits& limits) {
  fmt::print("limits: {:.0f} GFLOP/s f32, {:.1f} GB/s\n\n", limits.f32_gflop_s, limits.bandwidth_gb_s);
  fmt::print("| operator | ms | GFLOP/s | of the peak | GB/s |\n|---|---:|---:|---:|---:|\n");
  for (const Row& row : block.rows()) {
    const double seconds = row.seconds[row.seconds.size() / 2];
    const double rate = row.flop * 1e-9 / seconds;
    fmt::print("| {} | {:.2f} | {} | {} | {:.1f} |\n", row.name, seconds * 1e3,
               row.flop > 0 ? fmt::format("{:.0f}", rate) : "",
               row.flop > 0 ? fmt::format("{:.0f} %", 100 * rate / limits.f32_gflop_s) : "",
               row.bytes * 1e-9 / seconds);
  }
}

void print_json(const Block& block, const MachineLimits& limits) {
  fmt::print("{{\"f32_gflop_s\":{:.1f},\"bandwidth_gb_s\":{:.2f},\"ms\":{{", limits.f32_gflop_s,
             limits.bandwidth_gb_s);
  const char* separator = "";
  for (const Row& row : block.rows()) {
    fmt::print("{}\"{}\":{:.3f}", separator, row.name, row.seconds[row.seconds.size() / 2] * 1e3);
    separator = ",";
  }
  fmt::print("}}}}\n");
}

int usage() {
  fmt::print(stderr,
             "usage: oag_vision_bench [--patches N] [--weights f32|f16|bf16|q8_0] [--rounds R] "
             "[--only TEXT] [--json]\n");
  return 2;
}

int run(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--json") {
      options.json = true;
      continue;
    }
    if (i + 1 == argc) return usage();
    const char* value = argv[++i];
    if (flag == "--patches") {
      options.patches = std::atoll(value);
    } else if (flag == "--rounds") {
      options.rounds = std::atoi(value);
    } else if (flag == "--only") {
      options.only = value;
    } else if (flag == "--weights" && dtype_from_name(value)) {
      options.weights = *dtype_from_name(value);
    } else {
      return usage();
    }
  }
  if (options.patches < 4 || options.rounds < 1) return usage();
  const char* threads = std::getenv("OAG_THREADS");
  const auto device = make_device(choose_isa(""), threads == nullptr ? 0 : std::atoi(threads));
  const MachineLimits limits = device->measure_limits();
  Block block(device, options);
  block.measure();
  options.json ? print_json(block, limits) : print_table(block, limits);
  return 0;
}

}  // namespace
}  // namespace oag::cpu

int main(int argc, char** argv) {
  try {
    return oag::cpu::run(argc, argv);
  } catch (const oag::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
