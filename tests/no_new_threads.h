#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

#include <cstddef>

#if defined(__GLIBC__)

namespace oag::test {

// While it lives no thread can be started: stacks are larger than the address space.
class NoNewThreads {
 public:
  NoNewThreads() {
    EXPECT_EQ(::pthread_getattr_default_np(&usual_), 0);
    pthread_attr_t absurd;
    ::pthread_attr_init(&absurd);
    ::pthread_attr_setstacksize(&absurd, size_t{1} << 50);
    EXPECT_EQ(::pthread_setattr_default_np(&absurd), 0);
    ::pthread_attr_destroy(&absurd);
  }
  ~NoNewThreads() {
    ::pthread_setattr_default_np(&usual_);
    ::pthread_attr_destroy(&usual_);
  }
  NoNewThreads(const NoNewThreads&) = delete;
  NoNewThreads& operator=(const NoNewThreads&) = delete;

 private:
  pthread_attr_t usual_;
};

}  // namespace oag::test

#endif
