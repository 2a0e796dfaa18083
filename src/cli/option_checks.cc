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

// The parts of a text between its commas; an empty text has one.
std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t comma = text.find(','); comma != std::string_view::npos; comma = text.find(',')) {
    parts.push_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  parts.push_back(text);
  return parts;
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

CLI::Validator whole_number_list(int64_t low, uint64_t high) {
  return check_of([=](const std::string& text) {
    for (const std::string_view part : split_at_commas(text)) {
      if (!is_whole_number(part, low, high)) {
        return fmt::format("\"{}\" is not a list of whole numbers from {} to {}, such as 1,4", text, low,
                           high);
      }
    }
    return std::string();
  });
}

std::vector<int64_t> read_whole_number_list(std::string_view text) {
  std::vector<int64_t> numbers;
  for (const std::string_view part : split_at_commas(text)) parse(part, numbers.emplace_back());
  return numbers;
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
