#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/infer_inputs.h"
#include "cli/model_options.h"

namespace oag::cli {

// What `oag bench MODEL.onnx` is told besides the model and where to compute.
struct OnnxBenchFlags {
  InputOptions inputs;
  std::string engines = "oag";  // a list
  std::string source;           // of --engine pytorch
};

bool is_onnx_file(const std::string& model);

void declare_onnx_bench(CLI::App& command, OnnxBenchFlags& flags);
// Whether one of them was given: they are for ONNX models alone.
bool has_onnx_options(const CLI::App& command);

// Times the model on each engine and prints a table or one JSON object.
int bench_onnx(const OnnxBenchFlags& flags, const ModelOptions& model, int repeats, bool json);

}  // namespace oag::cli
