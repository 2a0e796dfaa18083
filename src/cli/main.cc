#include <fmt/core.h>

#include <csignal>
#include <exception>
#include <initializer_list>
#include <new>

#include "base/error.h"
#include "cli/command.h"

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

int run_command_line(int argc, char** argv) {
  CLI::App app("oag runs language models on this machine, on OpenAutoGLM's own engine.", "oag");
  app.require_subcommand(1);
  app.footer(
      "MODEL is a name that `oag models` lists, a GGUF file or a folder.\n"
      "Exit codes: 0 ok, 1 failure, 2 usage, 3 a negative verdict of a checking command.\n"
      "Environment: OAG_MODELS (model cache folder), OAG_LOG (debug|info|warning|error|off),\n"
      "OAG_CPU_ISA (force an instruction set), NO_COLOR.");
  int exit_code = kExitOk;
  for (const Command* command : kCommands) command->declare(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "oag: {} (see `oag --help` and `oag COMMAND --help`)\n", error.what());
    return kExitUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace oag::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a write error like any other
  try {
    return oag::cli::run_command_line(argc, argv);
  } catch (const oag::Error& error) {
    fmt::print(stderr, "oag: {}\n", error.what());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "oag: out of memory\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "oag: internal error: {}\n", error.what());
  }
  return oag::cli::kExitFailure;
}
