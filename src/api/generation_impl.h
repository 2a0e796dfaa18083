#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "llm/generate/generation.h"
#include "openautoglm/openautoglm.h"

namespace openautoglm {

// Which thread calls the callbacks of a model. The user's code runs on it inside callbacks only.
class CallbackThread {
 public:
  void enter() { id_.store(std::this_thread::get_id()); }
  bool is_this() const { return id_.load() == std::this_thread::get_id(); }

 private:
  std::atomic<std::thread::id> id_{};
};

// What stands between the scheduler and the user's callback: an exception or `false` ends that one answer.
class CallbackGuard {
 public:
  CallbackGuard(TokenCallback on_token, std::shared_ptr<CallbackThread> thread)
      : on_token_(std::move(on_token)), thread_(std::move(thread)) {}

  void call(const oag::TokenEvent& event);

  // Hands over what call() cancels, right after it was submitted. The first tokens may be there already; one
  // that ends the answer waits for this.
  void attach(const oag::Generation& generation);

  // No call begins from now on, and the generation is let go; when it has `ended`, the callback is, too.
  void detach(bool ended);

  // Of the exception that the callback threw; empty when none. To be read after the generation ended.
  const std::string& error() const { return error_; }

 private:
  TokenCallback on_token_;
  std::shared_ptr<CallbackThread> thread_;
  std::atomic<bool> muted_{false};
  std::string error_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool attached_ = false;
  std::optional<oag::Generation> generation_;  // which owns this guard: detach() breaks the circle
};

struct Generation::Impl {
  oag::Generation generation;
  std::shared_ptr<CallbackGuard> guard;  // null without a callback
  std::shared_ptr<const CallbackThread> thread;

  std::mutex mutex{};
  std::optional<Result> result{};  // under mutex; made on first use

  void check_may_wait() const;
  Result read_result() const;
};

}  // namespace openautoglm
