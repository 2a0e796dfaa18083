#include "service/hub/huggingface_settings.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "service/net/url.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTokenBytes = 4096;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_on(const char* name) {
  std::string value = environment(name);
  for (char& c : value) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

// "~/x" as a shell would read it.
fs::path expand_home(const std::string& path) {
  const std::string home = environment("HOME");
  if (home.empty() || (path != "~" && !path.starts_with("~/"))) return path;
  return home + path.substr(1);
}

fs::path huggingface_home() {
  if (const std::string chosen = environment("HF_HOME"); !chosen.empty()) return expand_home(chosen);
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return expand_home(cache) / "huggingface";
  }
  const std::string home = environment("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".cache" / "huggingface";
}

// A token goes into a header line, so nothing may stand in it that would end the line.
std::string checked_token(std::string_view text, std::string_view where) {
  const std::string_view spaces = " \t\r\n";
  const size_t begin = std::min(text.find_first_not_of(spaces), text.size());
  text.remove_prefix(begin);
  text = text.substr(0, text.find_last_not_of(spaces) + 1);
  if (text.size() > kMaxTokenBytes ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    fail(ErrorCode::kInvalidArgument, where, "is no token: it is too long or holds more than one word");
  }
  return std::string(text);
}

std::string find_token() {
  if (is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return "";
  if (const std::string token = checked_token(environment("HF_TOKEN"), "HF_TOKEN"); !token.empty()) {
    return token;
  }
  const std::string chosen = environment("HF_TOKEN_PATH");
  const fs::path path = chosen.empty() ? huggingface_home() / "token" : expand_home(chosen);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return "";
  std::string text;
  try {
    text = read_file(path, kMaxTokenBytes);
  } catch (const Error&) {
    return "";  // somebody else's file: without a token the hub says what it misses
  }
  return checked_token(text, path.string());
}

std::string find_endpoint() {
  std::string endpoint = environment("HF_ENDPOINT");
  if (endpoint.empty()) return HuggingFaceSettings().endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  try {
    parse_url(endpoint);
  } catch (const Error& error) {
    fail(ErrorCode::kInvalidArgument, "HF_ENDPOINT", "{}; expected an address like https://huggingface.co",
         error.message().substr(0, error.message().find(';')));
  }
  if (endpoint.find_first_of("?#") != std::string::npos) {
    fail(ErrorCode::kInvalidArgument, "HF_ENDPOINT",
         "holds a query or a fragment; expected an address like https://huggingface.co");
  }
  return endpoint;
}

}  // namespace

fs::path huggingface_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string chosen = environment(name); !chosen.empty()) return expand_home(chosen);
  }
  const fs::path home = huggingface_home();
  return home.empty() ? home : home / "hub";
}

HuggingFaceSettings huggingface_settings() {
  HuggingFaceSettings settings;
  settings.endpoint = find_endpoint();
  settings.cache_folder = huggingface_cache_folder();
  settings.offline = is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE");
  if (!settings.offline) settings.token = find_token();
  if (settings.cache_folder.empty()) {
    fail(ErrorCode::kInvalidArgument, "HF_HOME",
         "is not set, nor is HOME; set it to a folder for models from a hub");
  }
  return settings;
}

}  // namespace oag
