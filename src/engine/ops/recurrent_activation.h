#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/graph/graph.h"

namespace oag {

// One of the functions that RNN, GRU and LSTM may use.
struct RecurrentActivation {
  double operator()(double x) const { return function(x, alpha, beta); }

  double (*function)(double x, double alpha, double beta) = nullptr;
  double alpha = 0, beta = 0;
};

// The attributes activations, activation_alpha and activation_beta as `count` functions; `fallback` names
// them where the attribute is absent. Errors: kInvalidArgument, prefixed with node and operator.
std::vector<RecurrentActivation> recurrent_activations(const Node& node,
                                                       const std::vector<std::string>& fallback,
                                                       size_t count);

}  // namespace oag
