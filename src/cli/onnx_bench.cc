#include "cli/onnx_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/latency_bench.h"
#include "cli/machine_report.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "engine/formats/onnx/onnx_import.h"

namespace oag::cli {
namespace {

constexpr std::string_view kOwnEngine = "oag", kPytorch = "pytorch";
constexpr const char *kEngine = "--engine", *kSource = "--source";
constexpr const char* kGroup = "ONNX models";

std::vector<std::string> engine_list(const std::string& text) {
  std::vector<std::string> engines;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string engine = text.substr(begin, end - begin);
    if (engine.empty()) usage_error(kEngine, "{} has an empty name", cli::quoted(text));
    if (std::ranges::find(engines, engine) != engines.end())
      usage_error(kEngine, "{} stands there twice", engine);
    engines.push_back(std::move(engine));
    begin = end + 1;
  }
  return engines;
}

// The element type of most constant bytes.
std::string precision_of(const Graph& graph) {
  std::map<DType, uint64_t> bytes;
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const auto& constant = graph.value(static_cast<ValueId>(i)).constant;
    if (constant) bytes[constant->dtype()] += constant->size_bytes();
  }
  const auto most = std::ranges::max_element(bytes, {}, [](const auto& each) { return each.second; });
  return most == bytes.end() ? "" : std::string(dtype_name(most->first));
}

std::unique_ptr<LatencyEngine> open_engine(const std::string& engine, const OnnxBenchFlags& flags,
                                           const ModelOptions& model, const std::vector<Tensor>& inputs) {
  if (engine == kPytorch) return open_pytorch_engine(flags.source, inputs, model.threads);
  return open_session_engine(model, engine == kOwnEngine ? model.device : engine, inputs);
}

Json input_json(const OnnxPort& port, const Tensor& tensor) {
  return {{"name", port.name}, {"dtype", dtype_name(tensor.dtype())}, {"shape", tensor.dims()}};
}

std::string shapes_text(std::span<const OnnxPort> ports, std::span<const Tensor> inputs) {
  std::vector<std::string> words;
  for (size_t i = 0; i < ports.size(); ++i)
    words.push_back(fmt::format("{} {}{}", printable(ports[i].name), dtype_name(inputs[i].dtype()),
                                to_string(inputs[i].dims())));
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

bool is_onnx_file(const std::string& model) {
  return model.ends_with(".onnx");
}

void declare_onnx_bench(CLI::App& command, OnnxBenchFlags& flags) {
  flags.inputs.random = true;
  declare_input_options(command, flags.inputs);
  for (const char* option : {kInputOption, kShapeOption, kSeedOption})
    command.get_option(option)->group(kGroup);
  command
      .add_option(kEngine, flags.engines,
                  "Engines to time in turns, such as oag,onnxruntime,openvino; pytorch runs --source")
      ->type_name("E,E")
      ->group(kGroup)
      ->capture_default_str();
  command
      .add_option(kSource, flags.source,
                  "What the model was exported from, for --engine pytorch: an exported program (.pt2) or a\n"
                  "TorchScript (.pt) that takes the same inputs in their order")
      ->type_name("FILE")
      ->group(kGroup)
      ->check(not_empty());
}

bool has_onnx_options(const CLI::App& command) {
  return std::ranges::any_of(
      std::initializer_list<const char*>{kInputOption, kShapeOption, kSeedOption, kEngine, kSource},
      [&](const char* option) { return command.count(option) > 0; });
}

int bench_onnx(const OnnxBenchFlags& flags, const ModelOptions& model, int repeats, bool json) {
  const std::vector<std::string> names = engine_list(flags.engines);
  const bool pytorch = std::ranges::find(names, kPytorch) != names.end();
  if (pytorch == flags.source.empty())
    usage_error(kSource, "{}", pytorch ? "--engine pytorch needs it" : "goes with --engine pytorch");
  const OnnxModel imported = import_onnx(model.model);
  const std::vector<Tensor> inputs = make_inputs(imported.inputs, flags.inputs);

  InterruptibleRun run;
  ProgressBar bar;
  std::vector<std::unique_ptr<LatencyEngine>> engines;
  for (const std::string& name : names) engines.push_back(open_engine(name, flags, model, inputs));
  const std::vector<LatencyResult> results = measure_latency(engines, repeats, run.control(), [&](int done) {
    bar.update_count("rounds", static_cast<uint64_t>(done), static_cast<uint64_t>(repeats));
  });
  const uint64_t peak_bytes = peak_memory_bytes();
  engines.clear();
  ModelOptions own = model;
  if (!own.device.starts_with("cpu")) own.device.clear();
  const std::shared_ptr<Runtime> runtime = make_runtime(own);
  const MachineLimits limits = runtime->devices().front()->measure_limits();
  run.check();
  bar.clear();

  const Device& device = *runtime->devices().front();
  if (json) {
    Json list = Json::array(), ports = Json::array();
    for (const LatencyResult& result : results) list.push_back(latency_json(result, peak_bytes));
    for (size_t i = 0; i < inputs.size(); ++i) ports.push_back(input_json(imported.inputs[i], inputs[i]));
    print_json({{"schema", "oag.bench/1"},
                {"machine", machine_json(device, limits)},
                {"model", model.model},
                {"precision", precision_of(imported.graph)},
                {"inputs", std::move(ports)},
                {"results", std::move(list)}});
    return kExitOk;
  }
  fmt::print("{}model      {}\ninputs     {}\n\n{}\n", machine_lines(device, limits), printable(model.model),
             shapes_text(imported.inputs, inputs), latency_table(results));
  fmt::print(
      "Latency is the median of {} runs, in turns with the other engines; spread half the distance from the\n"
      "10th to the 90th percentile, as a part of it. Of the first: latency as a part of the first engine's.\n"
      "Difference: the greatest from a number of the first engine's outputs, and the greatest number "
      "there.\n",
      repeats);
  return kExitOk;
}

}  // namespace oag::cli
