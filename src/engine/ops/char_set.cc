#include "engine/ops/char_set.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

namespace oag {
namespace {

constexpr size_t kCategories = UTF8PROC_CATEGORY_CO + 1;

// The sets of all general categories; made once, from a walk over Unicode.
const std::array<CharSet, kCategories>& categories() {
  static const std::array<CharSet, kCategories> sets = [] {
    std::array<CharSet, kCategories> made;
    uint32_t first = 0;
    for (uint32_t code = 1; code <= CharSet::kLast + 1; ++code) {
      const auto before = static_cast<size_t>(utf8proc_category(static_cast<utf8proc_int32_t>(first)));
      if (code <= CharSet::kLast &&
          static_cast<size_t>(utf8proc_category(static_cast<utf8proc_int32_t>(code))) == before)
        continue;
      made[before].add(first, code - 1);
      first = code;
    }
    return made;
  }();
  return sets;
}

uint32_t folded(uint32_t code) {
  return static_cast<uint32_t>(utf8proc_tolower(utf8proc_toupper(static_cast<utf8proc_int32_t>(code))));
}

// Code points that differ in case only, two or more to a group.
const std::vector<std::vector<uint32_t>>& case_groups() {
  static const std::vector<std::vector<uint32_t>> groups = [] {
    constexpr uint32_t kLastCased = 0x1FFFF;
    std::map<uint32_t, std::vector<uint32_t>> by_fold;
    for (uint32_t code = 0; code <= kLastCased; ++code) {
      const uint32_t fold = folded(code);
      if (fold == code) continue;
      std::vector<uint32_t>& group = by_fold[fold];
      if (group.empty()) group.push_back(fold);
      group.push_back(code);
    }
    std::vector<std::vector<uint32_t>> made;
    for (auto& [fold, group] : by_fold) made.push_back(std::move(group));
    return made;
  }();
  return groups;
}

}  // namespace

std::optional<CharSet> CharSet::category(std::string_view name) {
  // In the order of utf8proc_category_t.
  constexpr std::array<std::string_view, kCategories> kNames = {
      "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
      "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};
  if (name == "Any") return all();
  CharSet set;
  bool known = false;
  for (size_t i = 1; i < kCategories; ++i) {  // as RE2, C is without what is unassigned
    if (name.empty() || !kNames[i].starts_with(name)) continue;
    set.add(categories()[i]);
    known = true;
  }
  if (!known) return std::nullopt;
  return set;
}

void CharSet::add(uint32_t first, uint32_t last) {
  ranges_.push_back({first, last});
  normalize();
}

void CharSet::add(const CharSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  normalize();
}

CharSet CharSet::complement() const {
  CharSet rest;
  uint32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) rest.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLast) rest.ranges_.push_back({next, kLast});
  return rest;
}

CharSet CharSet::without_case() const {
  CharSet wider = *this;
  for (const auto& group : case_groups()) {
    if (std::none_of(group.begin(), group.end(), [&](uint32_t code) { return contains(code); })) continue;
    for (const uint32_t code : group) wider.ranges_.push_back({code, code});
  }
  wider.normalize();
  return wider;
}

bool CharSet::contains(uint32_t code_point) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), code_point,
                                      [](uint32_t code, const Range& range) { return code < range.first; });
  return after != ranges_.begin() && code_point <= (after - 1)->last;
}

void CharSet::normalize() {
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  size_t kept = 0;
  for (const Range& range : ranges_) {
    if (kept > 0 && range.first <= ranges_[kept - 1].last + 1) {
      ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, range.last);
    } else {
      ranges_[kept++] = range;
    }
  }
  ranges_.resize(kept);
}

}  // namespace oag
