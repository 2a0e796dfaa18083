#include "service/hub/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/clock.h"
#include "base/error.h"

extern char** environ;

namespace oag {
namespace {

constexpr size_t kKeptOutputBytes = 16384;
constexpr auto kTick = std::chrono::milliseconds(100);
constexpr auto kGrace = std::chrono::milliseconds(2000);  // from SIGTERM to SIGKILL

// A started child and the read end of the pipe that its output goes to. Destroying it ends the child.
class Child {
 public:
  Child() = default;
  ~Child() {
    if (pid_ > 0) end();
    if (pipe_ >= 0) ::close(pipe_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // 0 or an errno.
  int start(const ChildRequest& request);

  // Waits up to one tick for output; true when some came.
  bool pump();

  bool exited() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }

  // The wait status of a child that exited.
  int reap() {
    while (pump_now()) {
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

  void end() {
    ::kill(-pid_, SIGTERM);
    const TimePoint deadline = Clock::now() + kGrace;
    while (!exited() && Clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    // Not reaped yet, so the group's number still belongs to it and to whatever it started.
    ::kill(-pid_, SIGKILL);
    reap();
  }

  std::string& output() { return output_; }

 private:
  bool pump_now();

  pid_t pid_ = -1;
  int pipe_ = -1;
  std::string output_;
};

std::vector<std::string> child_environment(const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    bool replaced = false;
    for (const auto& [name, value] : added) replaced = replaced || text.starts_with(name + "=");
    if (!replaced) out.emplace_back(text);
  }
  for (const auto& [name, value] : added) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

int Child::start(const ChildRequest& request) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
  pipe_ = ends[0];
  ::fcntl(pipe_, F_SETFL, O_NONBLOCK);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 2);

  // Signals that this program blocks or ignores must work again in the child.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t reset;
  sigemptyset(&none);
  sigemptyset(&reset);
  for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) sigaddset(&reset, number);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &reset);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> arguments = request.arguments;
  std::vector<std::string> environment = child_environment(request.environment);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, arguments[0].c_str(), &actions, &attributes,
                                   pointers(arguments).data(), pointers(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error == 0) pid_ = pid;
  return error;
}

bool Child::pump() {
  pollfd poller{pipe_, POLLIN, 0};
  if (::poll(&poller, 1, static_cast<int>(kTick.count())) <= 0) return false;
  // At the pipe's end poll returns at once, while the child may go on.
  if (pump_now()) return true;
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return false;
}

bool Child::pump_now() {
  char chunk[4096];
  const ssize_t got = ::read(pipe_, chunk, sizeof chunk);
  if (got <= 0) return false;
  output_.append(chunk, static_cast<size_t>(got));
  if (output_.size() > 2 * kKeptOutputBytes) output_.erase(0, output_.size() - kKeptOutputBytes);
  return true;
}

}  // namespace

ChildResult run_child(const ChildRequest& request) {
  using End = ChildResult::End;
  Child child;
  if (const int error = child.start(request)) return {End::kNotStarted, error, ""};
  uint64_t last_mark = 0;
  TimePoint last_change = Clock::now();
  while (!child.exited()) {
    const bool spoke = child.pump();
    const uint64_t mark = request.on_tick ? request.on_tick() : 0;
    if (spoke || mark != last_mark) last_change = Clock::now();
    last_mark = mark;
    const bool cancelled = request.cancel != nullptr && request.cancel->load();
    if (cancelled || Clock::now() - last_change > request.idle_limit) {
      child.end();
      return {cancelled ? End::kCancelled : End::kIdle, 0, std::move(child.output())};
    }
  }
  const int status = child.reap();
  if (WIFSIGNALED(status)) return {End::kSignalled, WTERMSIG(status), std::move(child.output())};
  return {End::kExited, WEXITSTATUS(status), std::move(child.output())};
}

}  // namespace oag
