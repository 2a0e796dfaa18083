#include "cli/output.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/control_characters.h"
#include "llm/text/unicode.h"

namespace oag::cli {
namespace {

void append_escaped(std::string& out, std::string_view bytes) {
  if (bytes == "\n") {
    out += "\\n";
  } else if (bytes == "\t") {
    out += "\\t";
  } else if (bytes == "\r") {
    out += "\\r";
  } else {
    for (const char byte : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  }
}

// Escapes what drives a terminal, and the characters of `also`; those of `kept` stay.
std::string escape(std::string_view text, std::string_view also, std::string_view kept) {
  std::string out;
  while (!text.empty()) {
    const std::string_view bytes = text.substr(0, decode_utf8_leniently(text).size_bytes);
    text.remove_prefix(bytes.size());
    if (also.find(bytes) != std::string_view::npos) {
      out += '\\';
      out += bytes;
    } else if (kept.find(bytes) == std::string_view::npos &&
               (control_size(bytes) > 0 || !is_valid_utf8(bytes))) {
      append_escaped(out, bytes);
    } else {
      out += bytes;
    }
  }
  return out;
}

}  // namespace

void write_stderr(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stderr) != text.size() || std::fflush(stderr) != 0)
    std::clearerr(stderr);
}

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void print_json(const Json& json) {
  fmt::print("{}", json_text(json));
}

std::string printable(std::string_view text) {
  return escape(text, "", "");
}

std::string printable_lines(std::string_view text) {
  return escape(text, "", "\n\t");
}

std::string quoted(std::string_view text) {
  return "\"" + escape(text, "\"\\", "") + "\"";
}

std::string format_count(uint64_t count) {
  std::string digits = std::to_string(count);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

}  // namespace oag::cli
