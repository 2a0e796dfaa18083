#pragma once

#include <CLI/CLI.hpp>

namespace oag::cli {

// Exit codes of every subcommand.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNegative = 3;  // the verdict of a checking command
inline constexpr int kExitInterrupted = 130;

// A subcommand: declares its options on `app` and sets a callback that stores the exit code.
struct Command {
  void (*declare)(CLI::App& app, int& exit_code);
};

}  // namespace oag::cli
