#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

namespace oag {

// The answers that are being made. What they use must outlive them, and their threads belong to models: a
// server that ends asks them to end and waits until the last one has let go. Thread safe.
class LiveAnswers {
 public:
  // Held by an answer as long as it uses anything of the server's.
  class Place {
   public:
    Place(LiveAnswers& all, std::list<std::function<void()>>::iterator self) : all_(all), self_(self) {}
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    LiveAnswers& all_;
    std::list<std::function<void()>>::iterator self_;
  };

  // `end` asks the answer to end; it may be called on any thread and after the place was given back. Errors:
  // RequestError 503 once end_all() was called.
  std::unique_ptr<Place> add(std::function<void()> end);

  void end_all();
  void wait_until_gone();

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  std::list<std::function<void()>> ends_;
  bool ended_ = false;
};

}  // namespace oag
