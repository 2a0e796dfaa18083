#pragma once

#include <string_view>

#include "engine/ops/schema.h"

namespace oag {

// What fusion and layout passes ask of the device that a partition will run on.
class TargetTraits {
 public:
  virtual ~TargetTraits() = default;
  // Whether some kernel other than the reference takes this operator with these input types.
  virtual bool has_kernel(std::string_view domain, std::string_view op,
                          std::span<const DType> inputs) const = 0;
};

}  // namespace oag
