// StringConcat and StringSplit.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/elementwise.h"

namespace oag {
namespace {

constexpr DTypeSet kStringType = {DType::kString};

void concat_reference(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  const Tensor& out = context.allocate_output(0, DType::kString, broadcast_dims(context, a.dims(), b.dims()));
  const auto left = a.values<std::string>(), right = b.values<std::string>();
  const auto joined = out.values<std::string>();
  const StridedWalk walk(
      out.dims(), std::vector<Strides>{dense_strides(out.dims()), broadcast_strides(a.dims(), out.dims()),
                                       broadcast_strides(b.dims(), out.dims())});
  walk.run(context.env(), [&](std::span<const int64_t> at, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto place = [&](size_t operand) {
        return static_cast<size_t>(at[operand] + i * walk.step(operand));
      };
      joined[place(0)] = left[place(1)] + right[place(2)];
    }
  });
}

// Bytes of the white space that the text begins with: a character that Unicode calls so, or one of the
// separators U+001C to U+001F, as in Python's str.split.
size_t leading_space(std::string_view text) {
  constexpr std::array<std::string_view, 19> kSpaces = {
      "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
      "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
      "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
      "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text[0]);
  if ((first >= '\t' && first <= '\r') || (first >= 0x1C && first <= ' ')) return 1;
  if (first < 0x80) return 0;
  for (const std::string_view space : kSpaces) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

// The parts between runs of white space.
std::vector<std::string_view> split_at_spaces(std::string_view text, size_t most) {
  std::vector<std::string_view> parts;
  for (;;) {
    while (const size_t space = leading_space(text)) text.remove_prefix(space);
    if (text.empty()) return parts;
    if (parts.size() == most) break;
    size_t end = 0;
    while (end < text.size() && leading_space(text.substr(end)) == 0) ++end;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view delimiter, size_t most) {
  std::vector<std::string_view> parts;
  while (parts.size() < most) {
    const size_t end = text.find(delimiter);
    if (end == std::string_view::npos) break;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + delimiter.size());
  }
  parts.push_back(text);
  return parts;
}

void infer_split(InferenceContext& context) {
  if (!context.has_shape(0)) {
    context.set_output(0, DType::kString, std::nullopt);
    return context.set_output(1, DType::kI64, std::nullopt);
  }
  Shape out = context.shape(0);
  context.set_output(1, DType::kI64, out);
  out.push_back(context.fresh_dim("parts"));
  context.set_output(0, DType::kString, std::move(out));
}

void split_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const std::string delimiter = context.node().string_attribute("delimiter", "");
  const int64_t given = context.node().int_attribute("maxsplit", -1);
  const size_t most = given < 0 ? SIZE_MAX : static_cast<size_t>(given);
  const auto texts = in.values<std::string>();
  std::vector<std::vector<std::string_view>> parts(texts.size());
  size_t longest = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (context.env().should_stop()) return;
    parts[i] = delimiter.empty() ? split_at_spaces(texts[i], most) : split_at(texts[i], delimiter, most);
    longest = std::max(longest, parts[i].size());
  }
  Dims dims = in.dims();
  const auto counts = context.allocate_output(1, DType::kI64, dims).values<int64_t>();
  dims.push_back(static_cast<int64_t>(longest));
  const auto out = context.allocate_output(0, DType::kString, std::move(dims)).values<std::string>();
  for (size_t i = 0; i < parts.size(); ++i) {
    counts[i] = static_cast<int64_t>(parts[i].size());
    for (size_t part = 0; part < longest; ++part)
      out[i * longest + part] = part < parts[i].size() ? parts[i][part] : std::string_view();
  }
}

}  // namespace

// X followed by Y, over the broadcast of both.
extern constinit const OpSchema kStringConcat = {
    .domain = "",
    .op = "StringConcat",
    .since_version = 20,
    .inputs = {{"X", "T", kStringType}, {"Y", "T", kStringType}},
    .outputs = {{"Z", "T", kStringType}},
    .attributes = {},
    .infer = infer_broadcast,
    .reference = concat_reference,
};

// Y [..., parts]: the parts of each string, empty ones added up to the longest list; Z [...]: how many it
// has. Without a delimiter runs of white space part a string. maxsplit bounds the cuts.
extern constinit const OpSchema kStringSplit = {
    .domain = "",
    .op = "StringSplit",
    .since_version = 20,
    .inputs = {{"X", "", kStringType}},
    .outputs = {{"Y", "", kStringType}, {"Z", "", {DType::kI64}}},
    .attributes = {{"delimiter", AttributeKind::kString}, {"maxsplit", AttributeKind::kInt}},
    .infer = infer_split,
    .reference = split_reference,
};

}  // namespace oag
