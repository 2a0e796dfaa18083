#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace oag {

// The bytes at the end of `text` that may be the beginning of `mark`.
inline size_t begun_mark(std::string_view text, std::string_view mark) {
  for (size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size) {
    if (text.ends_with(mark.substr(0, size))) return size;
  }
  return 0;
}

// Cuts `held` at `mark`: what stands before it goes to `before`. False where there is none yet; then only
// what cannot be its beginning is let out.
inline bool cut_at_mark(std::string& held, std::string_view mark, std::string& before) {
  const size_t at = held.find(mark);
  const size_t out = at == std::string::npos ? held.size() - begun_mark(held, mark) : at;
  before.append(held, 0, out);
  held.erase(0, at == std::string::npos ? out : at + mark.size());
  return at != std::string::npos;
}

}  // namespace oag
