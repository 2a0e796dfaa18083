// oag doctor: whether a model is whole, fits, and how fast it will be.
#include <fmt/format.h>

#include "api/model_path.h"
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"

namespace oag::cli {
namespace {

struct DoctorFlags {
  DoctorOptions options;
  bool json = false;
};

int doctor(const DoctorFlags& flags) {
  const std::filesystem::path path = find_model_file(flags.options.model.model);
  InterruptibleRun run;
  Doctor doctor(flags.options, run.control());
  doctor.examine(path);
  run.check();
  if (flags.json) {
    print_json(doctor.json());
  } else {
    fmt::print("{}", doctor.text());
  }
  return doctor.bad() ? kExitNegative : kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<DoctorFlags>();
  CLI::App* command =
      app.add_subcommand("doctor", "Check a model: whether it is whole, fits, and how fast it will be");
  command->footer(
      "Ends with OK, or with BAD and exit code 3 when something keeps the model from answering rightly "
      "here;\n"
      "each BAD line says what to do. Warnings and notes do not fail. A step of an agent is one screen of\n"
      "1080x2400 where the model takes pictures, 1,200 tokens of text and an answer of 150 tokens.");
  DoctorOptions& options = flags->options;
  options.model.declare_machine(*command);
  command
      ->add_option("--ctx", options.model.context_tokens,
                   "Longest prompt and answer together, in tokens, that memory is counted for (default: the\n"
                   "model's, at most 8192 with a vision tower, 4096 without)")
      ->check(whole_number(1, uint64_t{1} << 31));
  declare_vision_file(*command, options.vision_file);
  command->add_option("--references", options.references,
                      "JSON file of other engines' logits to compare with (default: those built in)");
  command->add_flag("--quick", options.quick, "Do not load the model and compute with it");
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/doctor.json) instead");
  command->callback([flags, &exit_code] { exit_code = doctor(*flags); });
}

}  // namespace

extern constinit const Command kDoctorCommand = {declare};

}  // namespace oag::cli
