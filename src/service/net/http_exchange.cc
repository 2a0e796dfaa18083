#include "service/net/http_exchange.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"
#include "service/net/http_response.h"

namespace oag {

void HttpMailbox::put(std::shared_ptr<HttpExchangeState> state) {
  const std::lock_guard lock(mutex_);
  if (!wake_loop_) return;
  states_.push_back(std::move(state));
  if (states_.size() == 1) wake_loop_();
}

void HttpMailbox::take(std::vector<std::shared_ptr<HttpExchangeState>>& states) {
  states.clear();
  const std::lock_guard lock(mutex_);
  states.swap(states_);
}

void HttpMailbox::close() {
  std::vector<std::shared_ptr<HttpExchangeState>> states;  // destroyed outside the lock
  const std::lock_guard lock(mutex_);
  wake_loop_ = nullptr;
  states.swap(states_);
}

// With the mutex held: true if the caller has to tell the loop.
bool HttpExchangeState::claim_wake() {
  return !closed && !std::exchange(queued, true);
}

// A part goes as a chunk of its own, so that parts may be joined at any time.
void HttpExchangeState::append_part(std::string_view part) {
  last_part = Clock::now();
  if (head_only) return;
  if (minor_version == 0) {
    pending += part;
  } else {
    append_chunk(pending, part);
  }
}

void HttpExchangeState::append_head(int status, const HttpHeaders& headers, bool chunked, size_t body_bytes) {
  keep_alive =
      keep_alive && !gone && !core->draining && !asks_to_close(headers) && !(chunked && minor_version == 0);
  core->count_answer(status);
  this->status = status;
  append_response_head(pending, {status, keep_alive, minor_version, chunked, body_bytes}, headers);
}

void HttpExchangeState::respond(int status, const HttpHeaders& headers, std::string_view body) {
  std::function<void()> callback;  // destroyed outside the lock
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (phase != Phase::kWaiting) return;
    phase = Phase::kEnded;
    callback.swap(on_gone);
    if (closed) return;
    const bool bodiless = status < 200 || status == 204 || status == 304;
    append_head(status, headers, false, body.size());
    if (!head_only && !bodiless) pending += body;
    wake = claim_wake();
  }
  if (wake) mailbox->put(shared_from_this());
}

void HttpExchangeState::begin(int status, const HttpHeaders& headers) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (phase != Phase::kWaiting) return;
    phase = Phase::kStreaming;
    if (gone || closed) return;
    append_head(status, headers, true, 0);
    last_part = Clock::now();
    wake = claim_wake();
  }
  if (wake) mailbox->put(shared_from_this());
}

bool HttpExchangeState::write(std::string_view part) {
  bool wake = false;
  bool taken = false;
  {
    const std::lock_guard lock(mutex);
    if (gone || closed || phase != Phase::kStreaming) return false;
    const size_t unsent = pending.size() + in_flight;
    if (unsent > 0 && unsent + part.size() > core->options.max_unsent_bytes) {
      cut = gone = true;  // the loop closes the connection and tells
    } else {
      append_part(part);
      taken = true;
    }
    wake = claim_wake() || cut;
  }
  if (wake) mailbox->put(shared_from_this());
  return taken;
}

void HttpExchangeState::finish(std::string_view last_part) {
  std::function<void()> callback;
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (phase != Phase::kStreaming || cut) return;
    if (!last_part.empty() && !gone && !closed) append_part(last_part);
    phase = Phase::kEnded;
    callback.swap(on_gone);
    if (gone) aborted = true;  // parts are missing
    if (!head_only && minor_version > 0 && !gone) pending += "0\r\n\r\n";
    wake = claim_wake();
  }
  if (wake) mailbox->put(shared_from_this());
}

void HttpExchangeState::abort() {
  std::function<void()> callback;
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (phase == Phase::kEnded || cut) return;
    phase = Phase::kEnded;
    callback.swap(on_gone);
    aborted = true;
    keep_alive = false;
    wake = claim_wake();
  }
  if (wake) mailbox->put(shared_from_this());
}

void HttpExchangeState::fail(std::string_view message) {
  bool left = false;
  {
    const std::lock_guard lock(mutex);
    if (phase == Phase::kEnded) return;
    keep_alive = false;
    left = gone;
  }
  if (left) return abort();
  respond(500, {{"Content-Type", "application/json"}}, http_error_body(500, message, "internal_error"));
  abort();  // nothing if that was the answer
}

void HttpExchangeState::heartbeat(std::chrono::milliseconds interval, std::string text) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (phase == Phase::kEnded) return;
    heartbeat_interval = interval;
    heartbeat_text = std::move(text);
    wake = claim_wake();
  }
  if (wake) mailbox->put(shared_from_this());
}

void HttpExchangeState::beat(TimePoint now) {
  const std::lock_guard lock(mutex);
  const bool silent = pending.empty() && in_flight == 0;
  if (phase != Phase::kStreaming || gone || heartbeat_interval.count() <= 0 || !silent) return;
  if (now - last_part >= heartbeat_interval) append_part(heartbeat_text);
}

void HttpExchangeState::set_on_gone(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex);
    if (phase == Phase::kEnded) return;
    on_gone.swap(callback);  // what was set before is destroyed outside the lock
    if (!gone) return;
    on_gone.swap(callback);
  }
  if (callback) callback();
}

void HttpExchangeState::tell_gone() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex);
    if (phase == Phase::kEnded || (gone && !cut)) return;
    gone = true;
    cut = false;
    callback.swap(on_gone);
  }
  ++core->gone;  // before anything that follows from it
  try {
    if (callback) callback();
  } catch (const std::exception& error) {
    log(LogLevel::kError, "http: a callback for a client that left failed: {}", error.what());
  }
}

HttpExchange::HttpExchange(std::shared_ptr<HttpExchangeState> state) : state_(std::move(state)) {}

HttpExchange::~HttpExchange() {
  try {
    state_->fail("the server gave no answer");
  } catch (const std::exception& error) {
    log(LogLevel::kError, "http: an exchange was dropped: {}", error.what());
  }
}

void HttpExchange::respond(int status, const HttpHeaders& headers, std::string_view body) {
  state_->respond(status, headers, body);
}

void HttpExchange::respond_json(int status, std::string_view body, const HttpHeaders& headers) {
  HttpHeaders all = {{"Content-Type", "application/json"}};
  all.insert(all.end(), headers.begin(), headers.end());
  state_->respond(status, all, body);
}

void HttpExchange::respond_error(int status, std::string_view message, std::string_view code,
                                 std::string_view param, const HttpHeaders& headers) {
  respond_json(status, http_error_body(status, message, code, param), headers);
}

void HttpExchange::begin(int status, const HttpHeaders& headers) {
  state_->begin(status, headers);
}

bool HttpExchange::write(std::string_view part) {
  return state_->write(part);
}

void HttpExchange::finish(std::string_view last_part) {
  state_->finish(last_part);
}

void HttpExchange::abort() {
  state_->abort();
}

void HttpExchange::heartbeat(std::chrono::milliseconds interval, std::string text) {
  state_->heartbeat(interval, std::move(text));
}

void HttpExchange::on_gone(std::function<void()> callback) {
  state_->set_on_gone(std::move(callback));
}

bool HttpExchange::gone() const {
  const std::lock_guard lock(state_->mutex);
  return state_->gone;
}

void HttpExchange::note(std::string_view text) {
  const std::lock_guard lock(state_->mutex);
  if (!state_->note.empty()) state_->note += ' ';
  state_->note += text;
}

size_t HttpExchange::unsent_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->pending.size() + state_->in_flight;
}

}  // namespace oag
