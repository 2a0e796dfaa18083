#include "service/serve/byte_budget.h"

namespace oag {
namespace {

constexpr size_t kFewBytes = size_t{64} << 10;

}  // namespace

std::unique_ptr<ByteBudget::Hold> ByteBudget::take(size_t bytes) {
  std::lock_guard lock(mutex_);
  const bool fits = bytes <= kFewBytes || held_ == 0 || (held_ <= most_ && bytes <= most_ - held_);
  if (!fits) return nullptr;
  held_ += bytes;
  return std::make_unique<Hold>(*this, bytes);
}

size_t ByteBudget::held() const {
  std::lock_guard lock(mutex_);
  return held_;
}

void ByteBudget::Hold::shrink(size_t bytes) {
  std::lock_guard lock(budget_.mutex_);
  if (bytes >= bytes_) return;
  budget_.held_ -= bytes_ - bytes;
  bytes_ = bytes;
}

}  // namespace oag
