#pragma once

namespace oag::cli {

// Runs the command that the arguments name and returns the exit code (see command.h). Every error ends here,
// as one line on standard error.
int run_command_line(int argc, char** argv);

}  // namespace oag::cli
