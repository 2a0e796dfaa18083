#include "engine/ops/number_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "engine/ops/element.h"

namespace oag {
namespace {

// Scientific text "d.ddde±xx" of the shortest digits as Python lays it out.
std::string laid_out(std::string_view scientific) {
  const size_t mark = scientific.find('e');
  int exponent = 0;
  const std::string_view power = scientific.substr(mark + (scientific[mark + 1] == '+' ? 2 : 1));
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  const bool negative = scientific.front() == '-';
  std::string digits;
  for (const char c : scientific.substr(negative ? 1 : 0, mark - (negative ? 1 : 0))) {
    if (c != '.') digits.push_back(c);
  }
  std::string text = negative ? "-" : "";
  const auto count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    text += digits.substr(0, 1);
    if (count > 1) text += "." + digits.substr(1);
    return text + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return text + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const int whole = exponent + 1;
  if (count <= whole) return text + digits + std::string(static_cast<size_t>(whole - count), '0') + ".0";
  return text + digits.substr(0, static_cast<size_t>(whole)) + "." +
         digits.substr(static_cast<size_t>(whole));
}

template <typename Float>
std::string shortest(Float value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.begin(), text.end(), value, std::chars_format::scientific).ptr;
  return laid_out({text.begin(), static_cast<size_t>(end - text.begin())});
}

// Digits for f16, bf16 and smaller types: the fewest that come back as the same value.
std::string shortest_narrow(DType dtype, double value) {
  const Tensor back = Tensor::host(dtype, {1});
  for (int digits = 0; digits < 9; ++digits) {
    const std::string text = fmt::format("{:.{}e}", value, digits);
    const double parsed = parse_number(text, DType::kF64).value_or(value);
    store_elements<double>(back, 0, 1, {&parsed, 1});
    double stored = 0;
    load_elements<double>(back, 0, 1, {&stored, 1});
    if (stored == value) return laid_out(text);
  }
  return shortest(value);
}

std::string text_of_float(const Tensor& tensor, int64_t at) {
  double value = 0;
  load_elements<double>(tensor, at, 1, {&value, 1});
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  if (tensor.dtype() == DType::kF64) return shortest(value);
  if (tensor.dtype() == DType::kF32) return shortest(static_cast<float>(value));
  return shortest_narrow(tensor.dtype(), value);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
  // from_chars knows no plus sign; a second sign after it is none.
  if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
  return text;
}

template <typename Float>
std::optional<double> parse_float(std::string_view text) {
  Float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc()) return static_cast<double>(value);
  if (error != std::errc::result_out_of_range) return std::nullopt;
  const bool tiny = text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos ||
                    text.find_first_not_of("-0.") > text.find('.');
  const double magnitude = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  return text.front() == '-' ? -magnitude : magnitude;
}

template <typename Integer>
std::optional<Integer> parse_integer(std::string_view text) {
  using Limits = std::numeric_limits<Integer>;
  text = trimmed(text);
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  const auto number = parse_number(text, DType::kF64);
  if (!number || std::isnan(*number)) return std::nullopt;
  if (*number <= static_cast<double>(Limits::min())) return Limits::min();
  if (*number >= std::ldexp(1.0, Limits::digits)) return Limits::max();
  return static_cast<Integer>(*number);
}

}  // namespace

std::string text_of_element(const Tensor& tensor, int64_t at) {
  if (tensor.dtype() == DType::kBool)
    return tensor.values<uint8_t>()[static_cast<size_t>(at)] != 0 ? "True" : "False";
  switch (wide_kind(tensor.dtype())) {
    case WideKind::kFloat: return text_of_float(tensor, at);
    case WideKind::kSigned: {
      int64_t value = 0;
      load_elements<int64_t>(tensor, at, 1, {&value, 1});
      return fmt::to_string(value);
    }
    default: {
      uint64_t value = 0;
      load_elements<uint64_t>(tensor, at, 1, {&value, 1});
      return fmt::to_string(value);
    }
  }
}

std::optional<double> parse_number(std::string_view text, DType dtype) {
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (lower == "true") return 1.0;
  if (lower == "false") return 0.0;
  return dtype == DType::kF32 ? parse_float<float>(lower) : parse_float<double>(lower);
}

std::optional<int64_t> parse_signed(std::string_view text) {
  return parse_integer<int64_t>(text);
}

std::optional<uint64_t> parse_unsigned(std::string_view text) {
  return parse_integer<uint64_t>(text);
}

}  // namespace oag
