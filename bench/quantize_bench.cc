// Every quantiser on weights of several distributions: error and speed on one thread, a Markdown table.
//
//   oag_quantize_bench [--ggml LIBGGML_BASE_SO] [FORMAT... | FILE.gguf...]
//
// With --ggml, ggml_quantize_chunk of that library (llama.cpp's, without an importance matrix) runs in turns
// with ours on the same values. A GGUF's matrices are de-quantised and measured beside the made-up
// distributions. Speeds are MB of f32 read per second, the best of five.
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/formats/gguf/gguf_file.h"
#include "engine/tensor/block_format.h"
#include "engine/tensor/quantize.h"

namespace oag {
namespace {

constexpr DType kFormats[] = {DType::kF16,  DType::kBF16, DType::kQ4_0,   DType::kQ4_1,   DType::kQ5_0,
                              DType::kQ5_1, DType::kQ8_0, DType::kQ2_K,   DType::kQ3_K,   DType::kQ4_K,
                              DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};
constexpr size_t kRow = 1024;
constexpr size_t kRows = 256;
constexpr int kRuns = 5;

using GgmlQuantize = size_t (*)(int type, const float* values, void* out, int64_t first, int64_t rows,
                                int64_t row_length, const float* importance);

struct Weights {
  std::string name;
  std::vector<float> values;
};

template <typename Draw>
Weights made(std::string name, Draw draw) {
  Weights weights = {std::move(name), std::vector<float>(kRow * kRows)};
  for (size_t i = 0; i < weights.values.size(); ++i) weights.values[i] = draw(i % kRow);
  return weights;
}

std::vector<Weights> distributions() {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::uniform_real_distribution<float> uniform(-0.05f, 0.05f);
  std::student_t_distribution<float> heavy(3.0f);
  std::vector<Weights> all;
  all.push_back(made("gaussian", [&](size_t) { return normal(engine); }));
  all.push_back(made("uniform", [&](size_t) { return uniform(engine); }));
  all.push_back(made("heavy tailed", [&](size_t) { return heavy(engine) * 0.01f; }));
  all.push_back(made("outlier columns",
                     [&](size_t column) { return normal(engine) * (column % 85 == 3 ? 20.0f : 1.0f); }));
  return all;
}

// The first values of every third matrix of a model, up to the size of a distribution.
void add_model(const std::string& path, std::vector<Weights>& all) {
  const auto file = GgufFile::open(path);
  Weights weights = {path.substr(path.rfind('/') + 1), {}};
  size_t matrices = 0;
  for (const GgufTensor& tensor : file->tensors()) {
    if (tensor.dims.size() < 2 || tensor.dtype == DType::kUndefined || matrices++ % 3 != 0) continue;
    const DTypeInfo& info = dtype_info(tensor.dtype);
    const size_t blocks =
        std::min<size_t>(tensor.bytes.size() / info.block_bytes, 64 * kRow / info.block_values);
    std::vector<float> values(blocks * info.block_values);
    decode_blocks(tensor.dtype, tensor.bytes.first(blocks * info.block_bytes), values);
    weights.values.insert(weights.values.end(), values.begin(), values.end());
  }
  weights.values.resize(weights.values.size() / kRow * kRow);
  all.push_back(std::move(weights));
}

double error_of(DType dtype, const std::vector<float>& values, const std::vector<std::byte>& blocks) {
  std::vector<float> read(values.size());
  decode_blocks(dtype, blocks, read);
  double sum = 0;
  for (size_t i = 0; i < read.size(); ++i)
    sum += (double{values[i]} - read[i]) * (double{values[i]} - read[i]);
  return sum / static_cast<double>(read.size());
}

template <typename Work>
double seconds(Work work) {
  const TimePoint before = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - before).count();
}

void measure(DType dtype, const Weights& weights, GgmlQuantize ggml) {
  const auto count = static_cast<int64_t>(weights.values.size());
  std::vector<std::byte> ours(row_bytes(dtype, count)), theirs(ours.size());
  double our_seconds = 1e9, their_seconds = 1e9;
  const int type = static_cast<int>(find_ggml_type(dtype)->id);
  for (int run = 0; run < kRuns; ++run) {
    our_seconds = std::min(our_seconds, seconds([&] { quantize_rows(dtype, weights.values, kRow, ours); }));
    if (ggml == nullptr) continue;
    their_seconds = std::min(their_seconds, seconds([&] {
                               ggml(type, weights.values.data(), theirs.data(), 0,
                                    count / static_cast<int64_t>(kRow), kRow, nullptr);
                             }));
  }
  const double megabytes = static_cast<double>(count) * sizeof(float) / 1e6;
  const double our_error = error_of(dtype, weights.values, ours);
  fmt::print("| {} | {} | {:.4e} | {:.0f} |", dtype_name(dtype), weights.name, our_error,
             megabytes / our_seconds);
  if (ggml != nullptr) {
    const double their_error = error_of(dtype, weights.values, theirs);
    fmt::print(" {:.4e} | {:.0f} | {:.4f} | {:.1f} |", their_error, megabytes / their_seconds,
               their_error > 0 ? our_error / their_error : 1.0, their_seconds / our_seconds);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  GgmlQuantize ggml = nullptr;
  std::vector<DType> formats;
  std::vector<Weights> weights = distributions();
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--ggml" && i + 1 < argc) {
      void* library = ::dlopen(argv[++i], RTLD_NOW);
      if (library != nullptr) ggml = reinterpret_cast<GgmlQuantize>(::dlsym(library, "ggml_quantize_chunk"));
      if (ggml == nullptr) {
        fmt::print(stderr, "{}: no ggml_quantize_chunk\n", argv[i]);
        return 2;
      }
    } else if (const auto dtype = dtype_from_name(argument)) {
      formats.push_back(*dtype);
    } else {
      add_model(argument, weights);
    }
  }
  if (formats.empty()) formats.assign(std::begin(kFormats), std::end(kFormats));
  fmt::print("| format | weights | error | MB/s |{}\n",
             ggml ? " ggml's error | MB/s | error ratio | speed ratio |" : "");
  fmt::print("|---|---|---:|---:|{}\n", ggml ? "---:|---:|---:|---:|" : "");
  for (const DType dtype : formats) {
    for (const Weights& each : weights) measure(dtype, each, ggml);
  }
  return 0;
}

}  // namespace
}  // namespace oag

int main(int argc, char** argv) {
  try {
    return oag::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
