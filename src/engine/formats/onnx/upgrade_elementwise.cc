#include <algorithm>
#include <string>

#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_families.h"

namespace oag {
namespace {

constexpr int64_t kMaxRank = 64;  // more than any real array has

// `b` under as many trailing dims of 1 as make its first dim meet dim `axis` of `a`.
ValueId aligned(OldNode& old, ValueId a, ValueId b, int64_t axis) {
  const Tensor* constant = old.constant(b);
  if (constant != nullptr && constant->count() == 1) return b;
  const auto rank_a = old.rank(a), rank_b = old.rank(b);
  // A negative axis counts from the end, so that a's rank does not matter.
  if (rank_b && (rank_a || axis < 0)) {
    const int64_t trailing = (axis < 0 ? 0 : *rank_a) - axis - *rank_b;
    if (trailing <= 0) return b;
    std::vector<int64_t> axes;
    for (int64_t i = 0; i < trailing; ++i) axes.push_back(*rank_b + i);
    return old.add("Unsqueeze", {b, old.ints("axes", axes)});
  }
  const ValueId from =
      axis < 0 ? old.ints("from_end", {-axis}) : old.add("Sub", {old.rank_of(a), old.ints("axis", {axis})});
  const ValueId trailing = old.add("Max", {old.add("Sub", {from, old.rank_of(b)}), old.ints("none", {0})});
  const ValueId shape =
      old.add("Concat", {old.add("Shape", {b}), old.ones(trailing)}, {{"axis", int64_t{0}}});
  return old.add("Reshape", {b, shape}, {{"allowzero", int64_t{1}}});
}

// TensorProto.DataType's names, indexed by number; those that opset 5 had.
constexpr std::string_view kTypeNames[] = {
    "UNDEFINED", "FLOAT", "UINT8",   "INT8",   "UINT16", "INT16",  "INT32",     "INT64",
    "STRING",    "BOOL",  "FLOAT16", "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128"};

}  // namespace

void upgrade_nothing_else(OldNode& old) {
  old.push();
}

// Without an axis, shapes met at their ends, as they do today.
void upgrade_broadcast(OldNode& old) {
  const bool broadcast = old.erase_int("broadcast", 0) != 0;
  if (broadcast && old.node.has_attribute("axis")) {
    const int64_t axis = old.node.int_attribute("axis");
    if (axis < -kMaxRank || axis > kMaxRank) old.refuse("attribute axis is {}", axis);
    old.set_input(1, aligned(old, old.input(0), old.input(1), axis));
  }
  old.erase("axis");
  old.push();
}

void upgrade_cast(OldNode& old) {
  const std::string to = old.node.string_attribute("to", "");
  const auto found = std::find(std::begin(kTypeNames) + 1, std::end(kTypeNames), to);
  if (found == std::end(kTypeNames)) old.refuse("attribute to is \"{}\", which is no element type", to);
  old.node.attributes["to"] = static_cast<int64_t>(found - std::begin(kTypeNames));
  old.push();
}

void upgrade_clip(OldNode& old) {
  for (const auto& [attribute, i] : {std::pair("min", 1u), std::pair("max", 2u)}) {
    if (!old.node.has_attribute(attribute)) continue;
    old.set_input(i, old.scalar_like(attribute, old.node.float_attribute(attribute, 0), old.input(0)));
    old.erase(attribute);
  }
  old.push();
}

void upgrade_erf(OldNode& old) {
  if (is_integer(old.dtype(old.input(0)))) return old.push_through_double();
  old.push();
}

// A slope of one dim used to belong to the channels, dim 1, wherever that stood from the end.
void upgrade_prelu(OldNode& old) {
  const ValueId x = old.input(0), slope = old.input(1);
  const auto rank = old.rank(x), slope_rank = old.rank(slope);
  if (slope_rank && *slope_rank != 1) return old.push();
  if (rank) {
    std::vector<int64_t> axes;
    for (int64_t i = 2; i < *rank; ++i) axes.push_back(i - 1);
    if (!axes.empty()) old.set_input(1, old.add("Unsqueeze", {slope, old.ints("axes", axes)}));
    return old.push();
  }
  const ValueId above = old.add("Sub", {old.rank_of(x), old.ints("two", {2})});
  const ValueId trailing = old.add("Max", {above, old.ints("none", {0})});
  const ValueId shape =
      old.add("Concat", {old.ints("channels", {-1}), old.ones(trailing)}, {{"axis", int64_t{0}}});
  old.set_input(1, old.add("Reshape", {slope, shape}));
  old.push();
}

// Opsets 1 to 5 had rounder defaults.
void upgrade_selu(OldNode& old) {
  old.node.attributes.try_emplace("alpha", 1.6732f);
  old.node.attributes.try_emplace("gamma", 1.0507f);
  old.push();
}

}  // namespace oag
