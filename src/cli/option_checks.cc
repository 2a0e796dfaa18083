#include "cli/option_checks.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string_view>

namespace oag::cli {
namespace {

// The whole of `text` as a number, if it is one that T can hold.
template <typename T>
bool parse(std::string_view text, T& value) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stopped, error] = std::from_chars(begin, end, value);
  return error == std::errc() && stopped == end;
}

bool is_whole_number(std::string_view text, int64_t low, uint64_t high) {
  if (text.starts_with('-')) {
    int64_t value = 0;
    return parse(text, value) && value >= low && (value < 0 || static_cast<uint64_t>(value) <= high);
  }
  uint64_t value = 0;
  return parse(text, value) && value <= high && (low <= 0 || value >= static_cast<uint64_t>(low));
}

CLI::Validator check_of(std::function<std::string(std::string&)> check) {
  return {std::move(check), ""};
}

// "--ctx: At Most 1 required but received 2" -> "--ctx".
std::string subject(std::string_view message) {
  return std::string(message.substr(0, message.find(':')));
}

}  // namespace

CLI::Validator whole_number(int64_t low, uint64_t high) {
  return check_of([=](const std::string& text) {
    return is_whole_number(text, low, high)
               ? std::string()
               : fmt::format("\"{}\" is not a whole number from {} to {}", text, low, high);
  });
}

CLI::Validator number(double low, double high) {
  return check_of([=](const std::string& text) {
    double value = 0;
    return parse(text, value) && value >= low && value <= high
               ? std::string()
               : fmt::format("\"{}\" is not a number from {} to {}", text, low, high);
  });
}

CLI::Validator not_empty() {
  return check_of([](const std::string& text) { return std::string(text.empty() ? "is empty" : ""); });
}

std::string usage_text(const CLI::App& app, const CLI::ParseError& error) {
  const std::string message = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    if (message.ends_with(" missing")) return subject(message) + ": needs a value";
    if (message.find(": At Most ") != std::string::npos)
      return subject(message) + ": is given more than once, expected once";
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    const std::string name = message.substr(0, message.find(' '));
    return name + " is missing";
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const std::vector<std::string> left = app.remaining(true);
    return fmt::format("\"{}\" {} not expected here", fmt::join(left, "\", \""),
                       left.size() == 1 ? "is" : "are");
  }
  if (message.find(" excludes ") != std::string::npos) {
    const size_t at = message.find(" excludes ");
    return fmt::format("{} and {} cannot be given together", message.substr(0, at), message.substr(at + 10));
  }
  return message;
}

}  // namespace oag::cli
