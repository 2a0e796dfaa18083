// StringNormalizer and RegexFullMatch: operators that know Unicode.
#include <utf8proc.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/elementwise.h"
#include "engine/ops/regex.h"

namespace oag {
namespace {

constexpr DTypeSet kStringType = {DType::kString};

enum class CaseChange { kNone, kLower, kUpper };

// Character by character, as Unicode's simple mappings; bytes that are no UTF-8 stay.
std::string change_case(std::string_view text, CaseChange change) {
  std::string changed;
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t code = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                       static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    constexpr utf8proc_int32_t kSharpS = 0xDF;  // whose capital Unicode gives no simple mapping
    if (size <= 0) {
      changed += text[at++];
      continue;
    }
    utf8proc_uint8_t bytes[4];
    const bool upper = change == CaseChange::kUpper && code != kSharpS;
    const auto mapped = upper                          ? utf8proc_toupper(code)
                        : change == CaseChange::kLower ? utf8proc_tolower(code)
                                                       : code;
    const auto written = utf8proc_encode_char(mapped, bytes);
    changed.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(written));
    at += static_cast<size_t>(size);
  }
  return changed;
}

template <typename Context>
CaseChange read_case_change(const Context& context) {
  const std::string name = context.node().string_attribute("case_change_action", "NONE");
  if (name == "NONE") return CaseChange::kNone;
  if (name == "LOWER") return CaseChange::kLower;
  if (name == "UPPER") return CaseChange::kUpper;
  context.refuse("case_change_action \"{}\" is not NONE, LOWER or UPPER", name);
}

void infer_normalizer(InferenceContext& context) {
  read_case_change(context);
  if (!context.has_shape(0)) return context.set_output(0, DType::kString, std::nullopt);
  Shape out = context.shape(0);
  if (out.size() != 1 && out.size() != 2) context.refuse("X {} must be [C] or [1, C]", to_string(out));
  out.back() = context.fresh_dim("kept");
  if (out.size() == 2) out[0] = 1;
  context.set_output(0, DType::kString, std::move(out));
}

void normalizer_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  if (in.rank() != 1 && (in.rank() != 2 || in.dim(0) != 1))
    context.refuse("X {} must be [C] or [1, C]", to_string(in.dims()));
  const CaseChange change = read_case_change(context);
  const bool case_matters = context.node().int_attribute("is_case_sensitive", 0) != 0;
  const auto comparable = [&](const std::string& word) {
    return case_matters ? word : change_case(word, CaseChange::kLower);
  };
  std::set<std::string> stop_words;
  for (const std::string& word : context.node().strings_attribute("stopwords"))
    stop_words.insert(comparable(word));
  std::vector<std::string> kept;
  for (const std::string& word : in.values<std::string>()) {
    if (context.env().should_stop()) return;
    if (stop_words.empty() || !stop_words.contains(comparable(word)))
      kept.push_back(change_case(word, change));
  }
  if (kept.empty()) kept.emplace_back();
  Dims dims = in.dims();
  dims.back() = static_cast<int64_t>(kept.size());
  const auto out = context.allocate_output(0, DType::kString, std::move(dims)).values<std::string>();
  std::move(kept.begin(), kept.end(), out.begin());
}

Regex read_regex(const auto& context) {
  return Regex(context.node().string_attribute("pattern", ""),
               fmt::format("node {} ({})", context.node().name, context.node().full_op()));
}

void infer_match(InferenceContext& context) {
  read_regex(context);
  context.set_output(0, DType::kBool, context.has_shape(0) ? std::optional(context.shape(0)) : std::nullopt);
}

void match_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const Regex regex = read_regex(context);
  const auto texts = in.values<std::string>();
  const auto out = context.allocate_output(0, DType::kBool, in.dims()).values<bool>();
  context.env().parallel_for(in.count(), 10'000, [&](int64_t i, int) {
    out[static_cast<size_t>(i)] = regex.matches(texts[static_cast<size_t>(i)]);
  });
}

}  // namespace

// X [C] or [1, C] without its stop words, its letters changed to one case. Locales make no difference. Where
// nothing is left, one empty string.
extern constinit const OpSchema kStringNormalizer = {
    .domain = "",
    .op = "StringNormalizer",
    .since_version = 10,
    .inputs = {{"X", "", kStringType}},
    .outputs = {{"Y", "", kStringType}},
    .attributes = {{"case_change_action", AttributeKind::kString},
                   {"is_case_sensitive", AttributeKind::kInt},
                   {"locale", AttributeKind::kString},
                   {"stopwords", AttributeKind::kStrings}},
    .infer = infer_normalizer,
    .reference = normalizer_reference,
};

// Whether all of a string matches a regular expression of RE2's syntax.
extern constinit const OpSchema kRegexFullMatch = {
    .domain = "",
    .op = "RegexFullMatch",
    .since_version = 20,
    .inputs = {{"X", "", kStringType}},
    .outputs = {{"Y", "", {DType::kBool}}},
    .attributes = {{"pattern", AttributeKind::kString}},
    .infer = infer_match,
    .reference = match_reference,
};

}  // namespace oag
