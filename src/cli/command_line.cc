#include "cli/command_line.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>
#include <system_error>

#include "base/error.h"
#include "cli/command.h"
#include "cli/help_formatter.h"
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
    "MODEL is a name that `oag models` lists, a GGUF file or a folder.\n"
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 a negative verdict of a checking command, 130 cancelled.\n"
    "Environment: OAG_MODELS (model cache folder), OAG_LOG (debug|info|warning|error|off),\n"
    "OAG_CPU_ISA (force an instruction set), NO_COLOR.";

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
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help and --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    fmt::print(stderr, "oag: {} (see `{} --help`)\n", printable(error.what()),
               chosen.empty() ? "oag" : "oag " + chosen.front()->get_name());
    return kExitUsage;
  }
  if (app.get_subcommands().empty()) fmt::print("{}", app.help());
  return exit_code;
}

// Standard output is part of the result: a full disk or a closed pipe is a failure, which a command that
// failed has told already.
int finish(int exit_code) {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (exit_code != kExitOk || (flushed && std::ferror(stdout) == 0)) return exit_code;
  if (errno != EPIPE)
    fmt::print(stderr, "oag: standard output: {}\n", std::strerror(errno != 0 ? errno : EIO));
  return kExitFailure;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  try {
    return finish(parse_and_run(argc, argv));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) {
      fmt::print(stderr, "oag: cancelled\n");
      return kExitInterrupted;
    }
    fmt::print(stderr, "oag: {}\n", printable(error.what()));
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "oag: out of memory\n");
  } catch (const std::system_error& error) {
    if (error.code().value() != EPIPE)  // the reader of a pipe has gone: nobody is left to tell
      fmt::print(stderr, "oag: {}\n", error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "oag: internal error: {}\n", error.what());
  }
  return kExitFailure;
}

}  // namespace oag::cli
