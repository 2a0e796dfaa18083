#pragma once

#include <string_view>

#include "engine/ops/schema.h"

namespace oag {

// An activation that oag.FusedConv takes, by its operator's name. activation_params are the values of these
// attributes; of Clip they are its two bounds.
struct FusedActivation {
  std::string_view op;
  FixedList<std::string_view, 2> attributes;
  FixedList<float, 2> defaults;
};

// Null for an operator that it does not take.
const FusedActivation* fused_activation(std::string_view op);

}  // namespace oag
