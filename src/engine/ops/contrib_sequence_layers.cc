// Layers of recent language models in com.microsoft: CausalConvWithState GatedRMSNorm LinearAttention
// MRotaryEmbedding; and GridSample.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/decomposition.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

constexpr DTypeSet kRealTypes = {DType::kF32, DType::kF16, DType::kBF16};

// Refuses what ai.onnx's operator of this name lacks.
void check_default(const Decomposition& into, std::string_view attribute, int64_t wanted) {
  const int64_t seen = into.node().int_attribute(attribute, wanted);
  if (seen != wanted) into.refuse("its attribute {} is {}; {} is supported", attribute, seen, wanted);
}

std::vector<ValueId> decompose_causal_conv(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  check_default(into, "ndim", 1);
  check_default(into, "channels_last", 0);
  check_default(into, "dilation", 1);
  check_default(into, "state_window", 0);
  return into.add_many("CausalConvWithState", node.inputs,
                       into.attributes_without({"ndim", "channels_last", "dilation", "state_window"}), 2);
}

std::vector<ValueId> decompose_linear_attention(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  check_default(into, "state_window", 0);
  return into.add_many("LinearAttention", node.inputs, into.attributes_without({"state_window"}), 2);
}

// All of it in f32.
std::vector<ValueId> decompose_gated_norm(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const DType dtype = into.dtype(0);
  const auto in_f32 = [&](size_t i) {
    return dtype == DType::kF32 ? into.input(i)
                                : into.add("Cast", {into.input(i)}, {{"to", onnx_from_dtype(DType::kF32)}});
  };
  const std::string gate = node.string_attribute("activation", "silu");
  if (gate != "silu" && gate != "swish" && gate != "sigmoid")
    into.refuse("its activation {} is not known; it must be silu, swish or sigmoid", gate);
  const ValueId rows = into.add("Concat", {into.integers("rows", {-1}), into.add("Shape", {into.input(1)})},
                                {{"axis", int64_t{0}}});
  const ValueId normed =
      into.add("RMSNormalization", {into.add("Reshape", {in_f32(0), rows}), in_f32(1)},
               {{"axis", int64_t{-1}}, {"epsilon", node.float_attribute("epsilon", 1e-6f)}});
  const ValueId back = into.add("Reshape", {normed, into.add("Shape", {into.input(0)})});
  const ValueId y = into.add("Mul", {back, into.add(gate == "sigmoid" ? "Sigmoid" : "Swish", {in_f32(2)})});
  return {dtype == DType::kF32 ? y : into.add("Cast", {y}, {{"to", onnx_from_dtype(dtype)}})};
}

// Which of the three positions turns pair i of a head.
std::vector<int> position_of_pairs(const Decomposition& into) {
  const std::vector<int64_t> sections = into.node().ints_attribute("mrope_section");
  const int64_t layout = into.node().int_attribute("mrope_layout", 0);
  constexpr int64_t kMost = 1 << 16;
  if (sections.size() != 3 || std::ranges::any_of(sections, [](int64_t n) { return n < 0 || n > kMost; }))
    into.refuse("mrope_section must be three lengths");
  if (layout != 0 && layout != 1) into.refuse("mrope_layout is {}; it must be 0 or 1", layout);
  std::vector<int> chosen(static_cast<size_t>(sections[0] + sections[1] + sections[2]), 0);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    if (layout == 0) {
      chosen[i] = at < sections[0] ? 0 : at < sections[0] + sections[1] ? 1 : 2;
    } else if (at % 3 != 0 && at < 3 * sections[static_cast<size_t>(at % 3)]) {
      chosen[i] = static_cast<int>(at % 3);
    }
  }
  return chosen;
}

// The rows of a cache that the three positions name, each pair's value from the one that turns it.
ValueId add_turns(Decomposition& into, size_t cache, const std::array<ValueId, 3>& positions,
                  const std::array<ValueId, 3>& pairs) {
  ValueId turns = into.add("Gather", {into.input(cache), positions[0]});
  for (const size_t i : {size_t{1}, size_t{2}})
    turns = into.add("Where", {pairs[i], into.add("Gather", {into.input(cache), positions[i]}), turns});
  return turns;
}

std::vector<ValueId> decompose_mrotary(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  check_default(into, "is_packed_batching", 0);
  if (node.float_attribute("scale", 1) != 1) into.refuse("its attribute scale must be 1");
  const std::vector<int> chosen = position_of_pairs(into);
  std::array<ValueId, 3> positions, pairs;
  for (size_t i = 0; i < 3; ++i) {
    positions[i] = into.add("Gather", {into.input(1), into.integer("stream", static_cast<int64_t>(i))});
    const Tensor mask = Tensor::host(DType::kBool, {std::ssize(chosen)});
    std::ranges::transform(chosen, mask.values<bool>().begin(),
                           [&](int stream) { return stream == static_cast<int>(i); });
    pairs[i] = into.constant("pairs", mask);
  }
  Attributes attributes = {{"interleaved", node.int_attribute("interleaved", 0)},
                           {"rotary_embedding_dim", node.int_attribute("rotary_embedding_dim", 0)}};
  const int64_t heads = node.int_attribute("num_heads", 0);
  if (heads != 0) attributes.emplace("num_heads", heads);
  return {
      into.add("RotaryEmbedding",
               {into.input(0), add_turns(into, 2, positions, pairs), add_turns(into, 3, positions, pairs)},
               std::move(attributes))};
}

std::vector<ValueId> decompose_grid_sample(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const std::string mode = node.string_attribute("mode", "bilinear");
  Attributes attributes = node.attributes;
  attributes["mode"] = mode == "bilinear"  ? std::string("linear")
                       : mode == "bicubic" ? std::string("cubic")
                                           : mode;
  return {into.add("GridSample", node.inputs, std::move(attributes))};
}

}  // namespace

// As the operator of ai.onnx, of one spatial dim.
extern constinit const OpSchema kMicrosoftCausalConvWithState = {
    .domain = "com.microsoft",
    .op = "CausalConvWithState",
    .since_version = 1,
    .inputs = {{"input", "T", kRealTypes},
               {"weight", "T", kRealTypes},
               {"bias", "T", kRealTypes, true},
               {"past_state", "T", kRealTypes, true}},
    .outputs = {{"output", "T", kRealTypes}, {"present_state", "T", kRealTypes}},
    .attributes = {{"activation", AttributeKind::kString},
                   {"channels_last", AttributeKind::kInt},
                   {"dilation", AttributeKind::kInt},
                   {"ndim", AttributeKind::kInt},
                   {"state_window", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_causal_conv,
};

// As the operator of ai.onnx.
extern constinit const OpSchema kMicrosoftLinearAttention = {
    .domain = "com.microsoft",
    .op = "LinearAttention",
    .since_version = 1,
    .inputs = {{"query", "T", kRealTypes},
               {"key", "T", kRealTypes},
               {"value", "T", kRealTypes},
               {"past_state", "S", kRealTypes, true},
               {"decay", "T", kRealTypes, true},
               {"beta", "T", kRealTypes, true}},
    .outputs = {{"output", "T", kRealTypes}, {"present_state", "S", kRealTypes}},
    .attributes = {{"chunk_size", AttributeKind::kInt},
                   {"kv_num_heads", AttributeKind::kInt, true},
                   {"q_num_heads", AttributeKind::kInt, true},
                   {"scale", AttributeKind::kFloat},
                   {"state_window", AttributeKind::kInt},
                   {"update_rule", AttributeKind::kString}},
    .infer = infer_by_decomposition,
    .decompose = decompose_linear_attention,
};

// RMS normalization of every [C] of X [..., n · C], C being scale's length, times activation(gate).
extern constinit const OpSchema kMicrosoftGatedRMSNorm = {
    .domain = "com.microsoft",
    .op = "GatedRMSNorm",
    .since_version = 1,
    .inputs = {{"X", "T", kRealTypes}, {"scale", "T", kRealTypes}, {"gate", "T", kRealTypes}},
    .outputs = {{"Y", "T", kRealTypes}},
    .attributes = {{"activation", AttributeKind::kString}, {"epsilon", AttributeKind::kFloat}},
    .infer = infer_by_decomposition,
    .decompose = decompose_gated_norm,
};

// RotaryEmbedding whose pairs of a head are turned by one of three positions [3, batch, tokens]:
// mrope_section pairs by each, in this order (mrope_layout 0) or by turns (1).
extern constinit const OpSchema kMicrosoftMRotaryEmbedding = {
    .domain = "com.microsoft",
    .op = "MRotaryEmbedding",
    .since_version = 1,
    .inputs = {{"input", "T", kRealTypes},
               {"position_ids", "", {DType::kI64}},
               {"cos_cache", "T", kRealTypes},
               {"sin_cache", "T", kRealTypes}},
    .outputs = {{"output", "T", kRealTypes}},
    .attributes = {{"interleaved", AttributeKind::kInt},
                   {"is_packed_batching", AttributeKind::kInt},
                   {"mrope_layout", AttributeKind::kInt},
                   {"mrope_section", AttributeKind::kInts, true},
                   {"num_heads", AttributeKind::kInt},
                   {"rotary_embedding_dim", AttributeKind::kInt},
                   {"scale", AttributeKind::kFloat}},
    .infer = infer_by_decomposition,
    .decompose = decompose_mrotary,
};

extern constinit const OpSchema kMicrosoftGridSample = {
    .domain = "com.microsoft",
    .op = "GridSample",
    .since_version = 1,
    .inputs = {{"X", "T1", kFloatTypes}, {"Grid", "T2", kFloatTypes}},
    .outputs = {{"Y", "T1", kFloatTypes}},
    .attributes = {{"align_corners", AttributeKind::kInt},
                   {"mode", AttributeKind::kString},
                   {"padding_mode", AttributeKind::kString}},
    .infer = infer_by_decomposition,
    .decompose = decompose_grid_sample,
};

}  // namespace oag
