#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/schema.h"

namespace oag {

// One matrix [rows, columns] and maybe a bias for each expert. Errors: kInvalidArgument through `context` for
// an input of other dims.
class ExpertWeights {
 public:
  // A byte of the input's last dim holds `values_per_byte` columns.
  ExpertWeights(const KernelContext& context, size_t weights, size_t biases, int64_t values_per_byte);
  virtual ~ExpertWeights() = default;

  int64_t experts() const { return dims_[0]; }
  int64_t rows() const { return dims_[1]; }
  int64_t columns() const { return dims_[2]; }
  const Dims& dims() const { return dims_; }
  const Tensor& tensor() const { return tensor_; }
  double bias(int64_t expert, int64_t row) const {
    return biases_.empty() ? 0 : biases_[static_cast<size_t>(expert * rows() + row)];
  }
  virtual void load(int64_t expert, int64_t row, std::span<double> out) const = 0;

 private:
  const Tensor& tensor_;
  Dims dims_;
  std::vector<double> biases_;
};

// Where the parts of quantised weights are among a node's inputs, and the attribute of their bits.
struct PackedInputs {
  size_t weights, scales, biases, zero_points;
  std::string_view bits;
};

// Codes of 2, 4 or 8 bits, the first in a byte's low bits.
class PackedExperts : public ExpertWeights {
 public:
  PackedExperts(const KernelContext& context, const PackedInputs& inputs);
  void load(int64_t expert, int64_t row, std::span<double> out) const override;

 private:
  const KernelContext& context_;
  PackedInputs inputs_;
  int64_t bits_, block_, blocks_;
};

}  // namespace oag
