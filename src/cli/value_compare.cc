#include "cli/value_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/output.h"
#include "cli/tensor_values.h"
#include "engine/tensor/container.h"

namespace oag::cli {
namespace {

constexpr double kLeastBF16Relative = 0x1p-6;

bool both_nan(AnyNumber a, AnyNumber b) {
  const auto nan = [](AnyNumber x) { return std::isnan(x.real()) || std::isnan(x.imag()); };
  return nan(a) && nan(b);
}

// The error as a multiple of what is allowed: above 1 is too much.
long double excess(AnyNumber seen, AnyNumber expected, const Tolerance& tolerance) {
  constexpr long double kFar = std::numeric_limits<long double>::infinity();
  if (seen == expected || both_nan(seen, expected)) return 0;
  const long double error = std::abs(seen - expected), size = std::abs(expected);
  if (!std::isfinite(error) || !std::isfinite(size)) return kFar;
  const long double allowed = tolerance.absolute + tolerance.relative * size;
  return allowed > 0 ? error / allowed : kFar;
}

std::string at(const Tensor& tensor, int64_t i) {
  return tensor.rank() == 0 ? "" : fmt::format(" at [{}]", fmt::join(place_of(tensor.dims(), i), ", "));
}

std::string number_difference(const Tensor& seen, const Tensor& expected, Tolerance tolerance) {
  if (expected.dtype() == DType::kBF16) tolerance.relative = std::max(tolerance.relative, kLeastBF16Relative);
  int64_t wrong = 0, worst = 0;
  long double most = 0;
  for (int64_t i = 0; i < expected.count(); ++i) {
    const long double each = excess(number_at(seen, i), number_at(expected, i), tolerance);
    if (each <= 1) continue;
    ++wrong;
    if (each > most) {
      most = each;
      worst = i;
    }
  }
  if (wrong == 0) return "";
  return fmt::format("{} of {} values differ, most{}: {}, expected {} (allowed {:g} + {:g} of it)", wrong,
                     expected.count(), at(expected, worst), element_text(seen, worst),
                     element_text(expected, worst), tolerance.absolute, tolerance.relative);
}

std::string string_difference(const Tensor& seen, const Tensor& expected) {
  const auto a = strings_of(seen), b = strings_of(expected);
  const auto wrong = std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin();
  if (static_cast<size_t>(wrong) == a.size()) return "";
  return fmt::format("the string{} is {}, expected {}", at(expected, wrong), element_text(seen, wrong),
                     element_text(expected, wrong));
}

std::string container_difference(const Tensor& seen, const Tensor& expected, const Tolerance& tolerance) {
  const auto a = elements_of(seen), b = elements_of(expected);
  for (size_t i = 0; i < b.size(); ++i) {
    const std::string inside = difference(a[i], b[i], tolerance);
    if (inside.empty()) continue;
    if (expected.dtype() == DType::kSequence) return fmt::format("element {}: {}", i, inside);
    if (expected.dtype() == DType::kMap) return fmt::format("{}: {}", i == 0 ? "keys" : "values", inside);
    return inside;
  }
  return "";
}

}  // namespace

std::string difference(const Tensor& seen, const Tensor& expected, const Tolerance& tolerance) {
  if (seen.dtype() != expected.dtype() || seen.dims() != expected.dims())
    return fmt::format("is {}, expected {}", type_text(seen), type_text(expected));
  if (is_container(expected.dtype())) return container_difference(seen, expected, tolerance);
  if (!tolerance.values) return "";
  if (expected.dtype() == DType::kString) return string_difference(seen, expected);
  return number_difference(seen, expected, tolerance);
}

}  // namespace oag::cli
