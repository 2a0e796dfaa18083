#pragma once

#include <exception>
#include <string>

namespace oag::cli {

// What is told about an error that ends a command: one line that names the subject and, where there is one,
// the remedy; empty where nobody is left to tell, because the reader of standard output has gone.
std::string failure_text(const std::exception& error);

}  // namespace oag::cli
