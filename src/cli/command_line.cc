#include "cli/command_line.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "cli/command.h"
#include "cli/failure.h"
#include "cli/help_formatter.h"
#include "cli/option_checks.h"
#include "cli/output.h"

namespace oag::cli {

#define OAG_COMMAND(command) extern const Command command;
#include "cli/command_list.inc"
#undef OAG_COMMAND

namespace {

constexpr std::initializer_list<const Command*> kCommands = {
#define OAG_COMMAND(command) &command,
#include "cli/command_list.inc"
#undef OAG_COMMAND
};

constexpr const char* kFooter =
    "MODEL is a name that `oag models` lists, a GGUF file or a folder that holds exactly one (an mmproj does "
    "not\n"
    "count), or hf:ORG/NAME that was pulled.\n"
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 a negative verdict of a checking command, 130 cancelled.\n"
    "With --json a command that fails prints an object too (docs/schemas/error.json; run: its own).\n"
    "Environment: OAG_MODELS (model cache folder), OAG_LOG (debug|info|warning|error|off),\n"
    "OAG_CPU_ISA (force an instruction set), NO_COLOR; for hf:ORG/NAME those of huggingface_hub: "
    "HF_ENDPOINT, HF_TOKEN,\n"
    "HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE.";

bool is_command(const CLI::App& app, const std::string& name) {
  return !app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; }).empty();
}

// `oag help COMMAND` is `oag COMMAND --help`; what is no command stays, to be refused.
std::vector<std::string> arguments_of(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (arguments.empty() || arguments.front() != "help") return arguments;
  arguments.erase(arguments.begin());
  if (arguments.empty() || is_command(app, arguments.front())) arguments.emplace_back("--help");
  return arguments;
}

// The command that was chosen, such as `bench` or its own `serve`; `app` itself where none was.
const CLI::App& chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : chosen_command(*chosen.front());
}

bool has_json_flag(const CLI::App& command) {
  const CLI::Option* json = command.get_option_no_throw("--json");
  return json != nullptr && json->count() > 0;
}

// "bench serve"
std::string name_of(const CLI::App& command, const CLI::App& app) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr || parent == &app ? command.get_name()
                                             : name_of(*parent, app) + " " + command.get_name();
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("oag runs language models on this machine, on OpenAutoGLM's own engine.", "oag");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Show this text");
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", "oag " OAG_VERSION, "Show the version");
  int exit_code = kExitOk;
  for (const Command* command : kCommands) command->declare(app, exit_code);
  app.footer(kFooter);  // after the commands, which would take it over
  try {
    std::vector<std::string> arguments = arguments_of(app, argc, argv);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    app.parse(std::move(arguments));
  } catch (const CLI::Success& asked) {  // --help and --version
    std::ostringstream text;
    const int code = app.exit(asked, text, text);
    fmt::print("{}", text.str());
    return code;
  } catch (const CLI::ParseError& error) {
    const CLI::App& command = chosen_command(app);
    print_stderr("oag: {} (see `{} --help`)\n", printable(usage_text(app, error)),
                 &command == &app ? "oag" : "oag " + name_of(command, app));
    return kExitUsage;
  } catch (const std::exception& error) {
    const CLI::App& command = chosen_command(app);
    if (has_json_flag(command)) print_json_failure(name_of(command, app), error);
    return tell_failure(error);
  }
  if (app.get_subcommands().empty()) fmt::print("{}", app.help());
  return exit_code;
}

// Standard output is part of the result: a full disk or a closed pipe is a failure, which a command that
// failed has told already.
int finish(int exit_code) {
  const int error = std::fflush(stdout) == 0 ? 0 : errno;
  if (exit_code != kExitOk || (error == 0 && std::ferror(stdout) == 0)) return exit_code;
  // Of a write that failed earlier, errno no longer tells the cause.
  if (error != EPIPE) {
    print_stderr("oag: standard output: cannot write: {}\n",
                 error != 0 ? std::generic_category().message(error) : "a part could not be written");
  }
  return kExitFailure;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  try {
    return finish(parse_and_run(argc, argv));
  } catch (const std::exception& error) {
    return tell_failure(error);
  }
}

}  // namespace oag::cli
