#include "base/samples.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace oag {

void Samples::add(double value) {
  values_.insert(std::upper_bound(values_.begin(), values_.end(), value), value);
}

void Samples::add(std::span<const double> values) {
  values_.insert(values_.end(), values.begin(), values.end());
  std::sort(values_.begin(), values_.end());
}

double Samples::at(double share) const {
  if (values_.empty()) return 0;
  const double place = share * static_cast<double>(values_.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values_.size() - 1);
  return std::lerp(values_[below], values_[above], place - static_cast<double>(below));
}

double Samples::spread() const {
  return median() > 0 ? (at(0.9) - at(0.1)) / 2 / median() : 0;
}

double Samples::mean() const {
  if (values_.empty()) return 0;
  return std::accumulate(values_.begin(), values_.end(), 0.0) / static_cast<double>(values_.size());
}

}  // namespace oag
