#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/run_control.h"

namespace oag::cli {

// A Python process that answers a line with a line. It ends with this object.
class PythonProcess {
 public:
  // Runs `script` with `arguments`. Python is $OAG_PYTHON, else python3. Errors: kIo; kUnsupported when there
  // is no Python.
  PythonProcess(const std::string& script, const std::vector<std::string>& arguments);
  ~PythonProcess();
  PythonProcess(const PythonProcess&) = delete;
  PythonProcess& operator=(const PythonProcess&) = delete;

  // Sends the line, when it is not empty, and waits for the next one. Errors: kUnsupported with the last line
  // of its standard error when the process ended; kCancelled when `control` was.
  std::string ask(const std::string& line, const RunControl& control);

 private:
  [[noreturn]] void fail_with_its_words();

  pid_t pid_ = -1;
  int to_ = -1, from_ = -1, errors_ = -1;
  std::string received_;
};

}  // namespace oag::cli
