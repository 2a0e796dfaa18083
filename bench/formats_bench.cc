// Every weight format of oag.Linear: what it takes in memory and how fast it is packed, decodes and prefills,
// beside what the machine can do. One command, a Markdown table:
//
//   oag_formats_bench [--shape ROWSxINPUTS] [--seconds S] [FORMAT...]
//
// Without --shape: 1536x576 for the formats whose blocks fit, then 4096x4096 for all. Each number is the best
// of the samples that S seconds allow (0.6), since neighbours only ever take time away. Decode is one token
// and cycles through copies of at least 96 MB, so that weights come from memory as in a model; prefill is 128
// tokens. OAG_CPU_ISA and OAG_THREADS choose what is measured.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/backends/cpu/kernel_runner.h"
#include "engine/backends/cpu/machine_limits.h"
#include "engine/backends/cpu/packed_weights.h"

namespace oag::cpu {
namespace {

constexpr DType kFormats[] = {DType::kQ4_0,  DType::kQ4_1, DType::kQ5_0,   DType::kQ5_1,
                              DType::kQ8_0,  DType::kQ2_K, DType::kQ3_K,   DType::kQ4_K,
                              DType::kQ5_K,  DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS,
                              DType::kMXFP4, DType::kF16,  DType::kBF16,   DType::kF32};
constexpr size_t kCycledBytes = size_t{96} << 20;
constexpr int64_t kPrefillTokens = 128;

struct Options {
  std::vector<std::pair<int64_t, int64_t>> shapes;
  std::vector<std::string_view> formats;
  double seconds = 0.6;
};

// The shortest time of `work`, in seconds, over as many calls as `budget` seconds allow; at least three.
template <typename Work>
double best_seconds(double budget, Work work) {
  const TimePoint start = Clock::now();
  double best = 1e9;
  for (int samples = 0; samples < 3 || std::chrono::duration<double>(Clock::now() - start).count() < budget;
       ++samples) {
    const TimePoint before = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - before).count());
  }
  return best;
}

double pack_seconds(CpuDevice& device, const Tensor& stored, double budget) {
  const MicroKernels& micro = micro_kernels(device.isa());
  const auto memory = allocate_host(PackedWeights::size_bytes(micro, stored));
  return best_seconds(budget, [&] {
    const RunControl control;
    const auto stream = device.make_stream(control);
    const PackedWeights packed(micro, stored, stream->env(), {memory->data(), memory->size_bytes()});
  });
}

struct Speeds {
  double packed_bytes, pack, decode, prefill;  // seconds a matrix
};

Speeds measure(const std::shared_ptr<CpuDevice>& device, const Tensor& stored, double budget) {
  const int64_t inputs = stored.dim(1);
  Speeds speeds{static_cast<double>(stored.size_bytes()), 0, 0, 0};
  if (is_block_format(stored.dtype())) {
    speeds.packed_bytes =
        static_cast<double>(PackedWeights::size_bytes(micro_kernels(device->isa()), stored));
    speeds.pack = pack_seconds(*device, stored, budget / 2);
  }
  const auto copies = std::max<size_t>(1, kCycledBytes / static_cast<size_t>(speeds.packed_bytes));
  const RunControl control;
  const auto stream = device->make_stream(control);
  std::vector<std::unique_ptr<KernelRunner>> runners;
  for (size_t i = 0; i < copies; ++i) {
    runners.push_back(std::make_unique<KernelRunner>(
        device, OperatorCase{"oag", "Linear", {}, {random_f32({1, inputs}, 2), copy_of(stored)}, 1, {1}}));
  }
  std::vector<Tensor> y = runners[0]->run();
  speeds.decode = best_seconds(budget,
                               [&] {
                                 for (const auto& runner : runners) runner->run_again(*stream, y);
                               }) /
                  static_cast<double>(copies);
  const KernelRunner many(device,
                          {"oag", "Linear", {}, {random_f32({kPrefillTokens, inputs}, 2), stored}, 1, {1}});
  y = many.run();
  speeds.prefill = best_seconds(budget, [&] { many.run_again(*stream, y); });
  return speeds;
}

struct Row {
  DType dtype;
  int64_t rows, inputs;
  Speeds speeds;
};

void print_row(const Row& row, const MachineLimits& limits) {
  const auto& [dtype, rows, inputs, speeds] = row;
  const double bytes = static_cast<double>(rows) * static_cast<double>(row_bytes(dtype, inputs));
  const double read_gb_s = speeds.packed_bytes / speeds.decode * 1e-9;
  const double gop_s = 2e-9 * static_cast<double>(rows * inputs * kPrefillTokens) / speeds.prefill;
  const double peak = is_block_format(dtype) ? limits.int8_gop_s : limits.f32_gflop_s;
  const std::string pack = speeds.pack == 0 ? "-" : fmt::format("{:.0f}", bytes / speeds.pack * 1e-6);
  fmt::print(
      "| {} | {}x{} | {:.0f} | {:.0f} | {:.3f} | {} | {:.1f} | {:.1f} | {:.0f} % | {:.0f} | {:.0f} % |\n",
      dtype_name(dtype), rows, inputs, bytes / 1e3, speeds.packed_bytes / 1e3, speeds.packed_bytes / bytes,
      pack, bytes / speeds.decode * 1e-9, read_gb_s, 100 * read_gb_s / limits.bandwidth_gb_s, gop_s,
      100 * gop_s / peak);
}

bool wanted(const Options& options, DType dtype) {
  return options.formats.empty() || std::find(options.formats.begin(), options.formats.end(),
                                              dtype_name(dtype)) != options.formats.end();
}

void run(const Options& options) {
  const char* threads = std::getenv("OAG_THREADS");
  const auto pool = std::make_shared<ComputePool>(threads == nullptr ? 0 : std::atoi(threads));
  const auto device = std::make_shared<CpuDevice>(choose_isa(""), pool);
  const auto limits_now = [&] { return measure_machine_limits(device->isa(), *pool); };
  MachineLimits limits = limits_now();
  std::vector<Row> table;
  for (const auto& [rows, inputs] : options.shapes) {
    for (const DType dtype : kFormats) {
      if (!wanted(options, dtype) || inputs % dtype_info(dtype).block_values != 0) continue;
      const Tensor stored = random_weights(dtype, rows, inputs, 1);
      table.push_back({dtype, rows, inputs, measure(device, stored, options.seconds)});
    }
  }
  // Again, in case that neighbours were busy the first time.
  const MachineLimits later = limits_now();
  limits.bandwidth_gb_s = std::max(limits.bandwidth_gb_s, later.bandwidth_gb_s);
  limits.f32_gflop_s = std::max(limits.f32_gflop_s, later.f32_gflop_s);
  limits.int8_gop_s = std::max(limits.int8_gop_s, later.int8_gop_s);
  fmt::print("{} kernels, {} threads: {:.1f} GB/s, {:.0f} GFLOP/s f32, {:.0f} Gop/s int8\n\n",
             isa_name(device->isa()), pool->threads(), limits.bandwidth_gb_s, limits.f32_gflop_s,
             limits.int8_gop_s);
  fmt::print(
      "| format | rows x inputs | stored kB | packed kB | packed/stored | packing MB/s | decode, stored GB/s "
      "| decode, read GB/s | of bandwidth | prefill Gop/s | of peak |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Row& row : table) print_row(row, limits);
}

int usage() {
  fmt::print(stderr, "usage: oag_formats_bench [--shape ROWSxINPUTS] [--seconds S] [FORMAT...]\n");
  return 2;
}

}  // namespace

int main_of(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--shape" && i + 1 < argc) {
      long long rows = 0, inputs = 0;
      if (std::sscanf(argv[++i], "%lldx%lld", &rows, &inputs) != 2 || rows < 1 || inputs < 32 ||
          rows > 1 << 20 || inputs > 1 << 20)
        return usage();
      options.shapes.emplace_back(rows, inputs);
    } else if (argument == "--seconds" && i + 1 < argc) {
      options.seconds = std::atof(argv[++i]);
    } else if (argument.starts_with("-")) {
      return usage();
    } else {
      options.formats.push_back(argument);
    }
  }
  if (options.shapes.empty()) options.shapes = {{1536, 576}, {4096, 4096}};
  try {
    run(options);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace oag::cpu

int main(int argc, char** argv) {
  return oag::cpu::main_of(argc, argv);
}
