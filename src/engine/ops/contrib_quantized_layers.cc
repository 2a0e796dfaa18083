// Layers of com.microsoft whose weights are 8-bit integers: QAttention, QEmbedLayerNormalization.
#include <string>
#include <vector>

#include "engine/ops/decomposition.h"
#include "engine/ops/onnx_dtype.h"

namespace oag {
namespace {

constexpr DTypeSet kByteTypes = {DType::kI8, DType::kU8};
constexpr DTypeSet kIdTypes = {DType::kI32};
constexpr DTypeSet kRealTypes = {DType::kF32};

enum QAttentionInput : size_t {
  kInput,
  kWeight,
  kBias,
  kInputScale,
  kWeightScale,
  kMask,
  kInputZero,
  kWeightZero,
  kPast
};

std::vector<ValueId> decompose_attention(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  for (const char* attribute : {"do_rotary", "past_present_share_buffer"}) {
    if (node.int_attribute(attribute, 0) != 0) into.refuse("its attribute {} must be 0", attribute);
  }
  const ValueId x = add_dequantized(into, kInput, kInputScale, kInputZero);
  const ValueId weight =
      into.add("DequantizeLinear", {into.input(kWeight), into.input(kWeightScale), into.input(kWeightZero)},
               {{"axis", int64_t{1}}});
  return into.add_many("Attention", {x, weight, into.input(kBias), into.input(kMask), into.input(kPast)},
                       into.attributes_without({"do_rotary", "past_present_share_buffer"}),
                       node.outputs.size(), "com.microsoft");
}

enum QEmbedInput : size_t {
  kWordIds,
  kSegmentIds,
  kWords,
  kPositions,
  kSegments,
  kGamma,
  kBeta,
  kTokenMask,
  kScales,
  kZeroPoints = 13
};

// What rows of table `table`, or the vector that it is, mean.
ValueId add_meaning(Decomposition& into, ValueId rows, size_t table) {
  const size_t place = table < kGamma ? table - kWords : table - kGamma + 3;
  return into.add("DequantizeLinear", {rows, into.input(kScales + place), into.input(kZeroPoints + place)});
}

ValueId add_mask_sums(Decomposition& into) {
  if (!into.has_input(kTokenMask)) {
    const ValueId batch =
        into.add("Shape", {into.input(kWordIds)}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
    return into.add("Cast", {into.add("ConstantOfShape", {batch})}, {{"to", onnx_from_dtype(DType::kI32)}});
  }
  const ValueId is_token = into.add("Equal", {into.input(kTokenMask), into.number("one", DType::kI32, 1)});
  return into.add(
      "ReduceSum",
      {into.add("Cast", {is_token}, {{"to", onnx_from_dtype(DType::kI32)}}), into.integers("tokens", {1})},
      {{"keepdims", int64_t{0}}});
}

std::vector<ValueId> decompose_embed(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId ids = into.input(kWordIds);
  const ValueId tokens = into.add("Shape", {ids}, {{"start", int64_t{1}}, {"end", int64_t{2}}});
  const ValueId first = into.integers("first", {0});
  const ValueId positions = into.add("Slice", {into.input(kPositions), first, tokens, first});
  ValueId sum = into.add("Add", {add_meaning(into, into.add("Gather", {into.input(kWords), ids}), kWords),
                                 add_meaning(into, positions, kPositions)});
  if (into.has_input(kSegmentIds)) {
    if (!into.has_input(kSegments)) into.refuse("it has segment_ids and no segment_embedding");
    const ValueId rows = into.add("Gather", {into.input(kSegments), into.input(kSegmentIds)});
    sum = into.add("Add", {sum, add_meaning(into, rows, kSegments)});
  }
  const ValueId y = into.add(
      "LayerNormalization",
      {sum, add_meaning(into, into.input(kGamma), kGamma), add_meaning(into, into.input(kBeta), kBeta)},
      {{"axis", int64_t{-1}}, {"epsilon", node.float_attribute("epsilon", 1e-12f)}});
  return {y, add_mask_sums(into)};
}

}  // namespace

// Attention of com.microsoft of an input and weights that are 8-bit integers.
extern constinit const OpSchema kMicrosoftQAttention = {
    .domain = "com.microsoft",
    .op = "QAttention",
    .since_version = 1,
    .inputs = {{"input", "T1", kByteTypes},
               {"weight", "T2", kByteTypes},
               {"bias", "T3", kRealTypes},
               {"input_scale", "T3", kRealTypes},
               {"weight_scale", "T3", kRealTypes},
               {"mask_index", "T4", kIdTypes, true},
               {"input_zero_point", "T1", kByteTypes, true},
               {"weight_zero_point", "T2", kByteTypes, true},
               {"past", "T3", kRealTypes, true}},
    .outputs = {{"output", "T3", kRealTypes}, {"present", "T3", kRealTypes, true}},
    .attributes = {{"do_rotary", AttributeKind::kInt},
                   {"mask_filter_value", AttributeKind::kFloat},
                   {"num_heads", AttributeKind::kInt, true},
                   {"past_present_share_buffer", AttributeKind::kInt},
                   {"scale", AttributeKind::kFloat},
                   {"unidirectional", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_attention,
};

// EmbedLayerNormalization of com.microsoft whose tables, scale and shift are 8-bit integers.
extern constinit const OpSchema kMicrosoftQEmbedLayerNormalization = {
    .domain = "com.microsoft",
    .op = "QEmbedLayerNormalization",
    .since_version = 1,
    .inputs = {{"input_ids", "T1", kIdTypes},
               {"segment_ids", "T1", kIdTypes, true},
               {"word_embedding_quant", "T2", kByteTypes},
               {"position_embedding_quant", "T2", kByteTypes},
               {"segment_embedding", "T2", kByteTypes, true},
               {"gamma_quant", "T2", kByteTypes},
               {"beta_quant", "T2", kByteTypes},
               {"mask", "T1", kIdTypes, true},
               {"word_embedding_scale", "", kRealTypes},
               {"position_embedding_scale", "", kRealTypes},
               {"segment_embedding_scale", "", kRealTypes, true},
               {"gamma_scale", "", kRealTypes},
               {"beta_scale", "", kRealTypes},
               {"word_embedding_zero_point", "T2", kByteTypes},
               {"position_embedding_zero_point", "T2", kByteTypes},
               {"segment_gamma_and_beta_zero_points", "T2", kByteTypes, true, true}},
    .outputs = {{"layernorm_out", "T", kRealTypes}, {"mask_index_out", "T1", kIdTypes}},
    .attributes = {{"epsilon", AttributeKind::kFloat}},
    .infer = infer_by_decomposition,
    .decompose = decompose_embed,
};

}  // namespace oag
