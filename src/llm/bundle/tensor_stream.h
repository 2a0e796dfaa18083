#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/compute_pool.h"
#include "base/run_control.h"
#include "llm/bundle/tensor_plan.h"

namespace oag {

// Takes the bytes of a tensor, piece by piece and in order.
using TensorSink = std::function<void(std::span<const std::byte>)>;

// Reads the rows of planned tensors, converts them on a pool of threads, and hands them on while the next
// ones are converted. Memory: two pieces of up to 4 MB (or one row, where that is larger), whatever the
// size of a tensor; pages of the source leave memory behind it.
class TensorStream {
 public:
  // Pool and control must outlive the stream. `where` names the source in errors.
  TensorStream(ComputePool& pool, const RunControl& control, std::string where)
      : pool_(pool), control_(control), where_(std::move(where)) {}

  ~TensorStream() { settle(); }
  TensorStream(const TensorStream&) = delete;
  TensorStream& operator=(const TensorStream&) = delete;

  // Calls `sink` on a thread of its own, also after the return: see flush(). Errors: kCorruptData for a NaN
  // or an infinity, kUnsupported for a value that the type cannot hold, naming tensor and place; kIo where
  // the source shrank; kCancelled; what this or an earlier sink throws.
  void convert(const PlannedTensor& tensor, const TensorSink& sink);

  // Waits until everything was taken. Errors: what a sink throws.
  void flush();
  // The same, whatever a sink throws.
  void settle() noexcept;

  // Time that was spent waiting for sinks.
  double waited_seconds() const { return waited_seconds_; }

 private:
  std::span<std::byte> next_piece(size_t size_bytes);
  void give(std::span<const std::byte> piece, const TensorSink& sink);
  void convert_rows(const PlannedTensor& tensor, int64_t begin, int64_t end, std::span<std::byte> out);
  void convert_tile(const PlannedTensor& tensor, int64_t begin, int64_t end, std::span<float> values,
                    std::span<std::byte> out) const;
  void check_values(const PlannedTensor& tensor, int64_t first_row, std::span<const float> values) const;

  ComputePool& pool_;
  const RunControl& control_;
  std::string where_;
  std::vector<std::vector<float>> scratch_;  // one a thread
  std::vector<std::byte> pieces_[2];         // one is filled while the other is taken
  size_t filled_ = 0;
  std::future<void> taken_;
  double waited_seconds_ = 0;
};

}  // namespace oag
