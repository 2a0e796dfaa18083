#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace oag {

// Sorted samples and what is read off them. Without any, every figure is 0.
class Samples {
 public:
  void add(double value);
  void add(std::span<const double> values);  // many at once: sorts once
  size_t size() const { return values_.size(); }
  double at(double share) const;  // 0.5: the median; between samples, interpolated
  double median() const { return at(0.5); }
  double mean() const;
  // Half the distance from the 10th to the 90th percentile, as a part of the median.
  double spread() const;

 private:
  std::vector<double> values_;
};

}  // namespace oag
