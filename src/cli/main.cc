// The program's entry: everything else is in command_line.cc.
#include <csignal>

#include "cli/command_line.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a write error like any other
  return oag::cli::run_command_line(argc, argv);
}
