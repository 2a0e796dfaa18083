#include "cli/python_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "cli/output.h"

extern char** environ;

namespace oag::cli {
namespace {

constexpr int kLookMs = 50;  // how often a wait looks at its control
constexpr size_t kMostLine = size_t{1} << 16;

struct Pipe {
  int read = -1, write = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail(ErrorCode::kIo, "pipe", "{}", std::strerror(errno));
  return {ends[0], ends[1]};
}

pid_t start(const std::vector<std::string>& words, const Pipe& in, const Pipe& out, const Pipe& errors) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.read, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write, 1);
  ::posix_spawn_file_actions_adddup2(&actions, errors.write, 2);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail(ErrorCode::kUnsupported, words[0], "cannot be started: {}", std::strerror(error));
  return pid;
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

PythonProcess::PythonProcess(const std::string& script, const std::vector<std::string>& arguments) {
  const char* named = std::getenv("OAG_PYTHON");
  std::vector<std::string> words = {named != nullptr ? named : "python3", "-c", script};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const Pipe in = make_pipe(), out = make_pipe(), errors = make_pipe();
  to_ = in.write;
  from_ = out.read;
  errors_ = errors.read;
  pid_ = start(words, in, out, errors);
  for (const int end : {in.read, out.write, errors.write}) ::close(end);
}

PythonProcess::~PythonProcess() {
  for (const int end : {to_, from_, errors_}) ::close(end);
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string PythonProcess::ask(const std::string& line, const RunControl& control) {
  if (!line.empty()) {
    const std::string sent = line + "\n";
    if (::write(to_, sent.data(), sent.size()) != static_cast<ssize_t>(sent.size())) fail_with_its_words();
  }
  size_t end = std::string::npos;
  while ((end = received_.find('\n')) == std::string::npos) {
    if (control.cancelled()) fail(ErrorCode::kCancelled, "python", "cancelled");
    pollfd ready{from_, POLLIN, 0};
    if (::poll(&ready, 1, kLookMs) <= 0) continue;
    std::array<char, 4096> bytes{};
    const ssize_t count = ::read(from_, bytes.data(), bytes.size());
    if (count <= 0 || received_.size() > kMostLine) fail_with_its_words();
    received_.append(bytes.data(), static_cast<size_t>(count));
  }
  std::string answer = received_.substr(0, end);
  received_.erase(0, end + 1);
  return answer;
}

void PythonProcess::fail_with_its_words() {
  std::string text;
  std::array<char, 4096> bytes{};
  for (ssize_t count = 0; (count = ::read(errors_, bytes.data(), bytes.size())) > 0;) {
    text.append(bytes.data(), static_cast<size_t>(count));
    if (text.size() > kMostLine) text.erase(0, text.size() - kMostLine);
  }
  const std::string words = last_line(text);
  fail(ErrorCode::kUnsupported, "python", "{}",
       words.empty() ? "the process ended without a word" : printable(words));
}

}  // namespace oag::cli
