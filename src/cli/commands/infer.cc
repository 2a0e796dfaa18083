// oag infer: one run of an ONNX model.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "cli/command.h"
#include "cli/compile_setup.h"
#include "cli/infer_inputs.h"
#include "cli/infer_outputs.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/run_trace.h"
#include "cli/tensor_values.h"
#include "engine/formats/onnx/onnx_import.h"
#include "engine/session/session.h"

namespace oag::cli {
namespace {

constexpr double kLongestTimeout = 86400;

struct InferFlags {
  ModelOptions place;  // and the model's path
  InputOptions inputs;
  std::string output;
  bool profile = false;
  std::string trace_file;  // empty: where trace_path says
  double timeout_s = 0;    // 0: none
  bool json = false;
};

struct Inference {
  std::vector<NamedTensor> inputs, outputs;
  double load_ms = 0, run_ms = 0;
};

void run_once(const InferFlags& flags, const Session& session, const RunBindings& bindings,
              const RunControl& control, std::vector<Tensor>& outputs) {
  const RunState state = session.run(bindings, control, outputs);
  if (state == RunState::kCancelled) fail(ErrorCode::kCancelled, "oag", "cancelled");
  if (state == RunState::kDeadlineExceeded) {
    fail(ErrorCode::kDeadlineExceeded, flags.place.model, "the run took longer than the {} s of --timeout",
         flags.timeout_s);
  }
}

std::filesystem::path trace_path(const InferFlags& flags) {
  if (!flags.trace_file.empty()) return flags.trace_file;
  if (!flags.output.empty()) return std::filesystem::path(flags.output) / "profile.json";
  return std::filesystem::path(flags.place.model).stem().string() + ".profile.json";
}

Json inference_json(const InferFlags& flags, const Inference& inference, const Session& session,
                    const std::optional<RunTrace>& trace) {
  Json inputs = Json::array(), outputs = Json::array();
  for (const NamedTensor& input : inference.inputs) {
    inputs.push_back(
        {{"name", input.name}, {"dtype", dtype_name(input.tensor.dtype())}, {"shape", input.tensor.dims()}});
  }
  const std::vector<std::string> files = output_files(inference.outputs);
  for (size_t i = 0; i < inference.outputs.size(); ++i) {
    outputs.push_back(output_json(inference.outputs[i]));
    outputs.back()["file"] = flags.output.empty()
                                 ? Json(nullptr)
                                 : Json((std::filesystem::path(flags.output) / files[i]).string());
  }
  Json document = {{"schema", "oag.infer/1"},
                   {"model", flags.place.model},
                   {"device", session.program().devices.front()->name()},
                   {"load_ms", inference.load_ms},
                   {"run_ms", inference.run_ms},
                   {"inputs", std::move(inputs)},
                   {"outputs", std::move(outputs)}};
  if (trace) {
    document["profile"] = trace->json();
    document["profile"]["trace"] = trace_path(flags).string();
  }
  return document;
}

void tell(const InferFlags& flags, const Inference& inference, const Session& session,
          const std::optional<RunTrace>& trace) {
  if (flags.json) {
    print_json(inference_json(flags, inference, session, trace));
    return;
  }
  fmt::print("{}", outputs_table(inference.outputs));
  if (trace) fmt::print("\n{}", trace->table());
  fmt::print("\nloaded in {:.1f} ms, ran in {:.2f} ms\n", inference.load_ms, inference.run_ms);
  if (!flags.output.empty()) fmt::print("outputs are in {}\n", printable(flags.output));
  if (trace)
    fmt::print("the trace is in {}, for chrome://tracing or ui.perfetto.dev\n",
               printable(trace_path(flags).string()));
}

std::optional<TimePoint> deadline_of(const InferFlags& flags) {
  if (flags.timeout_s == 0) return std::nullopt;
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(flags.timeout_s));
}

int infer(const InferFlags& flags) {
  const TimePoint begin = Clock::now();
  const CompileSetup setup(flags.place);
  OnnxModel model = import_onnx(flags.place.model);
  const std::vector<Tensor> inputs = make_inputs(model.inputs, flags.inputs);
  Inference inference;
  for (size_t i = 0; i < inputs.size(); ++i) inference.inputs.push_back({model.inputs[i].name, inputs[i]});
  const CompileOptions options = setup.options_for(flags.place.model, model);
  const Session session(make_runtime(flags.place), std::move(model.graph), options);
  warn_of_many_threads(flags.place);
  if (flags.place.explain) print_explain(session.program());
  inference.load_ms = elapsed_ms(begin, Clock::now());

  InterruptibleRun run;
  std::vector<Tensor> outputs;
  std::optional<RunTrace> trace;
  if (flags.profile) {
    run_once(flags, session, {inputs, {}}, run.renew(deadline_of(flags)),
             outputs);  // touches memory, makes the plan
    outputs.clear();
    trace.emplace(session.program()).start();
  }
  const TimePoint start = Clock::now();
  run_once(flags, session, {inputs, {}, trace ? &*trace : nullptr}, run.renew(deadline_of(flags)), outputs);
  if (trace) trace->finish();
  inference.run_ms = elapsed_ms(start, Clock::now());
  for (const auto& file : model.files) {
    if (file->damaged()) fail(ErrorCode::kIo, file->path().string(), "became shorter while it was read");
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    inference.outputs.push_back({model.outputs[i].name, outputs[i]});
  if (!flags.output.empty()) write_outputs(flags.output, inference.outputs);
  if (trace) trace->write_chrome_trace(trace_path(flags));
  tell(flags, inference, session, trace);
  return kExitOk;
}

void declare_inputs(CLI::App& command, InputOptions& inputs) {
  declare_input_options(command, inputs);
  auto* random =
      command.add_flag("--random", inputs.random,
                       "Draw the inputs that no --input gives: floats from [0, 1), integers 0 and 1, words");
  for (const char* option : {kSeedOption, kShapeOption}) command.get_option(option)->needs(random);
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<InferFlags>();
  CLI::App* command = app.add_subcommand("infer", "Run an ONNX model once");
  command->footer(
      "Without --output the outputs are shown in a table. With it each is written to DIR/NAME.npy, where a "
      "/\n"
      "of the name is a _ and a taken name gets _2; types that .npy lacks (bfloat16, floats of 8 bits and\n"
      "less, integers of less, strings, sequences, optionals, maps) are protobuf messages, NAME.pb.\n"
      "DIR/outputs.json lists name, file, dtype and shape.");
  command->add_option("MODEL", flags->place.model, "An ONNX file; its external data lie in its folder")
      ->check(not_empty());
  declare_inputs(*command, flags->inputs);
  command->add_option("-o,--output", flags->output, "Folder for the outputs; made where it is missing")
      ->type_name("DIR")
      ->check(not_empty());
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/infer.json)");
  flags->place.declare_explain(*command);
  auto* profile = command->add_option(
      "--profile", flags->trace_file,
      "Run twice, show the second run's time by operator and write it as a Chrome trace (default FILE:\n"
      "profile.json in --output's folder, else MODEL.profile.json here)");
  profile->expected(0, 1)->type_name("[FILE]");
  flags->place.declare_plugins(*command);
  command->add_option("--timeout", flags->timeout_s, "Seconds after which a run is stopped; 0: never")
      ->type_name("S")
      ->check(number(0, kLongestTimeout))
      ->capture_default_str();
  flags->place.declare_place(*command);
  command->callback([flags, profile, &exit_code] {
    flags->profile = profile->count() > 0;
    // What follows --profile is taken for its file, the model itself where nothing else is left to be it.
    if (flags->place.model.empty()) std::swap(flags->place.model, flags->trace_file);
    if (flags->place.model.empty()) throw CLI::RequiredError("MODEL");
    exit_code = infer(*flags);
  });
}

}  // namespace

extern constinit const Command kInferCommand = {declare};

}  // namespace oag::cli
