#pragma once

#include <memory>
#include <vector>

#include "engine/ops/kernel.h"

namespace oag {

// Runs kernels on the calling thread: for constant folding, and wherever no device is at hand.
class SerialEnv final : public KernelEnv {
 public:
  bool parallel_for(int64_t tiles, int64_t, FunctionRef<void(int64_t, int)> tile) override {
    for (int64_t i = 0; i < tiles; ++i) tile(i, 0);
    return true;
  }
  int workers() const override { return 1; }
  std::byte* workspace(size_t size_bytes) override {
    return scratch_.emplace_back(allocate_host(size_bytes))->data();
  }
  bool should_stop() const override { return false; }

 private:
  std::vector<std::shared_ptr<Buffer>> scratch_;
};

}  // namespace oag
