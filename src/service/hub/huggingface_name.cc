#include "service/hub/huggingface_name.h"

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

constexpr std::string_view kPrefix = "hf:";
constexpr size_t kMaxPartBytes = 96;  // the hub's own limit for names
constexpr size_t kMaxSegmentBytes = 255;
constexpr size_t kMaxPathBytes = 1024;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// One part of a repository's name. "--" separates the parts in the cache's folder names.
bool is_name_part(std::string_view text) {
  const auto edge = [](char c) { return c != '-' && c != '.'; };
  return !text.empty() && text.size() <= kMaxPartBytes && edge(text.front()) && edge(text.back()) &&
         text.find("--") == std::string_view::npos && text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_' || c == '.';
         });
}

bool is_repository(std::string_view text, bool may_stand_alone) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return may_stand_alone && is_name_part(text);
  return is_name_part(text.substr(0, slash)) && is_name_part(text.substr(slash + 1));
}

}  // namespace

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes) return false;
  if (std::any_of(path.begin(), path.end(), [](char c) { return is_control(c) || c == '\\'; })) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment.empty() || segment == "." || segment == ".." || segment.size() > kMaxSegmentBytes)
      return false;
    begin = end + 1;
  }
  return true;
}

std::string HuggingFaceName::text() const {
  return std::string(kPrefix) + repository + (revision == "main" ? "" : "@" + revision);
}

std::optional<HuggingFaceName> parse_huggingface_name(std::string_view text) {
  const bool prefixed = text.starts_with(kPrefix);
  std::string_view rest = prefixed ? text.substr(kPrefix.size()) : text;
  HuggingFaceName name;
  bool good = true;
  if (const size_t colon = rest.find(':'); colon != std::string_view::npos) {
    name.selector = rest.substr(colon + 1);
    good = is_safe_path(name.selector);
    rest = rest.substr(0, colon);
  }
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    name.revision = rest.substr(at + 1);
    good = good && is_safe_path(name.revision) && !name.revision.starts_with('-');
    rest = rest.substr(0, at);
  }
  name.repository = rest;
  if (good && is_repository(rest, prefixed)) return name;
  if (!prefixed) return std::nullopt;
  fail(ErrorCode::kInvalidArgument, text,
       "is no model of a hub; expected hf:ORG/NAME, hf:ORG/NAME@REVISION or hf:ORG/NAME:FILE.gguf");
}

}  // namespace oag
