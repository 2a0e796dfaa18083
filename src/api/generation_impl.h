#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
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

// The user's callback as the model calls it.
class MutableCallback {
 public:
  MutableCallback(TokenCallback on_token, std::shared_ptr<CallbackThread> thread)
      : on_token_(std::move(on_token)), thread_(std::move(thread)) {}

  bool call(const oag::TokenEvent& event);
  // No call begins from now on: an answer that is dropped inside its own callback may have text left.
  void mute() { muted_.store(true); }

 private:
  const TokenCallback on_token_;
  std::shared_ptr<CallbackThread> thread_;
  std::atomic<bool> muted_{false};
};

struct Generation::Impl {
  Impl(oag::Generation made, std::shared_ptr<MutableCallback> muted_when_dropped,
       std::shared_ptr<const CallbackThread> calls)
      : generation(std::move(made)), callback(std::move(muted_when_dropped)), thread(std::move(calls)) {}

  oag::Generation generation;
  std::shared_ptr<MutableCallback> callback;  // null without one
  std::shared_ptr<const CallbackThread> thread;

  std::mutex mutex;
  std::optional<Result> result;  // under mutex; made on first use

  void check_may_wait() const;
};

}  // namespace openautoglm
