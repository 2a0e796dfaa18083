#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace oag {

// A set of Unicode code points, as ranges.
class CharSet {
 public:
  struct Range {
    uint32_t first, last;
  };
  static constexpr uint32_t kLast = 0x10FFFF;

  CharSet() = default;
  CharSet(std::initializer_list<Range> ranges) : ranges_(ranges) { normalize(); }
  static CharSet all() { return {{0, kLast}}; }
  // The code points of a general category such as "L" or "Lu"; "Any" is all. Nothing for other names.
  static std::optional<CharSet> category(std::string_view name);

  void add(uint32_t first, uint32_t last);
  void add(const CharSet& other);
  CharSet complement() const;
  // With every code point that differs from one of these in case only.
  CharSet without_case() const;
  bool contains(uint32_t code_point) const;

 private:
  void normalize();

  std::vector<Range> ranges_;  // ascending, with gaps between them
};

}  // namespace oag
