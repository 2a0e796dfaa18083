// The program's entry: everything else is in command_line.cc.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <initializer_list>

#include "cli/command_line.h"

namespace {

// Where a standard stream is closed, the next file that is opened would take its number, and what is written
// to the stream would end up in that file.
void reserve_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) != -1) continue;
    // Read-only, so that writing a result stays the failure that it is.
    if (::open("/dev/null", O_RDONLY) != stream) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  reserve_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a write error like any other
  return oag::cli::run_command_line(argc, argv);
}
