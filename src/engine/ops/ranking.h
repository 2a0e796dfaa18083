#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace oag {

// A row of a product and its value.
struct Ranked {
  float value;
  int32_t id;

  // Larger values come first, of equal ones the lower id.
  bool before(const Ranked& other) const {
    return value > other.value || (value == other.value && id < other.id);
  }
};

// The best of what is offered, as many as there is room for. Which they are does not depend on the order of
// the offers. NaN and -inf are never among them.
class Ranking {
 public:
  explicit Ranking(std::span<Ranked> room) : room_(room) {}

  // Values of ids first_id, first_id + 1, ...
  void offer(std::span<const float> values, int32_t first_id) {
    size_t i = 0;
    for (; i + kStep <= values.size(); i += kStep) {
      int hits = 0;  // without a branch, so that it compiles to vectors
      for (size_t j = i; j < i + kStep; ++j) hits |= static_cast<int>(values[j] >= least_);
      if (hits == 0) continue;
      for (size_t j = i; j < i + kStep; ++j) offer({values[j], first_id + static_cast<int32_t>(j)});
    }
    for (; i < values.size(); ++i) offer({values[i], first_id + static_cast<int32_t>(i)});
  }

  void offer(Ranked ranked) {
    if (!(ranked.value >= least_) || room_.empty()) return;
    const auto before = [](const Ranked& a, const Ranked& b) { return a.before(b); };
    if (count_ == room_.size()) {
      if (!ranked.before(room_.front())) return;
      std::pop_heap(room_.begin(), room_.end(), before);
      --count_;
    }
    room_[count_++] = ranked;
    const auto end = room_.begin() + static_cast<std::ptrdiff_t>(count_);
    std::push_heap(room_.begin(), end, before);
    if (count_ == room_.size()) least_ = room_.front().value;  // the worst is in front
  }

  // In no order.
  std::span<const Ranked> kept() const { return room_.first(count_); }
  // Best first; nothing is offered afterwards. What is more than `margin` below the best is left out.
  std::span<const Ranked> sorted(float margin = std::numeric_limits<float>::infinity()) {
    const std::span<Ranked> all = room_.first(count_);
    std::sort(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) { return a.before(b); });
    size_t within = 0;
    const auto below = [&](const Ranked& ranked) {  // in double, where no difference of two floats is rounded
      return static_cast<double>(ranked.value) < static_cast<double>(all.front().value) - margin;
    };
    while (within < all.size() && !below(all[within])) ++within;
    return all.first(within);
  }

 private:
  static constexpr size_t kStep = 16;

  std::span<Ranked> room_;  // a heap
  size_t count_ = 0;
  float least_ = std::numeric_limits<float>::lowest();  // no value below it is taken
};

// Into the places of RankedLinear's outputs for one row.
inline void write_ranking(std::span<const Ranked> best, std::span<float> values, std::span<int32_t> ids) {
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = i < best.size() ? best[i].value : -std::numeric_limits<float>::infinity();
    ids[i] = i < best.size() ? best[i].id : -1;
  }
}

}  // namespace oag
