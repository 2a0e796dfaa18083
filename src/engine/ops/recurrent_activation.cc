#include "engine/ops/recurrent_activation.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string_view>

#include "base/error.h"

namespace oag {
namespace {

struct Named {
  std::string_view name;
  double (*function)(double x, double alpha, double beta);
  bool takes_alpha, takes_beta;
  double alpha, beta;  // where the attributes have none
};

constexpr Named kFunctions[] = {
    {"affine", [](double x, double a, double b) { return a * x + b; }, true, true, 1.0, 0.0},
    {"elu", [](double x, double a, double) { return x < 0 ? a * std::expm1(x) : x; }, true, false, 1.0, 0.0},
    {"hardsigmoid", [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }, true, true,
     0.2, 0.5},
    {"leakyrelu", [](double x, double a, double) { return x < 0 ? a * x : x; }, true, false, 0.01, 0.0},
    {"relu", [](double x, double, double) { return x < 0 ? 0.0 : x; }, false, false, 0.0, 0.0},
    {"scaledtanh", [](double x, double a, double b) { return a * std::tanh(b * x); }, true, true, 1.0, 1.0},
    {"sigmoid", [](double x, double, double) { return 1.0 / (1.0 + std::exp(-x)); }, false, false, 0.0, 0.0},
    {"softplus",
     [](double x, double, double) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }, false,
     false, 0.0, 0.0},
    {"softsign", [](double x, double, double) { return x / (1 + std::abs(x)); }, false, false, 0.0, 0.0},
    {"tanh", [](double x, double, double) { return std::tanh(x); }, false, false, 0.0, 0.0},
    {"thresholdedrelu", [](double x, double a, double) { return x > a ? x : 0.0; }, true, false, 1.0, 0.0},
};

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The next of the values that functions take in turn.
double take(std::span<const float>& values, double fallback) {
  if (values.empty()) return fallback;
  const double value = values.front();
  values = values.subspan(1);
  return value;
}

}  // namespace

std::vector<RecurrentActivation> recurrent_activations(const Node& node,
                                                       const std::vector<std::string>& fallback,
                                                       size_t count) {
  const auto refuse = [&](const std::string& message) {
    fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node.name, node.full_op()), "{}", message);
  };
  std::vector<std::string> names = fallback;
  if (const auto found = node.attributes.find("activations"); found != node.attributes.end()) {
    const auto* given = std::get_if<std::vector<std::string>>(&found->second);
    if (given == nullptr) refuse("activations must be a list of names");
    if (!given->empty()) names = *given;
  }
  if (names.size() < count) refuse(fmt::format("has {} activations; it needs {}", names.size(), count));
  const std::vector<float> alphas = node.floats_attribute("activation_alpha"),
                           betas = node.floats_attribute("activation_beta");
  std::span<const float> alphas_left = alphas, betas_left = betas;
  std::vector<RecurrentActivation> result;
  for (size_t i = 0; i < count; ++i) {
    const std::string name = lower_case(names[i]);
    const auto* named = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                     [&](const Named& function) { return function.name == name; });
    if (named == std::end(kFunctions)) refuse(fmt::format("activation \"{}\" is not known", names[i]));
    RecurrentActivation& made = result.emplace_back();
    made.function = named->function;
    made.alpha = named->takes_alpha ? take(alphas_left, named->alpha) : 0;
    made.beta = named->takes_beta ? take(betas_left, named->beta) : 0;
  }
  return result;
}

}  // namespace oag
