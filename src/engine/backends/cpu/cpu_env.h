#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/compute_pool.h"
#include "base/run_control.h"
#include "engine/ops/kernel.h"
#include "engine/tensor/tensor.h"

namespace oag::cpu {

// What kernels get of a processor: its pool, and scratch memory that grows to what the largest one asked for.
class CpuEnv final : public KernelEnv {
 public:
  CpuEnv(ComputePool& pool, const RunControl& control) : pool_(pool), control_(control) {}

  bool parallel_for(int64_t tiles, int64_t ns_per_tile, FunctionRef<void(int64_t, int)> tile) override {
    return pool_.parallel_for(control_, tiles, ns_per_tile, tile);
  }
  int workers() const override { return pool_.threads(); }
  bool should_stop() const override { return control_.should_stop(); }

  std::byte* workspace(size_t size_bytes) override {
    constexpr size_t kAlign = 64;
    const size_t wanted = (size_bytes + kAlign - 1) / kAlign * kAlign;
    if (block_ == nullptr || used_ + wanted > block_->size_bytes()) {
      if (block_ != nullptr) outgrown_.push_back(std::move(block_));
      grown_bytes_ = std::max(wanted, 2 * grown_bytes_);
      block_ = allocate_host(grown_bytes_);
      used_ = 0;
    }
    std::byte* piece = block_->data() + used_;
    used_ += wanted;
    return piece;
  }

  // Between kernels: scratch is free again. What was outgrown is dropped, so one block serves the steady
  // state.
  void reset() {
    used_ = 0;
    outgrown_.clear();
  }

 private:
  ComputePool& pool_;
  const RunControl& control_;
  std::shared_ptr<Buffer> block_;
  std::vector<std::shared_ptr<Buffer>> outgrown_;
  size_t used_ = 0;
  size_t grown_bytes_ = 0;
};

}  // namespace oag::cpu
