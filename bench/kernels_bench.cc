// Hot kernels of the CPU device, alone: oag_kernels_bench [--benchmark_filter=REGEX]. Weights are cycled
// through enough copies that they come from memory, as they do in a model. OAG_CPU_ISA and OAG_THREADS choose
// what is measured.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

std::shared_ptr<CpuDevice> device() {
  const char* threads = std::getenv("OAG_THREADS");
  static const std::shared_ptr<CpuDevice> shared =
      make_device(choose_isa(""), threads == nullptr ? 0 : std::atoi(threads));
  return shared;
}

void linear(benchmark::State& state, DType dtype, int64_t outputs, int64_t inputs, int64_t tokens) {
  constexpr size_t kCycledBytes = 96 << 20;
  const Tensor first = random_weights(dtype, outputs, inputs, 1);
  const Tensor x = random_f32({tokens, inputs}, 2);
  std::vector<std::unique_ptr<KernelRunner>> runners;
  const size_t copies = std::max<size_t>(1, kCycledBytes / first.size_bytes());
  for (size_t i = 0; i < copies; ++i) {
    runners.push_back(std::make_unique<KernelRunner>(
        device(), OperatorCase{"oag", "Linear", {}, {x, copy_of(first)}, 1, {1}}));
  }
  const RunControl control;
  const auto stream = device()->make_stream(control);
  std::vector<Tensor> y = runners[0]->run();
  size_t next = 0;
  for (auto _ : state) runners[next++ % copies]->run_again(*stream, y);
  const auto runs = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(runs * static_cast<double>(first.size_bytes()) * 1e-9, benchmark::Counter::kIsRate);
  state.counters["Gop/s"] = benchmark::Counter(runs * 2e-9 * static_cast<double>(outputs * inputs * tokens),
                                               benchmark::Counter::kIsRate);
}

void add_linear() {
  for (const DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ8_0, DType::kQ4_K, DType::kQ6_K,
                            DType::kIQ4_NL, DType::kBF16, DType::kF32}) {
    for (const auto& [outputs, inputs] :
         {std::pair<int64_t, int64_t>{1536, 576}, {576, 1536}, {4096, 4096}}) {
      if (inputs % dtype_info(dtype).block_values != 0) continue;
      for (const int64_t tokens : {1, 4, 128}) {
        const std::string name = "linear/" + std::string(dtype_name(dtype)) + "/" + std::to_string(outputs) +
                                 "x" + std::to_string(inputs) + "/tokens:" + std::to_string(tokens);
        benchmark::RegisterBenchmark(name.c_str(), linear, dtype, outputs, inputs, tokens)->UseRealTime();
      }
    }
  }
}

}  // namespace
}  // namespace oag::cpu

int main(int argc, char** argv) {
  oag::cpu::add_linear();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
