#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

namespace oag {

// Memory that requests hold together, beyond what a model's queue counts: bodies, and pictures that wait for
// the tower. Thread safe. It must outlive what it hands out.
class ByteBudget {
 public:
  explicit ByteBudget(size_t most) : most_(most) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // A part of the budget, given back by its end.
  class Hold {
   public:
    Hold(ByteBudget& budget, size_t bytes) : budget_(budget), bytes_(bytes) {}
    ~Hold() { shrink(0); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    // To `bytes` where it held more.
    void shrink(size_t bytes);

   private:
    ByteBudget& budget_;
    size_t bytes_;
  };

  // Null where others hold too much. Few bytes always find room, since their number is bounded elsewhere.
  std::unique_ptr<Hold> take(size_t bytes);
  size_t held() const;

 private:
  const size_t most_;
  mutable std::mutex mutex_;
  size_t held_ = 0;
};

}  // namespace oag
